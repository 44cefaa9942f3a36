"""Parquet files of our own in a store: read whole or row group by row group, written with fixed row groups.

The bytes of a file depend on its rows only, so that a step that is repeated writes the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from labelaudit.store import Store, scratch

ROW_GROUP_ROWS = 65_536
"""Rows of every row group but the last: the unit of work, and what bounds the memory of a step."""


def read_table(store: Store, key: str, columns: Sequence[str] | None = None) -> pa.Table:
    # not pq.read_table: it scans a dataset, whose threads may outlive the interpreter
    with store.local(key) as path, pq.ParquetFile(path) as file:
        return file.read(list(columns) if columns else None)


def row_groups(store: Store, key: str, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """The file's row groups in order; an empty file gives none."""
    with store.local(key) as path, pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            yield file.read_row_group(number, columns=list(columns) if columns else None)


def parquet_shards(
    path: Path, label: str = "label", pred_probs: str = "pred_probs"
) -> Callable[[], Iterator[tuple[np.ndarray, np.ndarray]]]:
    """The row groups of a Parquet file as shards of labels (int) and pred_probs (lists of float32)."""

    def shards() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        with pq.ParquetFile(path) as file:
            for number in range(file.num_row_groups):
                rows = file.read_row_group(number, columns=[label, pred_probs])
                lists = rows[pred_probs].combine_chunks()
                flat = (lists.flatten() if len(lists) else pa.array([], pa.float32())).to_numpy()
                yield rows[label].to_numpy(), flat.reshape(len(rows), -1)

    return shards


def row_count(store: Store, key: str) -> int:
    with store.local(key) as path:
        return pq.read_metadata(path).num_rows


def write_table(store: Store, key: str, table: pa.Table) -> None:
    with TableWriter(store, key, table.schema) as writer:
        writer.write(table)


class TableWriter:
    """Collects rows and writes them in row groups of ROW_GROUP_ROWS; the object appears when the context ends well."""

    def __init__(self, store: Store, key: str, schema: pa.Schema):
        self._store, self._key, self.schema = store, key, schema
        self._waiting: list[pa.Table] = []
        self._waiting_rows = 0
        self.rows = 0

    def __enter__(self) -> TableWriter:
        self._scratch = scratch()
        self._path = self._scratch.__enter__() / "table.parquet"
        self._file = pq.ParquetWriter(self._path, self.schema, compression="zstd", version="2.6")
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
