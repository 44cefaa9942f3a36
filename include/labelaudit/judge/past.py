"""The counts of every release that was judged: the published ones, and those that were held or rejected.

What was published is in the customer's table `quality`. The counts of all attempts, and each delivery's part of them,
are kept in a Delta table of ours, `<store>/judged/<customer>/<dataset>`: a vendor that sends the same bad labels again
is one incident, not two, and whatever becomes of a delivery, its rows count once (`counted`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import pyarrow as pa

from labelaudit.contracts.model import Contract
from labelaudit.storage import commits, delta, layout, release_log, tables
from labelaudit.storage.schemas import JUDGED_SCHEMA
from labelaudit.storage.store import Store
from labelaudit.values.counted import Attempt, Judged, Share, Shares, count_once
from labelaudit.values.releases import Audit, Count
from labelaudit.values.value import Value
from labelaudit.values.verdicts import Incident

Counts = dict[str, list[Count]]
"""Counts by release, oldest first."""


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
    """What the judged releases add to the streams, oldest first; every delivery's rows count once."""
    return count_once(read_attempts(contract, store, destination))


def read_attempts(contract: Contract, store: Store, destination: Store) -> tuple[Attempt, ...]:
    """All judged releases, oldest first; of one number, what was not published comes before what was."""
    published = {release.release: release for release in release_log.log(destination)}
    counts = {release: tuple(release_counts) for release, release_counts in read_counts(destination).items()}
    kept: dict[str, list[dict]] = {}
    for batch in tables.stream(store, layout.judged(contract.customer, contract.dataset), "select * from rows"):
        for row in batch.to_pylist():
            kept.setdefault(row["release"], []).append(row)
    made = []
    for release in {**counts, **kept}:
        rows, logged = kept.get(release, ()), published.get(release)
        if not rows and logged is None:
            continue
        sequence = logged.sequence if logged else rows[0]["sequence"]
        place = (sequence, logged is not None, str(rows[0].get("run_time") or "") if rows else "", release)
        whole = counts.get(release) or tuple(_count(row) for row in rows if row.get("digest") is None)
        attempt = Attempt(
            release=release,
            sequence=sequence,
            published=None if logged is None else frozenset(logged.deliveries.values()),
            counts=whole,
            shares=_shares(row for row in rows if row.get("digest") is not None),
        )
        made.append((place, attempt))
    return tuple(attempt for _, attempt in sorted(made, key=lambda pair: pair[0]))


def attempt_of(audit: Audit, store: Store) -> Attempt:
    """The attempt that a run makes now."""
    shares = Shares.model_validate_json(store.read(audit.shares)).shares if audit.shares else ()
    return Attempt(release=audit.release, sequence=audit.found.sequence, counts=audit.counts, shares=shares)


def latest(contract: Contract, store: Store, destination: Store, number: int) -> list[str]:
    """The releases that were judged last, held ones too; the newest first."""
    places = {entry.release: (entry.sequence, True, "") for entry in release_log.log(destination)}
    query = "select release, sequence, max(run_time) as run_time from rows group by release, sequence"
    for batch in tables.stream(store, layout.judged(contract.customer, contract.dataset), query):
        for row in batch.to_pylist():
            places.setdefault(row["release"], (row["sequence"], False, str(row["run_time"])))
    return sorted(places, key=lambda release: (places[release], release), reverse=True)[:number]


def record(contract: Contract, audit: Audit, attempt: Attempt, store: Store, run_time: datetime) -> None:
    """Keep the counts of a release that was judged; a repeated step replaces its own."""
    own = {"release": audit.release, "sequence": audit.found.sequence, "run_time": run_time}
    rows = [own | count.model_dump() for count in attempt.counts]
    for share in attempt.shares:
        named = {"digest": share.digest, "delivery": share.name, "supersedes": ",".join(share.supersedes)}
        rows += [own | named | count.model_dump() for count in share.counts]
    table = pa.Table.from_pylist(rows, schema=JUDGED_SCHEMA)
    name = layout.judged(contract.customer, contract.dataset)
    commits.replace_rows(store, name, JUDGED_SCHEMA, lambda: table, f"release = {delta.quoted(audit.release)}")


def write_open(contract: Contract, incidents: Sequence[Incident], store: Store) -> None:
    """Keep the open incidents for the page: to watch all streams again takes too long for a request."""
    kept = OpenIncidents(incidents=tuple(incident for incident in incidents if incident.state == "open"))
    store.write(layout.open_incidents(contract.customer, contract.dataset), kept.model_dump_json().encode())


def read_open(contract: Contract, store: Store) -> tuple[Incident, ...]:
    """The incidents that the last judged release left open."""
    try:
        content = store.read(layout.open_incidents(contract.customer, contract.dataset))
    except KeyError:
        return ()
    return OpenIncidents.model_validate_json(content).incidents


def _shares(rows: Iterable[dict]) -> tuple[Share, ...]:
    rows_of: dict[str, list[dict]] = {}
    for row in rows:
        rows_of.setdefault(row["digest"], []).append(row)
    return tuple(
        Share(
            digest=digest,
            name=own[0]["delivery"],
            supersedes=tuple(filter(None, own[0]["supersedes"].split(","))),
            counts=tuple(map(_count, own)),
        )
        for digest, own in sorted(rows_of.items())
    )


def _count(row: dict) -> Count:
    return Count(metric=row["metric"], vendor=row["vendor"], label=row["label"], x=row["x"], n=row["n"])
