"""All rejects of a dataset over time: an internal Delta table, `<store>/rejects/<customer>/<dataset>`.

A delivery (its name and digest) is in it once, as the last run that looked at it left it: a step that is repeated, or a
delivery that is audited again, replaces its own rows. The rows are streamed, however many there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from labelaudit.contracts.model import Contract
from labelaudit.errors import InvalidInput
from labelaudit.rejects.records import REJECT_SCHEMA
from labelaudit.rejects.words import advice
from labelaudit.rendering.spreadsheet import safe_csv, safe_rows
from labelaudit.storage import commits, delta, layout, tables
from labelaudit.storage.files import scratch
from labelaudit.storage.parquet import row_groups
from labelaudit.storage.schemas import REJECTS_SCHEMA
from labelaudit.storage.store import Store
from labelaudit.values.deliveries import CheckedDelivery

BATCH_ROWS = 16_384
GROUPS = ("vendor", "delivery", "code", "column", "file", "status", "day")
"""What rejects can be counted by; `day` is that of the run, in UTC."""


def record(contract: Contract, checked: Sequence[CheckedDelivery], store: Store, run_time: datetime) -> None:
    """Write the rejects of checked deliveries, in place of what is there of the same deliveries; one commit.

    The sum of `rows` over a delivery's lines is its `rejected_rows`. `run_time` has a time zone.
    """
    if not checked:
        return
    for delivery in checked:
        if delivery.rejects and not store.exists(delivery.rejects):
            # read while the table is written, it would look like the table's own failure
            raise KeyError(delivery.rejects)
    name = layout.rejects(contract.customer, contract.dataset)
    predicate = " or ".join(
        f"(vendor = {delta.quoted(delivery.delivery.vendor)} and delivery = {delta.quoted(delivery.delivery.id)}"
        f" and digest = {delta.quoted(delivery.delivery.digest)})"
        for delivery in checked
    )
    if all(delivery.accepted and not delivery.rejected_rows for delivery in checked):
        commits.drop_rows(store, name, predicate)
        return

    def rows() -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(REJECTS_SCHEMA, _batches(checked, store, run_time))

    commits.replace_rows(store, name, REJECTS_SCHEMA, rows, predicate)


def _batches(checked: Sequence[CheckedDelivery], store: Store, run_time: datetime) -> Iterator[pa.RecordBatch]:
    for delivery in checked:
        whole = {
            "vendor": delivery.delivery.vendor,
            "delivery": delivery.delivery.id,
            "digest": delivery.delivery.digest,
            "run_time": run_time,
            "status": "accepted" if delivery.accepted else "rejected",
            "rows": 1,
        }
        listed = 0
        for group in row_groups(store, delivery.rejects) if delivery.rejects else ():
            listed += group.num_rows
            for batch in group.to_batches(BATCH_ROWS):
                yield _with(whole, batch)
        if delivery.refusal:
            code = delivery.refusal.code
            sound = {"rows": delivery.rejected_rows - listed, "code": code, "reason": delivery.refusal.message}
            yield pa.RecordBatch.from_pylist([whole | sound | {"advice": advice(code)}], schema=REJECTS_SCHEMA)


def _with(whole: dict[str, Any], batch: pa.RecordBatch) -> pa.RecordBatch:
    """Rejects as a step keeps them, with what holds for the whole delivery."""
    columns = [
        pa.repeat(pa.scalar(whole[field.name], field.type), batch.num_rows)
        if field.name in whole
        else batch.column(field.name).cast(field.type)
        for field in REJECTS_SCHEMA
    ]
    return pa.RecordBatch.from_arrays(columns, schema=REJECTS_SCHEMA)


def condition(
    vendor: str | None = None, delivery: str | None = None, code: str | None = None, since: datetime | None = None
) -> str:
    """Which rejects are meant, for `counts` and `rows`. `delivery` is an id, or vendor/id; `since` has a time zone."""
    clauses = []
    if delivery and "/" in delivery:
        its_vendor, delivery = delivery.split("/", 1)
        clauses.append(f"vendor = {delta.quoted(its_vendor)}")
    for column, value in (("vendor", vendor), ("delivery", delivery), ("code", code)):
        if value is not None:
            clauses.append(f"{column} = {delta.quoted(value)}")
    if since is not None:
        clauses.append(f"run_time >= to_timestamp_micros({round(since.timestamp() * 1e6)})")
    return " and ".join(clauses) or "true"


def counts(contract: Contract, store: Store, by: Sequence[str] = ("code",), where: str = "true") -> list[dict]:
    """Rejected rows and deliveries, by what `by` names, most rows first: [{"code": …, "rows": 9, "deliveries": 1}, …].

    Raises InvalidInput where `by` names something else than GROUPS.
    """
    if unknown := [name for name in by if name not in GROUPS] or (["nothing"] if not by else []):
        raise InvalidInput(f"rejects can't be counted by {', '.join(unknown)}; only by {', '.join(GROUPS)}")
    columns = ", ".join("to_char(run_time, '%Y-%m-%d') as day" if name == "day" else f'"{name}"' for name in by)
    places = ", ".join(str(place) for place in range(1, len(by) + 1))
    query = (
        f"select {columns}, sum(rows) as rows, count(distinct vendor || '/' || delivery) as deliveries"  # noqa: S608
        f" from rows where {where} group by {places} order by rows desc, {places}"  # names of GROUPS, quoted() texts
    )
    batches = tables.stream(store, layout.rejects(contract.customer, contract.dataset), query)
    return [row for batch in batches for row in batch.to_pylist()]


def rows(contract: Contract, store: Store, where: str = "true") -> Iterator[pa.RecordBatch]:
    """The rejects themselves, as REJECTS_SCHEMA has them, batch by batch in no order."""
    query = f"select {', '.join(map(_named, REJECTS_SCHEMA.names))} from rows where {where}"  # noqa: S608
    yield from tables.stream(store, layout.rejects(contract.customer, contract.dataset), query)


def write_csv(path: Path, names: Sequence[str], batches: Iterable[pa.RecordBatch | pa.Table]) -> int:
    """Write batches to a spreadsheet that is safe to open; gives the number of rows. A file is replaced when whole."""
    written = 0
    half = path.with_name(path.name + ".part")
    try:
        with half.open("wb") as file:
            file.write(safe_csv(names, ()))
            for batch in batches:
                written += batch.num_rows
                _append(file, names, batch)
        half.replace(path)
    except OSError as error:
        raise InvalidInput(f"can't write {path}: {error.strerror}") from error
    finally:
        with suppress(OSError):
            half.unlink(missing_ok=True)
    return written


def _append(file: BinaryIO, names: Sequence[str], batch: pa.RecordBatch | pa.Table) -> None:
    for start in range(0, batch.num_rows, BATCH_ROWS):
        lines = batch.slice(start, BATCH_ROWS).to_pylist()
        file.write(safe_rows([_cell(row[name]) for name in names] for row in lines))


def _cell(value: Any) -> Any:
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else value


def write_rejects_csv(checked: CheckedDelivery, store: Store, key: str) -> None:
    """The rejects of one delivery as its vendor gets them, from the table that `check` wrote (`checked.rejects`)."""
    with scratch() as folder:
        path = folder / "rejects.csv"
        write_csv(path, REJECT_SCHEMA.names, row_groups(store, checked.rejects))
        store.upload(path, key)


def _named(column: str) -> str:
    return f'"{column}"'
