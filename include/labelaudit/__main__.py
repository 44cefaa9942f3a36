"""`python -m labelaudit` is the command `labelaudit`."""

from labelaudit.cli.app import main

main()
