"""Delta tables as deltalake opens and queries them; every failure of the store is StorageUnavailable."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from labelaudit.errors import StorageUnavailable
from labelaudit.storage.store import Store


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


def open_table(destination: Store, name: str, version: int | None = None) -> DeltaTable | None:
    """None where there is no such table."""
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
    except Exception as error:
        # the engine of queries has no type of its own: a file that is gone by now is a plain Exception
        if not isinstance(error, DeltaError | OSError | pa.ArrowException) and type(error) is not Exception:
            raise
        raise StorageUnavailable(f"the tables at {destination.uri} can't be reached: {error}") from error
