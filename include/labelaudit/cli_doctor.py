"""`labelaudit doctor`: tries on this machine what the rest relies on, and says what is missing and what to do."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from labelaudit.cli_output import escape, tell

GOOD, FAILED = 0, 1
MARKS = {True: "[green]yes[/green]", False: "[red]NO[/red]", None: ""}


def doctor(
    store: Annotated[str, typer.Option("--store", envvar="LABELAUDIT_STORE", help="file:///folder or s3://bucket")] = (
        "file://" + str(Path.cwd() / "labelaudit-store")
    ),
    contracts: Annotated[
        Path, typer.Option("--contracts", envvar="LABELAUDIT_CONTRACTS", help="folder of contracts")
    ] = Path("include/contracts"),
    as_json: Annotated[bool, typer.Option("--json", help="print JSON for programs")] = False,
) -> None:
    """Try what the rest relies on: that parsers of vendors' files are held, the store, the contracts.

    Exit code 1 where something is missing.
    """
    from labelaudit.doctor import examine

    found = examine(store, contracts)
    table = Table("", "what", "found", show_lines=False)
    for one in found:
        said = escape(one.said) + (f"\n[yellow]{escape(one.advice)}[/yellow]" if one.advice else "")
        table.add_row(MARKS[one.good], escape(one.about), said)
    tell([asdict(one) for one in found], as_json, table)
    if any(one.good is False for one in found):
        raise typer.Exit(FAILED)
