"""Publishes a release in one commit, and proves afterwards that it is what was published."""
