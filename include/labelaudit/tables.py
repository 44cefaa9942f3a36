"""The customer's Delta tables and our own, as they are read; `table_commits` writes them.

`labels`: one row an item. `annotations`: one row an item and annotator. `quality`: counts x of n by release. A release
exists if and only if the log of `labels` holds its commit; rows of the other tables count only if their release does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from labelaudit import layout
from labelaudit.errors import StorageUnavailable
from labelaudit.store import Store
from labelaudit.table_schemas import SCHEMAS

PUBLISHED = (layout.LABELS, layout.ANNOTATIONS, layout.QUALITY)


@dataclass(frozen=True)
class Logged:
    """One release, as the log of `labels` has it: deliveries as vendor/id: digest, the sha256 of its manifest.json,
    and the folder of its files below `releases/`."""

    release: str
    digest: str
    sequence: int
    version: int
    deliveries: dict[str, str] = field(default_factory=dict)
    superseded: tuple[str, ...] = ()
    manifest: str = ""
    folder: str = ""

    @property
    def files(self) -> str:
        """The prefix of its files; a release of an older version has the folder of its name."""
        return layout.release(self.folder or self.release)


@dataclass(frozen=True)
class State:
    """The `labels` table now: its version, and the last release's name and number (0: none yet)."""

    version: int
    release: str | None
    sequence: int


def log(destination: Store) -> list[Logged]:
    """All releases, oldest first."""
    table = open_table(destination, layout.LABELS)
    return [] if table is None else log_of(destination, table)


def log_of(destination: Store, table: DeltaTable) -> list[Logged]:
    """All releases up to a version of `labels`, oldest first."""
    with answered(destination):
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


def stream(destination: Store, name: str, query: str) -> Iterator[pa.RecordBatch]:
    """The answer to a query of the table `rows`, batch by batch; none where there is no such table."""
    table = open_table(destination, name)
    if table is not None:
        with answered(destination):
            yield from map(pa.record_batch, QueryBuilder().register("rows", table).execute(query))


def read_table(destination: Store, name: str, columns: list[str] | None = None, version: int | None = None) -> pa.Table:
    """A table's rows; those of `annotations` and `quality` only of releases that exist. Empty where there is none."""
    table = open_table(destination, name, version)
    schema = SCHEMAS[name]
    if columns:
        schema = pa.schema([schema.field(column) for column in columns])
    if table is None:
        return schema.empty_table()
    with answered(destination):
        rows = query(table, f"select {', '.join(schema.names)} from rows").cast(schema)  # noqa: S608 - names of ours
    if name != layout.LABELS and "release" in rows.column_names:
        exist = pa.array([one.release for one in log(destination)], pa.string())
        rows = rows.filter(pa.compute.is_in(rows["release"], exist))
    return rows


def expired(destination: Store, name: str, version: int) -> bool:
    """Whether data files of a version are gone, as `expire_versions` removes them."""
    table = open_table(destination, name, version)
    there = set(destination.list(f"{name}/"))
    return any(uri.removeprefix(destination.uri + "/") not in there for uri in _file_uris(table))


def expire_versions(destination: Store, names: Sequence[str], days: int) -> int:
    """Delete data files that no version of the last `days` days needs; gives how many. Releases stay in the log."""
    deleted = 0
    for name in names:
        table = open_table(destination, name)
        if table is not None:
            with answered(destination):
                deleted += len(table.vacuum(retention_hours=24 * days, dry_run=False))
    return deleted


def quoted(text: str) -> str:
    """A text as a literal of Delta's predicates."""
    return "'" + text.replace("'", "''") + "'"


def query(table: DeltaTable, text: str) -> pa.Table:
    """The answer to a query of the table `rows`.

    By deltalake's own engine, not by pyarrow.dataset: the scanner's threads may outlive the interpreter, and then abort
    the process at its end (seen as exit code -6; apache/arrow issues 34314, 36980).
    """
    try:
        return pa.table(QueryBuilder().register("rows", table).execute(text).read_all())
    except Exception as error:  # the engine raises nothing more special
        raise DeltaError(str(error)) from error


def _file_uris(table: DeltaTable) -> list[str]:
    """The data files of a version; those of a folder come without their scheme."""
    uris = table.file_uris()
    return [uri if "://" in uri else f"file://{uri}" for uri in uris]


def open_table(destination: Store, name: str, version: int | None = None) -> DeltaTable | None:
    """For `table_commits`. None where there is no such table."""
    with answered(destination):
        try:
            return DeltaTable(f"{destination.uri}/{name}", version=version, storage_options=destination.table_options())
        except TableNotFoundError:
            return None


@contextmanager
def answered(destination: Store) -> Iterator[None]:
    """Whatever keeps a table from being read or written, as StorageUnavailable; but for a lost race."""
    try:
        yield
    except (TableNotFoundError, CommitFailedError):
        raise
    except (DeltaError, OSError, pa.ArrowException) as error:
        raise StorageUnavailable(f"the tables at {destination.uri} can't be reached: {error}") from error
