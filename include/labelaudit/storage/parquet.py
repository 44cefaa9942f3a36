"""Parquet files of our own in a store: read whole or row group by row group, written with fixed row groups.

The bytes of a file depend on its rows only, so that a step that is repeated writes the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from labelaudit.storage.files import scratch
from labelaudit.storage.store import Store

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


def read_rows(store: Store, key: str, column: str, values: Collection[str]) -> pa.Table:
    """The rows whose text in `column` is one of the values; of row groups without any, no more is read than that."""
    wanted = pa.array(sorted(values), pa.string())
    with store.local(key) as path, pq.ParquetFile(path) as file:
        parts = [file.schema_arrow.empty_table()]
        for number in range(file.num_row_groups):
            names = file.read_row_group(number, columns=[column])[column].cast(pa.string())
            if pc.any(pc.is_in(names, wanted)).as_py():
                parts.append(file.read_row_group(number).filter(pc.is_in(names, wanted)))
        return pa.concat_tables(parts).replace_schema_metadata(file.schema_arrow.metadata)


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
