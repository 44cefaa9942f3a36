"""JSON: lines, arrays, and what nested records hold."""
