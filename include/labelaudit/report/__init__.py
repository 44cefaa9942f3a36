"""What a release's report says, and how it is drawn."""
