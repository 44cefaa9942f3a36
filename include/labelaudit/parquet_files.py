"""Parquet files of our own in a store: read whole or row group by row group, written with fixed row groups.

The bytes of a file depend on its rows only, so that a step that is repeated writes the same.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from labelaudit.errors import InvalidInput
from labelaudit.store import Store, scratch

ROW_GROUP_ROWS = 65_536
"""Rows of every row group but the last: the unit of work, and what bounds the memory of a step."""

READ_AHEAD = 4
"""Row groups that parquet_shards decodes ahead, on no more threads than there are cores."""


def read_table(store: Store, key: str, columns: Sequence[str] | None = None) -> pa.Table:
    # not pq.read_table: it scans a dataset, whose threads may outlive the interpreter
    with store.local(key) as path, pq.ParquetFile(path) as file:
        return file.read(list(columns) if columns else None)


def row_groups(store: Store, key: str, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """The file's row groups in order; an empty file gives none."""
    with store.local(key) as path, pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            yield file.read_row_group(number, columns=list(columns) if columns else None)


def read_rows(store: Store, key: str, column: str, values: Collection[str]) -> pa.Table:
    """The rows whose text in `column` is one of the values; of row groups without any, no more is read than that."""
    wanted = pa.array(sorted(values), pa.string())
    with store.local(key) as path, pq.ParquetFile(path) as file:
        found = [file.schema_arrow.empty_table()]
        for number in range(file.num_row_groups):
            names = file.read_row_group(number, columns=[column])[column].cast(pa.string())
            if pc.any(pc.is_in(names, wanted)).as_py():
                found.append(file.read_row_group(number).filter(pc.is_in(names, wanted)))
        return pa.concat_tables(found).replace_schema_metadata(file.schema_arrow.metadata)


def parquet_shards(
    path: Path, label: str = "label", pred_probs: str = "pred_probs"
) -> Callable[[], Iterator[tuple[np.ndarray, np.ndarray]]]:
    """The row groups of a Parquet file as shards of labels int (n,) and pred_probs float (n, K).

    pred_probs holds lists of K floats; or, decoded ten times as fast, fixed-size binary of K little-endian float32.
    READ_AHEAD threads decode the next row groups while one is worked on: as many are in memory, and one more. Raises
    InvalidInput where a list is missing, or is not as long as the others.
    """

    def read(number: int, metadata: pq.FileMetaData) -> tuple[np.ndarray, np.ndarray]:
        with pq.ParquetFile(path, metadata=metadata) as file:  # one each: a reader is not made for several threads
            rows = file.read_row_group(number, columns=[label, pred_probs], use_threads=False)
        try:
            return rows[label].to_numpy(), _matrix(rows[pred_probs])
        except InvalidInput as error:
            raise InvalidInput(f"{path}, row group {number}: column {pred_probs!r} {error}") from None

    def shards() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        metadata = pq.read_metadata(path)
        threads = max(1, min(os.cpu_count() or 1, READ_AHEAD))
        with ThreadPoolExecutor(threads, "parquet_shards") as pool:
            coming: deque[Future] = deque()
            try:
                for number in range(metadata.num_row_groups):
                    coming.append(pool.submit(read, number, metadata))
                    if len(coming) > threads:
                        yield coming.popleft().result()
                while coming:
                    yield coming.popleft().result()
            finally:
                for one in coming:
                    one.cancel()

    return shards


def _matrix(column: pa.ChunkedArray) -> np.ndarray:
    """A column of lists, or of fixed-size binary, as (n, K): a view where it is in one piece."""
    vectors = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    if vectors.null_count:
        raise InvalidInput(f"has {vectors.null_count} rows without a value")
    rows, kind = len(vectors), vectors.type
    if pa.types.is_fixed_size_binary(kind):
        if kind.byte_width % 4:
            raise InvalidInput(f"has {kind.byte_width} bytes a row: no whole number of float32")
        flat = np.frombuffer(vectors.buffers()[1] or b"", "<f4")
        width = kind.byte_width // 4
        return flat[vectors.offset * width : (vectors.offset + rows) * width].reshape(rows, width)
    if not (_is_list(kind) and pa.types.is_floating(kind.value_type)):
        raise InvalidInput(f"is {kind}: neither lists of floats nor fixed-size binary")
    values = vectors.flatten()
    if values.null_count:
        raise InvalidInput(f"has {values.null_count} lists with a missing number")
    width = len(values) // max(rows, 1)
    if not pa.types.is_fixed_size_list(kind) and not (np.diff(vectors.offsets.to_numpy()) == width).all():
        raise InvalidInput("has lists of several lengths")
    return values.to_numpy().reshape(rows, width)


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def row_count(store: Store, key: str) -> int:
    with store.local(key) as path:
        return pq.read_metadata(path).num_rows


def write_table(store: Store, key: str, table: pa.Table) -> None:
    with TableWriter(store, key, table.schema) as writer:
        writer.write(table)


class TableWriter:
    """Collects rows and writes them in row groups of ROW_GROUP_ROWS; the object appears when the context ends well.

    `distinct` are columns whose values hardly repeat: no dictionary is tried for them. No statistics are written: these
    files are read whole.
    """

    def __init__(self, store: Store, key: str, schema: pa.Schema, distinct: Sequence[str] = ()):
        self._store, self._key, self.schema = store, key, schema
        self._repeating = [name for name in schema.names if name not in distinct]
        whole = [name for name in distinct if pa.types.is_integer(schema.field(name).type)]
        self._encoding = dict.fromkeys(whole, "DELTA_BINARY_PACKED") or None
        self._waiting: list[pa.Table] = []
        self._waiting_rows = 0
        self.rows = 0

    def __enter__(self) -> TableWriter:
        self._scratch = scratch()
        self._path = self._scratch.__enter__() / "table.parquet"
        self._file = pq.ParquetWriter(
            self._path,
            self.schema,
            compression="zstd",
            version="2.6",
            use_dictionary=self._repeating,
            column_encoding=self._encoding,
            write_statistics=False,
        )
        return self

    def write(self, rows: pa.Table | pa.RecordBatch) -> None:
        table = pa.Table.from_batches([rows]) if isinstance(rows, pa.RecordBatch) else rows
        self.rows += table.num_rows
        self._waiting.append(table.cast(self.schema))
        self._waiting_rows += table.num_rows
        if self._waiting_rows >= ROW_GROUP_ROWS:
            self._flush(self._waiting_rows // ROW_GROUP_ROWS * ROW_GROUP_ROWS)

    def _flush(self, rows: int) -> None:
        together = pa.concat_tables(self._waiting).combine_chunks()
        for start in range(0, rows, ROW_GROUP_ROWS):
            self._file.write_table(together.slice(start, min(ROW_GROUP_ROWS, rows - start)), ROW_GROUP_ROWS)
        rest = together.slice(rows)
        self._waiting, self._waiting_rows = [rest], rest.num_rows

    def __exit__(self, kind, error, trace) -> None:
        try:
            if kind is None and self._waiting_rows:
                self._flush(self._waiting_rows)
            self._file.close()
            if kind is None:
                self._store.upload(self._path, self._key)
        finally:
            self._scratch.__exit__(kind, error, trace)
