"""The command `labelaudit`: one module a group of commands."""
