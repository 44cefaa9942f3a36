"""The customer's Delta tables and our own, as they are read; `commits` writes them.

`labels`: one row an item. `annotations`: one row an item and annotator. `quality`: counts x of n by release. `parts`:
one row a part, where items have several. A release exists if and only if the log of `labels` holds its commit; rows of
the other tables count only if their release does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder
from deltalake.exceptions import CommitFailedError

from labelaudit.errors import StorageUnavailable
from labelaudit.storage import delta, layout
from labelaudit.storage.release_log import log
from labelaudit.storage.schemas import SCHEMAS, fitting
from labelaudit.storage.store import Store

LOG = "_delta_log/"
PUBLISHED = (layout.LABELS, layout.ANNOTATIONS, layout.QUALITY, layout.PARTS)


def stream(destination: Store, name: str, query: str) -> Iterator[pa.RecordBatch]:
    """The answer to a query of the table `rows`, batch by batch; none where there is no such table."""
    table = delta.open_table(destination, name)
    if table is not None:
        with delta.answered(destination):
            yield from map(pa.record_batch, QueryBuilder().register("rows", table).execute(query))


def read_table(destination: Store, name: str, columns: list[str] | None = None, version: int | None = None) -> pa.Table:
    """A table's rows; those of `annotations` and `quality` only of releases that exist. Empty where there is none."""
    table = delta.open_table(destination, name, version)
    schema = SCHEMAS[name]
    if columns:
        schema = pa.schema([schema.field(column) for column in columns])
    if table is None:
        return schema.empty_table()
    names = ", ".join(map('"{}"'.format, schema.names))
    with delta.answered(destination):
        rows = delta.query(table, f"select {names} from rows")  # noqa: S608 - names of ours
        rows = rows.cast(fitting(schema, rows.schema))
    if name != layout.LABELS and "release" in rows.column_names:
        exist = pa.array([entry.release for entry in log(destination)], pa.string())
        rows = rows.filter(pa.compute.is_in(rows["release"], exist))
    return rows


def expired(destination: Store, name: str, version: int) -> bool:
    """Whether data files of a version are gone, as `expire_versions` removes them."""
    table = delta.open_table(destination, name, version)
    there = set(destination.list(f"{name}/"))
    return any(uri.removeprefix(destination.uri + "/") not in there for uri in _file_uris(table))


def expire_versions(destination: Store, names: Sequence[str], days: int) -> int:
    """Delete data files that no version of the last `days` days needs; gives how many. Releases stay in the log."""
    deleted = 0
    for name in names:
        table = delta.open_table(destination, name)
        if table is not None:
            with delta.answered(destination):
                deleted += len(table.vacuum(retention_hours=24 * days, dry_run=False))
    return deleted


def drop_versions(store: Store, name: str) -> None:
    """Leave nothing of a table of ours but its rows as they are now: no data file and no log of an older version.

    Never of a customer's table: its log is the list of releases. Who reads an older version meanwhile has to open it
    again; who writes one keeps the files that no log names yet. Raises StorageUnavailable where another wrote.
    """
    table = delta.open_table(store, name)
    if table is None:
        return
    try:
        with delta.answered(store):
            table.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)
            table = delta.open_table(store, name)
            table.create_checkpoint()
    except CommitFailedError as error:
        raise StorageUnavailable(f"the table {name} was written to meanwhile: {error}") from error
    for key in store.list(f"{name}/{LOG}"):
        if _version(key) < table.version():
            store.delete(key)


def expire_log(store: Store, name: str, before: float) -> int:
    """Of a table of ours, delete the log's entries that were written before `before`, and data files from then that no
    log names any more (a writer was killed); gives how many. An entry quotes the least and greatest values of rows.

    The table as it is now stays whole: it is written into one entry first. Never of a customer's table.
    """
    table = delta.open_table(store, name)
    if table is None:
        return 0
    with delta.answered(store):
        named = {uri.removeprefix(store.uri + "/") for uri in _file_uris(table)}
        dead = table.vacuum(retention_hours=0, dry_run=True, enforce_retention_duration=False)
    named |= {f"{name}/{path.removeprefix(store.uri + '/').removeprefix(name + '/')}" for path in dead}
    keys = store.list(f"{name}/")
    orphans = [key for key in keys if key.endswith(".parquet") and LOG not in key and key not in named]
    old = [key for key in keys if LOG in key and _version(key) < table.version()]
    old, orphans = ([key for key in some if store.modified(key) < before] for some in (old, orphans))
    if old:
        with delta.answered(store):
            table.create_checkpoint()
    for key in (*old, *orphans):
        store.delete(key)
    return len(old) + len(orphans)


def _version(key: str) -> float:
    """Of the log's entry; of what is none, later than all."""
    version = key.rsplit("/", 1)[1].split(".", 1)[0]
    return int(version) if version.isdigit() else math.inf


def _file_uris(table: DeltaTable) -> list[str]:
    """The data files of a version; those of a folder come without their scheme."""
    uris = table.file_uris()
    return [uri if "://" in uri else f"file://{uri}" for uri in uris]
