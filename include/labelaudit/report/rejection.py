"""The report of a rejected delivery: what a vendor needs to mend it. HTML, JSON, and the rejects as a spreadsheet."""

from __future__ import annotations

import pyarrow as pa

from labelaudit.contract import Contract
from labelaudit.report.pages import render
from labelaudit.report.spreadsheet import safe_csv
from labelaudit.store import Store
from labelaudit.values import CheckedDelivery

SHOWN_REJECTS = 200


def write(contract: Contract, checked: CheckedDelivery, rejects: pa.Table, store: Store, prefix: str) -> None:
    """Write rejection.html, rejection.json and (where there are any) rejects.csv below `prefix`."""
    columns = list(rejects.column_names)
    shown = rejects.slice(0, SHOWN_REJECTS).to_pylist()
    page = render("rejection.html", contract=contract, checked=checked, rejects=shown, total_rejects=rejects.num_rows)
    store.write(prefix + "rejection.html", page.encode())
    store.write(prefix + "rejection.json", checked.model_dump_json(indent=2).encode())
    if rejects.num_rows:
        rows = ([row[name] for name in columns] for batch in rejects.to_batches(10_000) for row in batch.to_pylist())
        store.write(prefix + "rejects.csv", safe_csv(columns, rows))
