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
    for entry in release_log.log(destination):
        metrics = {
            count.metric: count for count in counts.get(entry.release, ()) if not count.vendor and not count.label
        }
        issue, reject = metrics.get("issue"), metrics.get("reject")
        report = destination.uri_of(entry.files + "report.html")
        rows.append(
            {"release": entry.release, "digest": entry.digest, "deliveries": list(entry.deliveries), "report": report}
        )
        rows[-1] |= {
            "items": issue and int(issue.n),
            "issues": issue and int(issue.x),
            "rejected_rows": reject and int(reject.x),
        }
        shown = [str(rows[-1][key]) for key in ("items", "issues", "rejected_rows")]
        table.add_row(entry.release, ", ".join(entry.deliveries), *shown, report)
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
        verified = verifying.verify(destination, release, progress)
    rows = f"{verified.rows} rows" if verified.rows_checked else "its rows have expired and were not checked"
    told = f"[green]{verified.release} is whole[/green]: {verified.files} files, {rows}, digest {verified.digest}"
    tell(verified.model_dump(), as_json, told)


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
    expired = expiry.expire(contract, opened, steps.open_destination(contract, opened), time.time())
    told = (
        f"Removed {expired.run_files} files of old runs, {expired.table_files} of old table versions,"
        f" {expired.history_files} of the history and reports, {expired.audit_files} of audits,"
        f" {expired.rejection_files} of rejections, {expired.alert_files} notes of alerts, {expired.left_files} of what"
        " was killed."
    )
    tell(expired.model_dump(), as_json, told)
