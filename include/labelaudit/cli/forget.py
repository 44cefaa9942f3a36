"""`labelaudit forget`: takes an annotator's name out of everything of ours, and lists where else it stands."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Column, Table

from labelaudit.cli.options import CONTRACTS, FAILED, HERE, ContractsOption, JsonOption, StoreOption, split
from labelaudit.cli.output import escape, out, tell
from labelaudit.contracts import reading
from labelaudit.contracts.model import Contract
from labelaudit.errors import LabelauditError
from labelaudit.run import steps
from labelaudit.storage.opening import open_store
from labelaudit.storage.store import Store


def forget(
    annotator: Annotated[str, typer.Option(help="the name, as the vendors' files have it")],
    vendor: Annotated[str | None, typer.Option(help="only who works for this vendor")] = None,
    dataset: Annotated[str | None, typer.Option(metavar="CUSTOMER/DATASET", help="only this one; else all")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="change nothing, and say what would be")] = False,
    store: StoreOption = HERE,
    contracts: ContractsOption = CONTRACTS,
    as_json: JsonOption = False,
) -> None:
    """Take an annotator's name out of everything of ours, and list where else it stands.

    Exit code 1 where a destination could not be looked at.
    """
    import time

    from labelaudit.upkeep import forgetting

    ours = open_store(store)
    known = {(contract.customer, contract.dataset): contract for contract in reading.read_contracts(contracts)[0]}
    wanted = [split(dataset)] if dataset else sorted({*known, *forgetting.datasets(ours)})
    told, unseen = [], []
    for customer, name in wanted:
        contract = known.get((customer, name))
        destination, problem = _destination(contract, ours)
        if problem:
            unseen.append(f"{customer}/{name}: {problem}")
        terms = (contract, destination, vendor, dry_run)
        told.append(forgetting.forget(ours, customer, name, annotator, time.time(), *terms))
    tell({"datasets": [forgotten.model_dump() for forgotten in told], "unseen": unseen}, as_json, None)
    if not as_json:
        _show(told, unseen, dry_run)
    if unseen:
        raise typer.Exit(FAILED)


def _destination(contract: Contract | None, store: Store) -> tuple[Store | None, str]:
    """Where the dataset is published, or why nobody can look there."""
    if contract is None:
        return None, "its contract is gone, and with it where it was published"
    try:
        return steps.open_destination(contract, store), ""
    except LabelauditError as error:
        return None, f"{type(error).__name__}: {error}"


def _show(told, unseen, dry_run: bool) -> None:
    changed = Table("dataset", "place", "files", "names", title="would be changed" if dry_run else "changed")
    left = Table("place", "release", "rows", Column("file", overflow="fold"), "", title="not ours to change")
    for forgotten in told:
        for place in forgotten.changed:
            changed.add_row(forgotten.dataset, place.place, str(place.files), str(place.values))
        for file in forgotten.left:
            left.add_row(file.place, file.release, str(file.rows or ""), escape(file.uri), escape(file.note))
    if not changed.rows and not left.rows:
        out.print("Nothing names this person.")
    for table in (changed, left):
        if table.rows:
            out.print(table)
    for forgotten in told:
        for run in forgotten.under_way:
            out.print(
                f"[yellow]{forgotten.dataset}: the run {run} is under way or held[/yellow]: call this again after it."
            )
    for reason in unseen:
        out.print(f"[red]not looked at[/red] {escape(reason)}", highlight=False)
