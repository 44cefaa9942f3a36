"""What was agreed: the models of a contract, and how its file is read."""
