"""From accepted rows and the history to an audit: what is wrong, who made it, what the dataset is like."""
