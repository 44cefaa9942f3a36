"""The verbs of one run, and what keeps the store in order afterwards."""
