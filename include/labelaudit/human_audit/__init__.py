"""Samples that people label again: drawn, handed out, answered, and what the answers say."""
