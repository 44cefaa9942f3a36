"""Foreign files, format by format: rows in canonical types, and rejects with place and reason.

    read(path, terms)   the rows as the contract has them, batch by batch, and the rejects
    rows(path, terms)   the rows as the file has them, for `labelaudit new` and `labelaudit read`

Both parse in a process of their own, with limits (`isolation`): a file that breaks its parser breaks nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from labelaudit.readers.confined.isolation import AHEAD, Worker
from labelaudit.readers.confined.processes import prepare
from labelaudit.readers.records import Batch, Row
from labelaudit.readers.terms import Terms
from labelaudit.rejects.records import Reject

__all__ = ["AHEAD", "Worker", "prepare", "read", "rows"]


def read(path: Path, terms: Terms) -> Iterator[Batch]:
    """The file's rows and rejects, batch by batch, in the file's order.

    Raises DeliveryRejected where the file can't be read to its end: unreadable_file, missing_column, column_type,
    too_large, too_slow, parser_crashed.
    """
    with Worker() as worker:
        yield from worker.read(path, terms)


def rows(path: Path, terms: Terms, limit: int | None = None) -> Iterator[Row | Reject]:
    """The rows with the file's own columns and types, no more than `limit`. Raises as `read`."""
    with Worker() as worker:
        yield from worker.rows(path, terms, limit)
