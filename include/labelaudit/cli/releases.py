"""Commands of published releases: list the `releases`, `verify` one, `expire` what is old."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Column, Table

from labelaudit.cli.options import CONTRACTS, HERE, ContractsOption, JsonOption, NameArgument, StoreOption, contract_of
from labelaudit.cli.output import tell, watched
from labelaudit.run import steps
from labelaudit.storage.opening import open_store


def releases(
    name: NameArgument,
    store: StoreOption = HERE,
    contracts: ContractsOption = CONTRACTS,
    as_json: JsonOption = False,
) -> None:
    """List the published releases."""
    from labelaudit.judge.past import read_counts
    from labelaudit.storage import release_log

    contract = contract_of(contracts, name)
    destination = steps.open_destination(contract, open_store(store))
    counts = read_counts(destination)
    report_column = Column("report", overflow="fold")
    table = Table("release", "deliveries", "items", "issues", "rejected rows", report_column)
    rows = []
    for one in release_log.log(destination):
        found = {count.metric: count for count in counts.get(one.release, ()) if not count.vendor and not count.label}
        issue, reject = found.get("issue"), found.get("reject")
        report = destination.uri_of(one.files + "report.html")
        rows.append(
            {"release": one.release, "digest": one.digest, "deliveries": list(one.deliveries), "report": report}
        )
        rows[-1] |= {
            "items": issue and int(issue.n),
            "issues": issue and int(issue.x),
            "rejected_rows": reject and int(reject.x),
        }
        shown = [str(rows[-1][key]) for key in ("items", "issues", "rejected_rows")]
        table.add_row(one.release, ", ".join(one.deliveries), *shown, report)
    tell(rows, as_json, table)


def verify(
    name: Annotated[str, typer.Argument(metavar="CUSTOMER/DATASET, or URI of a destination")],
    release: Annotated[str | None, typer.Argument(help="the last one by default")] = None,
    store: StoreOption = HERE,
    contracts: ContractsOption = CONTRACTS,
    as_json: JsonOption = False,
) -> None:
    """Check a release: every file, its manifest, and the rows of its table. Needs no contract where given a URI."""
    from labelaudit.publish import verifying

    if "://" in name:
        destination = open_store(name)
    else:
        destination = steps.open_destination(contract_of(contracts, name), open_store(store))
    with watched("verify", as_json) as progress:
        found = verifying.verify(destination, release, progress)
    rows = f"{found.rows} rows" if found.rows_checked else "its rows have expired and were not checked"
    told = f"[green]{found.release} is whole[/green]: {found.files} files, {rows}, digest {found.digest}"
    tell(found.model_dump(), as_json, told)


def expire(
    name: NameArgument,
    store: StoreOption = HERE,
    contracts: ContractsOption = CONTRACTS,
    as_json: JsonOption = False,
) -> None:
    """Remove old runs' files and old table versions, as the contract's retention says."""
    import time

    from labelaudit.run import expiry

    contract = contract_of(contracts, name)
    opened = open_store(store)
    found = expiry.expire(contract, opened, steps.open_destination(contract, opened), time.time())
    told = (
        f"Removed {found.run_files} files of old runs, {found.table_files} of old table versions,"
        f" {found.history_files} of the history and reports, {found.audit_files} of audits, {found.rejection_files} of"
        " rejections."
    )
    tell(found.model_dump(), as_json, told)
