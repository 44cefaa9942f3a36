"""The process without rights in which foreign files are parsed."""
