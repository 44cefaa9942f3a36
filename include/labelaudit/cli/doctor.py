"""`labelaudit doctor`: tries on this machine what the rest relies on, and says what is missing and what to do."""

from __future__ import annotations

from dataclasses import asdict

import typer
from rich.table import Table

from labelaudit.cli.options import CONTRACTS, FAILED, HERE, ContractsOption, JsonOption, StoreOption
from labelaudit.cli.output import escape, tell

MARKS = {True: "[green]yes[/green]", False: "[red]NO[/red]", None: ""}


def doctor(store: StoreOption = HERE, contracts: ContractsOption = CONTRACTS, as_json: JsonOption = False) -> None:
    """Try what the rest relies on: that parsers of vendors' files are held, the store, the contracts.

    Exit code 1 where something is missing.
    """
    from labelaudit.cli.machine import examine

    findings = examine(store, contracts)
    table = Table("", "what", "found", show_lines=False)
    for finding in findings:
        said = escape(finding.said) + (f"\n[yellow]{escape(finding.advice)}[/yellow]" if finding.advice else "")
        table.add_row(MARKS[finding.good], escape(finding.about), said)
    tell([asdict(finding) for finding in findings], as_json, table)
    if any(finding.good is False for finding in findings):
        raise typer.Exit(FAILED)
