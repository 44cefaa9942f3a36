"""The report of a rejected delivery: what a vendor needs to mend it. HTML, JSON, and the rejects as a spreadsheet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from labelaudit.contracts.model import Contract
from labelaudit.rejects.words import DECIDED, SET_ASIDE, advice, title
from labelaudit.rendering.markup import render
from labelaudit.rendering.spreadsheet import safe_csv
from labelaudit.storage.store import Store
from labelaudit.values.deliveries import CheckedDelivery

TEMPLATE = Path(__file__).parent / "templates" / "rejection.html"
SHOWN_REJECTS = 200
SHOWN_FAULTS = 20


def write(contract: Contract, checked: CheckedDelivery, rejects: pa.Table, store: Store, prefix: str) -> None:
    """Write rejection.html, rejection.json and (where there are any) rejects.csv below `prefix`."""
    page = render(
        TEMPLATE,
        contract=contract,
        checked=checked,
        faults=_faults(checked, rejects),
        rejects=rejects.slice(0, SHOWN_REJECTS).to_pylist(),
        total_rejects=rejects.num_rows,
        title=title,
        advice=advice,
        decided=checked.refusal.code in DECIDED,
        aside=sum(reject_count.rows for reject_count in checked.reject_counts if reject_count.code in SET_ASIDE),
    )
    store.write(prefix + "rejection.html", page.encode())
    store.write(prefix + "rejection.json", checked.model_dump_json(indent=2).encode())
    if rejects.num_rows:
        store.write(prefix + "rejects.csv", rejects_csv(rejects))


def rejects_csv(rejects: pa.Table) -> bytes:
    """Rejects as a spreadsheet, one line each."""
    columns = list(rejects.column_names)
    rows = ([row[name] for name in columns] for batch in rejects.to_batches(10_000) for row in batch.to_pylist())
    return safe_csv(columns, rows)


def _faults(checked: CheckedDelivery, rejects: pa.Table) -> list[dict[str, Any]]:
    """Each kind of fault once: how many rows have it, the first of them, and what to do."""
    lines = []
    for reject_count in checked.reject_counts[:SHOWN_FAULTS]:
        column = (
            pc.is_null(rejects["column"])
            if reject_count.column is None
            else pc.equal(rejects["column"], reject_count.column)
        )
        same = rejects.filter(pc.and_(pc.equal(rejects["code"], reject_count.code), pc.fill_null(column, False)))
        lines.append(
            {
                "title": title(reject_count.code),
                "column": reject_count.column,
                "rows": reject_count.rows,
                "advice": advice(reject_count.code),
                "first": same.slice(0, 1).to_pylist()[0] if same.num_rows else None,
            }
        )
    return lines
