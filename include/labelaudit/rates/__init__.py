"""Rates with their intervals, and the plans that buy them. Numbers only: no store, no contract."""
