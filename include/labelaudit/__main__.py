"""`python -m labelaudit` is the command `labelaudit`."""

from labelaudit.cli import main

main()
