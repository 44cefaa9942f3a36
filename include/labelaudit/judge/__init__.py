"""What is said of a release: limits, incidents, and the verdict."""
