"""Algorithms: numpy in, numpy out, nothing else; one to a file."""
