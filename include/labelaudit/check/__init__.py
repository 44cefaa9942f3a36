"""Holds a staged delivery against its contract, with Great Expectations."""
