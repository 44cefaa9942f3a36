"""The counts of every release that was judged: the published ones, and those that were held or rejected.

What was published is in the customer's table `quality`. A held release's counts are kept in a Delta table of ours,
`<store>/judged/<customer>/<dataset>`: a vendor that sends the same bad labels again is one incident, not two.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa

from labelaudit import layout, table_commits, tables
from labelaudit.contract import Contract
from labelaudit.store import Store
from labelaudit.table_schemas import JUDGED_SCHEMA
from labelaudit.values import Audit, Count, Value
from labelaudit.verdicts import Incident

Counts = dict[str, list[Count]]
"""Counts by release, oldest first."""


class Judged(Value):
    """One judged release. accepted: published, so that it may teach a baseline."""

    release: str
    sequence: int
    accepted: bool
    counts: tuple[Count, ...]


class OpenIncidents(Value):
    incidents: tuple[Incident, ...]


def read_counts(destination: Store) -> Counts:
    """The counts of every release that exists."""
    rows = tables.read_table(destination, layout.QUALITY).to_pylist()
    rows.sort(key=lambda row: row["sequence"])
    counts: Counts = {}
    for row in rows:
        counts.setdefault(row["release"], []).append(_count(row))
    return counts


def read_judged(contract: Contract, store: Store, destination: Store) -> tuple[Judged, ...]:
    """All judged releases, oldest first; of one number, what was not published comes before what was."""
    rows = tables.read_table(destination, layout.QUALITY).to_pylist()
    published = {row["release"] for row in rows}
    name = layout.judged(contract.customer, contract.dataset)
    for batch in tables.stream(store, name, "select * from rows"):
        rows += [row for row in batch.to_pylist() if row["release"] not in published]
    found: dict[str, list[dict]] = {}
    for row in rows:
        found.setdefault(row["release"], []).append(row)
    made = []
    for release, own in found.items():
        accepted, first = release in published, own[0]
        place = (first["sequence"], accepted, str(first.get("run_time") or ""), release)
        counts = tuple(map(_count, own))
        made.append((place, Judged(release=release, sequence=place[0], accepted=accepted, counts=counts)))
    return tuple(one for _, one in sorted(made, key=lambda pair: pair[0]))


def record_held(contract: Contract, audit: Audit, store: Store, run_time: datetime) -> None:
    """Keep the counts of a release that is not published as it is; a repeated step replaces its own."""
    rows = [
        {"release": audit.release, "sequence": audit.found.sequence, "run_time": run_time, **one.model_dump()}
        for one in audit.counts
    ]
    table = pa.Table.from_pylist(rows, schema=JUDGED_SCHEMA)
    name = layout.judged(contract.customer, contract.dataset)
    table_commits.replace_rows(store, name, JUDGED_SCHEMA, lambda: table, f"release = {tables.quoted(audit.release)}")


def write_open(contract: Contract, incidents: Sequence[Incident], store: Store) -> None:
    """Keep the open incidents for the page: to watch all streams again takes too long for a request."""
    kept = OpenIncidents(incidents=tuple(one for one in incidents if one.state == "open"))
    store.write(layout.open_incidents(contract.customer, contract.dataset), kept.model_dump_json().encode())


def read_open(contract: Contract, store: Store) -> tuple[Incident, ...]:
    """The incidents that the last judged release left open."""
    try:
        content = store.read(layout.open_incidents(contract.customer, contract.dataset))
    except KeyError:
        return ()
    return OpenIncidents.model_validate_json(content).incidents


def _count(row: dict) -> Count:
    return Count(metric=row["metric"], vendor=row["vendor"], label=row["label"], x=row["x"], n=row["n"])
