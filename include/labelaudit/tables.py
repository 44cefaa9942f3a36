"""The customer's Delta tables and our own of rejects; the only module that imports deltalake.

`labels`: one row an item. `annotations`: one row an item and annotator. `quality`: counts x of n by release. A release
exists if and only if the log of `labels` holds its commit; rows of the other tables count only if their release does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, QueryBuilder, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from labelaudit import layout
from labelaudit.errors import ReleaseConflict, StorageUnavailable
from labelaudit.store import Store
from labelaudit.table_schemas import LABELS_SCHEMA, SCHEMAS

SEQUENCE = "labelaudit/sequence"
KEEP_LOG = {"delta.logRetentionDuration": "interval 36500 days"}  # the log is the list of releases
ATTEMPTS = 8
T = TypeVar("T")
Rows = pa.Table | pa.RecordBatchReader


@dataclass(frozen=True)
class Logged:
    """One release, as the log of `labels` has it: deliveries as vendor/id: digest, the sha256 of its manifest.json."""

    release: str
    digest: str
    sequence: int
    version: int
    deliveries: dict[str, str] = field(default_factory=dict)
    superseded: tuple[str, ...] = ()
    manifest: str = ""


@dataclass(frozen=True)
class State:
    """The `labels` table now: its version, and the last release's name and number (0: none yet)."""

    version: int
    release: str | None
    sequence: int


def log(destination: Store) -> list[Logged]:
    """All releases, oldest first."""
    table = _table(destination, layout.LABELS)
    if table is None:
        return []
    with _answered(destination):
        commits = table.history()
    found = []
    for commit in commits:
        if "labelaudit" in commit:
            said = json.loads(commit["labelaudit"])
            said["superseded"] = tuple(said["superseded"])
            found.append(Logged(version=commit["version"], **said))
    return sorted(found, key=lambda one: one.sequence)


def state(destination: Store) -> State:
    releases = log(destination)
    if not releases:
        return State(-1, None, 0)
    return State(releases[-1].version, releases[-1].release, releases[-1].sequence)


def published_deliveries(destination: Store) -> dict[str, str]:
    """vendor/id: digest of the deliveries that the dataset now consists of."""
    current: dict[str, str] = {}
    for one in log(destination):
        for name in one.superseded:
            current.pop(name, None)
        current |= one.deliveries
    return current


def superseded_deliveries(destination: Store) -> dict[str, str]:
    """vendor/id: digest of the deliveries that were published once and have been replaced since."""
    current, gone = published_deliveries(destination), {}
    for one in log(destination):
        gone |= {name: digest for name, digest in one.deliveries.items() if name not in current}
    return gone


def commit_labels(destination: Store, rows: pa.Table, logged: Logged) -> tuple[int, bool]:
    """Publish: one commit that replaces, removes and adds items. Gives the version, and whether it was there before.

    rows: LABELS_SCHEMA and a bool `_removed`. Raises ReleaseConflict where another release took the sequence number.
    """
    _create(destination, layout.LABELS, LABELS_SCHEMA)
    said = {
        "release": logged.release,
        "digest": logged.digest,
        "sequence": logged.sequence,
        "deliveries": logged.deliveries,
        "superseded": list(logged.superseded),
        "manifest": logged.manifest,
    }
    transactions = [Transaction(SEQUENCE, logged.sequence)]
    transactions += [Transaction(f"delivery/{digest}", 1) for digest in sorted(set(logged.deliveries.values()))]
    properties = CommitProperties(
        app_transactions=transactions, custom_metadata={"labelaudit": json.dumps(said)}, max_commit_retries=0
    )
    for attempt in range(ATTEMPTS):
        table = _table(destination, layout.LABELS)
        taken = _taken(destination, logged)
        if taken is not None:
            return taken, True
        try:
            with _answered(destination):
                (
                    table.merge(
                        rows,
                        "target.item = source.item",
                        source_alias="source",
                        target_alias="target",
                        commit_properties=properties,
                    )
                    .when_matched_delete("source._removed")
                    .when_matched_update_all("not source._removed", except_cols=["_removed"])
                    .when_not_matched_insert_all("not source._removed", except_cols=["_removed"])
                    .execute()
                )
            return table.version(), False
        except CommitFailedError as error:
            if attempt == ATTEMPTS - 1:
                raise StorageUnavailable(f"{destination.uri}: other writers were always faster: {error}") from error
    raise AssertionError("unreachable")


def _taken(destination: Store, logged: Logged) -> int | None:
    """The version in which this very release is published already; None where its sequence number is free."""
    for one in log(destination):
        if one.release == logged.release:
            return one.version
        if one.sequence >= logged.sequence:
            raise ReleaseConflict(
                f"release {one.release} was published to {destination.uri} meanwhile, where {logged.release} was to"
                " follow an older one. The run starts again from `find`."
            )
    return None


def replace_release_rows(destination: Store, name: str, rows: pa.Table, release: str) -> None:
    """Write the release's rows of `annotations` or `quality`, in place of what an earlier attempt wrote."""
    predicate = f"release = '{release}'"  # a name of ours: r0007-3fa9c2d1
    replace_rows(destination, name, rows.schema, lambda: rows, predicate)


def replace_rows(destination: Store, name: str, schema: pa.Schema, rows: Callable[[], Rows], predicate: str) -> None:
    """Put rows, all of which the predicate fits, in place of those that it fits: one commit. A reader is streamed."""
    _create(destination, name, schema)

    def write() -> None:
        write_deltalake(
            _uri(destination, name),
            rows(),
            mode="overwrite",
            predicate=predicate,
            storage_options=destination.table_options(),
        )

    _retried(destination, write)


def stream(destination: Store, name: str, query: str) -> Iterator[pa.RecordBatch]:
    """The answer to a query of the table `rows`, batch by batch; none where there is no such table."""
    table = _table(destination, name)
    if table is not None:
        with _answered(destination):
            yield from map(pa.record_batch, QueryBuilder().register("rows", table).execute(query))


def drop_rows(destination: Store, name: str, predicate: str) -> None:
    """Delete rows of `annotations` or `quality`; nothing is committed where none fits."""

    def delete() -> None:
        table = _table(destination, name)
        if table is not None and _some(table, predicate):
            table.delete(predicate)

    _retried(destination, delete)


def read_table(destination: Store, name: str, columns: list[str] | None = None, version: int | None = None) -> pa.Table:
    """A table's rows; those of `annotations` and `quality` only of releases that exist. Empty where there is none."""
    table = _table(destination, name, version)
    schema = SCHEMAS[name]
    if columns:
        schema = pa.schema([schema.field(column) for column in columns])
    if table is None:
        return schema.empty_table()
    with _answered(destination):
        rows = _query(table, f"select {', '.join(schema.names)} from rows").cast(schema)  # noqa: S608 - names of ours
    if name != layout.LABELS and "release" in rows.column_names:
        exist = pa.array([one.release for one in log(destination)], pa.string())
        rows = rows.filter(pa.compute.is_in(rows["release"], exist))
    return rows


def expired(destination: Store, name: str, version: int) -> bool:
    """Whether data files of a version are gone, as `expire_versions` removes them."""
    table = _table(destination, name, version)
    there = set(destination.list(f"{name}/"))
    return any(uri.removeprefix(destination.uri + "/") not in there for uri in _file_uris(table))


def expire_versions(destination: Store, days: int) -> int:
    """Delete data files that no version of the last `days` days needs; gives how many. Releases stay in the log."""
    deleted = 0
    for name in (layout.LABELS, layout.ANNOTATIONS, layout.QUALITY):
        table = _table(destination, name)
        if table is not None:
            with _answered(destination):
                deleted += len(table.vacuum(retention_hours=24 * days, dry_run=False))
    return deleted


def quoted(text: str) -> str:
    """A text as a literal of Delta's predicates."""
    return "'" + text.replace("'", "''") + "'"


def _query(table: DeltaTable, query: str) -> pa.Table:
    """The answer to a query of the table `rows`.

    By deltalake's own engine, not by pyarrow.dataset: the scanner's threads may outlive the interpreter, and then abort
    the process at its end (seen as exit code -6; apache/arrow issues 34314, 36980).
    """
    try:
        return pa.table(QueryBuilder().register("rows", table).execute(query).read_all())
    except Exception as error:  # the engine raises nothing more special
        raise DeltaError(str(error)) from error


def _some(table: DeltaTable, predicate: str) -> bool:
    # the predicate is built by publishing.py, of release names and quoted() texts
    return _query(table, f"select 1 from rows where {predicate} limit 1").num_rows > 0  # noqa: S608


def _file_uris(table: DeltaTable) -> list[str]:
    """The data files of a version; those of a folder come without their scheme."""
    uris = table.file_uris()
    return [uri if "://" in uri else f"file://{uri}" for uri in uris]


def _uri(destination: Store, name: str) -> str:
    return f"{destination.uri}/{name}"


def _table(destination: Store, name: str, version: int | None = None) -> DeltaTable | None:
    with _answered(destination):
        try:
            return DeltaTable(_uri(destination, name), version=version, storage_options=destination.table_options())
        except TableNotFoundError:
            return None


def _create(destination: Store, name: str, schema: pa.Schema) -> None:
    if _table(destination, name) is None:
        with _answered(destination):
            DeltaTable.create(
                _uri(destination, name),
                schema,
                mode="ignore",
                configuration=KEEP_LOG,
                storage_options=destination.table_options(),
            )


def _retried(destination: Store, write: Callable[[], T]) -> T:
    for attempt in range(ATTEMPTS):
        try:
            with _answered(destination):
                return write()
        except CommitFailedError as error:
            if attempt == ATTEMPTS - 1:
                raise StorageUnavailable(f"{destination.uri}: other writers were always faster: {error}") from error
    raise AssertionError("unreachable")


@contextmanager
def _answered(destination: Store) -> Iterator[None]:
    try:
        yield
    except (TableNotFoundError, CommitFailedError):
        raise
    except (DeltaError, OSError, pa.ArrowException) as error:
        raise StorageUnavailable(f"the tables at {destination.uri} can't be reached: {error}") from error
