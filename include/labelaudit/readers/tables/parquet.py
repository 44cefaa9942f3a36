"""Parquet, row group by row group; checksums are verified, and counts held against the footer's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.parquet as pq

from labelaudit.readers.opening import opened, unreadable
from labelaudit.readers.records import BATCH_ROWS, Batch, Row
from labelaudit.readers.sources import Source, mapped
from labelaudit.readers.tables.arrow_columns import batch_of, distinct_names, rows_of, wanted
from labelaudit.readers.tables.int96 import int96_columns, with_exact_times
from labelaudit.readers.terms import Terms
from labelaudit.rejects.records import Reject

BROKEN = (pa.ArrowException, OSError, ValueError, KeyError, IndexError, UnicodeError, OverflowError)


def read(path: Source, terms: Terms) -> Iterator[Batch]:
    with _file(path, terms) as file:
        where = wanted(terms, file.schema_arrow)
        columns = [source for source, place in where.items() if place is not None]
        undeclared = frozenset(file.schema_arrow.names) - set(where)
        for group, first, start, rows in _batches(path, file, terms, columns):
            try:
                made = batch_of(rows, terms, where, start, lambda row, at=(group, first): _place(at[0], at[1] + row))
            except BROKEN as error:
                raise _broken(terms, group, first, error) from error
            made.undeclared = undeclared
            yield made


def rows(path: Source, terms: Terms) -> Iterator[Row | Reject]:
    with _file(path, terms) as file:
        names = distinct_names(terms, file.schema_arrow)
        for group, first, start, batch in _batches(path, file, terms, None):
            yield from rows_of(batch, terms, names, start, lambda row, at=(group, first): _place(at[0], at[1] + row))


@contextmanager
def _file(path: Source, terms: Terms) -> Iterator[pq.ParquetFile]:
    with opened(path, terms):
        pass  # refused, where it is plainly something else
    try:
        file = pq.ParquetFile(mapped(path), pre_buffer=False, page_checksum_verification=True)
        file.schema_arrow.names  # noqa: B018 - the schema is read here, or not at all
    except BROKEN as error:
        if "crypt" in str(error).lower():
            raise unreadable(terms, "it is encrypted. Write it without encryption") from error
        raise unreadable(terms, f"it is not Parquet, or damaged: no footer ({said(error)}). Write it again") from error
    with file:
        yield file


def _batches(
    path: Source, file: pq.ParquetFile, terms: Terms, columns: list[str] | None
) -> Iterator[tuple[int, int, int, pa.RecordBatch]]:
    """Row group (from 1), row in it and in the file (from 1) of each batch's first row, and the batch."""
    start = 1
    names = set(file.schema_arrow.names if columns is None else columns)
    times = [column for column in int96_columns(file) if column in names or column.split(".")[0] in names]
    for number in range(file.num_row_groups):
        first, told = 1, file.metadata.row_group(number).num_rows
        try:
            # not use_threads: several columns' pages at once are what memory is for
            batches = file.iter_batches(BATCH_ROWS, row_groups=[number], columns=columns, use_threads=False)
            if times:
                batches = with_exact_times(path, batches, number, columns, times)
            for batch in batches:
                batch.validate(full=True)
                yield number + 1, first, start, batch
                first, start = first + batch.num_rows, start + batch.num_rows
        except MemoryError:
            raise
        except BROKEN as error:
            raise _broken(terms, number + 1, first, error) from error
        _require_counts(file, number, names, terms)
        if columns != [] and first - 1 != told:
            raise unreadable(
                terms, f"row group {number + 1} holds {first - 1} rows, the footer says {told}. Write the file again"
            )
    if start - 1 != file.metadata.num_rows:
        raise unreadable(
            terms, f"it holds {start - 1} rows, its footer says {file.metadata.num_rows}. Write the file again"
        )


def _require_counts(file: pq.ParquetFile, number: int, names: set[str], terms: Terms) -> None:
    """A row group's columns must have as many values as the footer says it has rows: Arrow reads the fewer.

    To be asked after its rows are read, of no other columns: of an encrypted one the question ends the process.
    """
    group = file.metadata.row_group(number)
    for place in range(file.metadata.num_columns):
        column = file.schema.column(place)
        if column.max_repetition_level or column.path not in names:
            continue
        if (values := group.column(place).num_values) != group.num_rows:
            raise unreadable(
                terms,
                f"row group {number + 1} has {group.num_rows} rows by the footer, its column {column.path[:80]!r}"
                f" {values}. Write the file again",
            )


def _place(group: int, row: int) -> str:
    return f"row group {group}, row {row}"


def _broken(terms: Terms, group: int, row: int, error: Exception):
    if "crypt" in str(error).lower():
        return unreadable(terms, f"row group {group} is encrypted. Write the file without encryption")
    return unreadable(
        terms, f"row group {group}, from row {row} on: it can't be read ({said(error)}). Write the file again"
    )


def said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".replace("\n", " ")[:300]
