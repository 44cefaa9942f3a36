"""Arrow IPC files (Feather 2) and streams, record batch by record batch; buffers are validated before use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from labelaudit.readers.opening import opened, unreadable
from labelaudit.readers.records import BATCH_ROWS, Batch, Row
from labelaudit.readers.sources import Source, mapped
from labelaudit.readers.tables.arrow_columns import batch_of, distinct_names, rows_of, wanted
from labelaudit.readers.tables.parquet import BROKEN, said
from labelaudit.readers.terms import Terms
from labelaudit.rejects.records import Reject

Reader = pa.ipc.RecordBatchFileReader | pa.ipc.RecordBatchStreamReader
MAGIC, FEATHER_1 = b"ARROW1", b"FEA1"


def read(path: Source, terms: Terms) -> Iterator[Batch]:
    with _reader(path, terms) as (reader, source):
        where = wanted(terms, reader.schema)
        undeclared = frozenset(reader.schema.names) - set(where)
        for number, first, start, rows in _batches(reader, source, terms):
            try:
                made = batch_of(rows, terms, where, start, lambda row, at=(number, first): _place(at[0], at[1] + row))
            except BROKEN as error:
                raise _broken(terms, number, error) from error
            made.undeclared = undeclared
            yield made


def rows(path: Source, terms: Terms) -> Iterator[Row | Reject]:
    with _reader(path, terms) as (reader, source):
        names = distinct_names(terms, reader.schema)
        for number, first, start, batch in _batches(reader, source, terms):
            yield from rows_of(batch, terms, names, start, lambda row, at=(number, first): _place(at[0], at[1] + row))


@contextmanager
def _reader(path: Source, terms: Terms) -> Iterator[tuple[Reader, pa.NativeFile]]:
    with opened(path, terms) as file:
        head = file.read(8)
    if head.startswith(FEATHER_1):
        raise unreadable(terms, "it is Feather version 1, which has no types of today. Write it as Arrow IPC")
    with mapped(path) as source:
        try:
            reader = pa.ipc.open_file(source) if head.startswith(MAGIC) else pa.ipc.open_stream(source)
            reader.schema.names  # noqa: B018 - they may be no text
        except BROKEN as error:
            raise unreadable(terms, f"its schema can't be read as Arrow's ({said(error)}). Write it again") from error
        yield reader, source


def _batches(reader: Reader, source: pa.NativeFile, terms: Terms) -> Iterator[tuple[int, int, int, pa.RecordBatch]]:
    """Record batch (from 1), row in it and in the file (from 1) of each part's first row, and the part."""
    start, number = 1, 0
    count = reader.num_record_batches if isinstance(reader, pa.ipc.RecordBatchFileReader) else None
    while count is None or number < count:
        behind = source.tell()
        try:
            batch = reader.read_next_batch() if count is None else reader.get_batch(number)
            batch.validate(full=True)
        except StopIteration:
            _require_end(source, behind, number, terms)
            return
        except BROKEN as error:
            raise _broken(terms, number + 1, error) from error
        number += 1
        for offset in range(0, batch.num_rows, BATCH_ROWS):
            part = batch.slice(offset, BATCH_ROWS)
            yield number, offset + 1, start, part
            start += part.num_rows


def _require_end(source: pa.NativeFile, behind: int, number: int, terms: Terms) -> None:
    """Refuse a stream that stops without the mark of its end, or goes on after it: Arrow takes both for whole."""
    end = source.tell()
    if end == behind:
        raise unreadable(
            terms, f"the stream is cut off after record batch {number}, without the mark of its end. Write it again"
        )
    while block := source.read(1 << 20):
        if block.strip(b"\0"):
            raise unreadable(
                terms,
                f"the stream ends with record batch {number}, but {source.size() - end} bytes follow. Write one"
                " stream a file",
            )


def _place(number: int, row: int) -> str:
    return f"record batch {number}, row {row}"


def _broken(terms: Terms, number: int, error: Exception):
    return unreadable(terms, f"record batch {number} can't be read ({said(error)}). Write the file again")
