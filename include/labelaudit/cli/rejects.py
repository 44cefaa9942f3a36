"""What the command `labelaudit rejects` does: what was rejected, over all runs of a dataset."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from rich.table import Column, Table

from labelaudit.cli.output import escape, tell
from labelaudit.contracts.model import Contract
from labelaudit.errors import InvalidInput
from labelaudit.rejects import history
from labelaudit.storage.schemas import REJECTS_SCHEMA
from labelaudit.storage.store import Store


def show_rejects(
    contract: Contract,
    store: Store,
    vendor: str | None,
    delivery: str | None,
    code: str | None,
    since: str | None,
    by: str,
    csv: Path | None,
    as_json: bool,
) -> None:
    """Count rejected rows by what `by` names (comma between), or write the rejects themselves to the file `csv`.

    `delivery` is an id, or vendor/id; `since` a day such as 2026-11-01, in UTC. Raises InvalidInput for another text.
    """
    where = history.condition(vendor, delivery, code, _day(since))
    if csv is not None:
        lines = history.write_csv(csv, REJECTS_SCHEMA.names, history.rows(contract, store, where))
        tell({"csv": str(csv), "lines": lines}, as_json, f"Wrote {lines} lines to {escape(str(csv))}")
        return
    groups = [group.strip() for group in by.split(",") if group.strip()]
    counts = history.counts(contract, store, groups, where)
    table = Table(*groups, Column("rows", justify="right"), Column("deliveries", justify="right"))
    for count in counts:
        table.add_row(*(escape(str(value if value is not None else "")) for value in count.values()))
    summary = {"rejects": counts, "rows": sum(count["rows"] for count in counts)}
    tell(summary, as_json, table if counts else f"No rejects of {contract.id} that fit are kept.")


def _day(text: str | None) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC) if text else None
    except ValueError:
        raise InvalidInput(f"--since {text!r} is not a date such as 2026-11-01") from None
