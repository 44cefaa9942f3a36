"""Commits to Delta tables: each surely once, whatever the store loses or refuses; the other module with deltalake.

A commit is a conditional put of the log's next file. Its reply may be lost, the put be refused, or another writer be
faster: then the log is asked whether the commit is there, and if it is not, it is tried again on the table as it is.
"""

from __future__ import annotations

import json
import random
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, QueryBuilder, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, TableNotFoundError

from labelaudit.errors import ReleaseConflict, StorageUnavailable
from labelaudit.storage import delta, layout, release_log
from labelaudit.storage.release_log import Logged
from labelaudit.storage.schemas import LABELS_SCHEMA, fitting
from labelaudit.storage.store import Store

SEQUENCE = "labelaudit/sequence"
"""Transaction: the number of the last release that a table holds."""
ATTEMPT = "labelaudit_attempt"
KEEP_LOG = {"delta.logRetentionDuration": "interval 36500 days"}  # the log is the list of releases
ATTEMPTS = 8
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 4.0
ASKED_COMMITS = 100
"""So far back the log is asked for an attempt: as many others may have been faster meanwhile."""
Rows = pa.Table | pa.RecordBatchReader
Write = Callable[[DeltaTable, CommitProperties], object]


def commit_labels(destination: Store, rows: pa.Table, logged: Logged) -> tuple[Logged, bool]:
    """Publish: one commit that replaces, removes and adds items. Gives the release as the log has it, and whether it
    was there before.

    rows: LABELS_SCHEMA and a bool `_removed`. Raises ReleaseConflict where another release took the sequence number.
    """
    said = asdict(logged)
    del said["version"]
    transactions = [Transaction(SEQUENCE, logged.sequence)]
    transactions += [Transaction(f"delivery/{digest}", 1) for digest in sorted(set(logged.deliveries.values()))]
    there: list[Logged] = []

    def plan(table: DeltaTable) -> Write | None:
        taken = _taken(destination, table, logged)
        there[:] = [taken] if taken else []
        return None if taken else write

    def write(table: DeltaTable, properties: CommitProperties) -> None:
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

    schema = fitting(LABELS_SCHEMA, rows.schema)
    version = _commit(destination, layout.LABELS, schema, plan, transactions, {"labelaudit": json.dumps(said)})
    return (there[0], True) if version is None else (replace(logged, version=version), False)


def _taken(destination: Store, table: DeltaTable, logged: Logged) -> Logged | None:
    """This very release, where it is published already; None where its sequence number is free."""
    for entry in release_log.log_of(destination, table):
        if entry.release == logged.release:
            return entry
        if entry.sequence >= logged.sequence:
            raise ReleaseConflict(
                f"release {entry.release} was published to {destination.uri} meanwhile, where {logged.release} was to"
                " follow an older one. The run starts again from `find`."
            )
    return None


def applied(destination: Store, name: str) -> int:
    """The number of the last release whose rows `annotations` or `quality` hold; 0: none, or of an older version."""
    table = delta.open_table(destination, name)
    return 0 if table is None else _applied(destination, table)


def apply_release(destination: Store, name: str, rows: pa.Table, logged: Logged) -> None:
    """Bring a published release's rows into `annotations` or `quality`: one commit, which also removes the rows of the
    deliveries that it superseded, and of releases that never came to exist. Changes nothing the second time."""

    def plan(table: DeltaTable) -> Write | None:
        if _applied(destination, table) >= logged.sequence:
            return None
        gone = f"release in ({', '.join(map(delta.quoted, [logged.release, *_ghosts(destination, table)]))})"
        if logged.superseded and "delivery" in rows.column_names:
            gone += f" or delivery in ({', '.join(map(delta.quoted, logged.superseded))})"
        return lambda table, properties: write_deltalake(
            table, rows, mode="overwrite", predicate=gone, commit_properties=properties
        )

    _commit(destination, name, rows.schema, plan, [Transaction(SEQUENCE, logged.sequence)])


def _applied(destination: Store, table: DeltaTable) -> int:
    with delta.answered(destination):
        return table.transaction_version(SEQUENCE) or 0


def _ghosts(destination: Store, table: DeltaTable) -> list[str]:
    """Releases that have rows in a table and do not exist; the log is read after the table, so none is too new."""
    with delta.answered(destination):
        there = delta.query(table, "select distinct release from rows")["release"].to_pylist()
    return sorted(set(there) - {entry.release for entry in release_log.log(destination)})


def replace_rows(store: Store, name: str, schema: pa.Schema, rows: Callable[[], Rows], predicate: str) -> None:
    """Put rows, all of which the predicate fits, in place of those that it fits: one commit. A reader is streamed.

    A table that an older version made gets the columns that it lacks.
    """

    def write(table: DeltaTable, properties: CommitProperties) -> None:
        write_deltalake(
            table,
            rows(),
            mode="overwrite",
            predicate=predicate,
            schema_mode="merge",
            commit_properties=properties,
        )

    _commit(store, name, schema, lambda table: write)


def rewrite_rows(store: Store, name: str, rewritten: Callable[[pa.RecordBatch], pa.Table]) -> None:
    """Put every row of a table through a function that keeps their number and columns: one commit, streamed."""
    if delta.open_table(store, name) is None:
        return

    def plan(table: DeltaTable) -> Write:
        schema = pa.schema(table.schema().to_arrow())
        batches = map(pa.record_batch, QueryBuilder().register("rows", table).execute("select * from rows"))
        made = (one for batch in batches for one in rewritten(batch.cast(schema)).to_batches())
        reader = pa.RecordBatchReader.from_batches(schema, made)
        return lambda table, properties: write_deltalake(table, reader, mode="overwrite", commit_properties=properties)

    _commit(store, name, None, plan)


def drop_rows(store: Store, name: str, predicate: str) -> None:
    """Delete the rows that the predicate fits; nothing is committed where there are none."""
    if delta.open_table(store, name) is None:
        return

    def plan(table: DeltaTable) -> Write | None:
        with delta.answered(store):
            # the predicate is built of names of ours and quoted() texts
            some = delta.query(table, f"select 1 from rows where {predicate} limit 1").num_rows  # noqa: S608
        return (lambda table, properties: table.delete(predicate, commit_properties=properties)) if some else None

    _commit(store, name, None, plan)


def _commit(
    store: Store,
    name: str,
    schema: pa.Schema | None,
    plan: Callable[[DeltaTable], Write | None],
    transactions: Sequence[Transaction] = (),
    metadata: dict[str, str] | None = None,
) -> int | None:
    """One commit on the very version that `plan` saw; gives the new version, or None where `plan` found none needed.

    `plan` is asked again for every try. With a schema, the table is made where there is none.
    """
    attempt = uuid.uuid4().hex
    properties = CommitProperties(
        app_transactions=list(transactions),
        custom_metadata={**(metadata or {}), ATTEMPT: attempt},
        max_commit_retries=0,  # a writer that was faster may change what is to be written
    )
    failed: Exception | None = None
    for pause in _pauses():
        time.sleep(pause)
        try:
            table = _opened(store, name, schema)
            if failed and (version := _version_of(store, table, attempt)) is not None:
                return version
            write = plan(table)
            if write is None:
                return None
            with delta.answered(store):
                write(table, properties)
                return table.version()
        except (CommitFailedError, StorageUnavailable) as error:
            failed = error
    if (version := _version_of(store, _opened(store, name, schema), attempt)) is not None:
        return version
    raise StorageUnavailable(
        f"the table `{name}` at {store.uri} took no commit in {ATTEMPTS} tries: {failed}"
    ) from failed


def _pauses() -> Iterator[float]:
    """Seconds to wait before each try: none, then ever longer, by chance."""
    yield 0.0
    for number in range(ATTEMPTS - 1):
        yield random.uniform(0.5, 1) * min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**number)  # noqa: S311


def _opened(store: Store, name: str, schema: pa.Schema | None) -> DeltaTable:
    table = delta.open_table(store, name)
    if table is None and schema is not None:
        with delta.answered(store):
            DeltaTable.create(
                f"{store.uri}/{name}",
                schema,
                mode="ignore",
                configuration=KEEP_LOG,
                storage_options=store.table_options(),
            )
        table = delta.open_table(store, name)
    if table is None:
        raise TableNotFoundError(f"{store.uri}/{name}")
    return table


def _version_of(store: Store, table: DeltaTable, attempt: str) -> int | None:
    """The version that an attempt made, whose reply never came."""
    with delta.answered(store):
        commits = table.history(ASKED_COMMITS)
    return next((commit["version"] for commit in commits if commit.get(ATTEMPT) == attempt), None)
