"""Acceptance of whole lots by a sample: what every plan can do, single plans, sequential plans."""
