"""Markup, charts and spreadsheet cells; nothing here knows what a release is."""
