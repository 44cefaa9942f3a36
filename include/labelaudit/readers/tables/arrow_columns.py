"""Columns that are typed already (Parquet, Arrow) into canonical ones: what would be cast with a loss is a reject."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa

from labelaudit.errors import DeliveryRejected
from labelaudit.readers.conversion import vectors
from labelaudit.readers.opening import unreadable
from labelaudit.readers.records import ARROW_TYPES, Batch, Row, places, schema_of
from labelaudit.readers.tables.arrow_values import is_label_kind, typed_column, unfit
from labelaudit.readers.terms import Field, Terms
from labelaudit.rejects.records import TEXT_CHARACTERS, Reject

LOSSES = (pa.ArrowInvalid, ValueError, OverflowError)
Place = Callable[[int], str]
"""Where row i of a batch is: `row group 2, row 17`."""


def wanted(terms: Terms, schema: pa.Schema) -> dict[str, int | None]:
    """Where each source column stands. Raises DeliveryRejected (missing_column, column_type)."""
    where = places(terms, schema.names)
    fields = [*terms.fields, *(Field(name, name, "number") for name in terms.probabilities)]
    for field in fields:
        if where[field.source] is not None:
            _require_type(field, schema.field(where[field.source]).type, terms)
    return where


def distinct_names(terms: Terms, schema: pa.Schema) -> list[str]:
    """The schema's names. Raises DeliveryRejected where one is there twice."""
    names = list(schema.names)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise unreadable(terms, f"the schema has the column {twice[:80]!r} several times. Rename all but one")
    return names


def batch_of(rows: pa.RecordBatch, terms: Terms, where: dict[str, int | None], start: int, place: Place) -> Batch:
    """Rows in canonical types; `start` is the number of the first, from 1. `rows` has the wanted columns by name."""
    count = rows.num_rows
    bad: dict[int, tuple[str, str, str]] = {}
    arrays: list[pa.Array] = []
    for field in terms.fields:
        if where[field.source] is None:
            arrays.append(pa.nulls(count, ARROW_TYPES[field.type]))
            continue
        array, failures = typed_column(field, rows.column(field.source))
        arrays.append(array)
        for row, (code, reason) in failures.items():
            bad.setdefault(row, (field.source, code, reason))
    if terms.probabilities:
        matrix = np.zeros((count, len(terms.probabilities)), np.float32)
        for position, source in enumerate(terms.probabilities):
            # by way of float32, in which they are kept: what is too large for it is not finite there
            field = Field(source, source, "number")
            array, failures = typed_column(field, rows.column(source))
            array = array.cast(pa.float32())
            matrix[:, position] = array.fill_null(0).to_numpy(zero_copy_only=False)
            for row, (code, reason) in (failures | unfit(field, array)).items():
                bad.setdefault(row, (source, code, reason))
        arrays.append(vectors(matrix))
    arrays += [pa.repeat(terms.name, count), pa.array(np.arange(start, start + count))]
    arrays.append(pa.array([place(row) for row in range(count)], pa.string()))
    table = pa.Table.from_arrays(arrays, schema=schema_of(terms))
    if not bad:
        return Batch(table)
    keep = np.ones(count, bool)
    keep[list(bad)] = False
    rejects = []
    for row, (column, code, reason) in sorted(bad.items()):
        text = _shown(rows.slice(row, 1))
        rejects.append(Reject(terms.name, start + row, column, code, reason, text, place(row)))
    return Batch(table.filter(pa.array(keep)), rejects)


def rows_of(batch: pa.RecordBatch, terms: Terms, names: list[str], start: int, place: Place) -> Iterator[Row | Reject]:
    """The rows as Python has them; one with a time finer than Python's, or that it has not, is a reject."""
    try:
        values: list[dict[str, object] | str] = [*_as_python(batch)]
    except LOSSES:
        values = [_one_as_python(batch.slice(row, 1)) for row in range(batch.num_rows)]
    for row, cells in enumerate(values):
        if isinstance(cells, str):
            text = _shown(batch.slice(row, 1))
            yield Reject(terms.name, start + row, None, "not_exact", cells, text, place(row))
        else:
            ordered = {name: cells[name] for name in names}
            yield Row(ordered, start + row, place(row), str(cells)[:TEXT_CHARACTERS])


def _one_as_python(row: pa.RecordBatch) -> dict[str, object] | str:
    try:
        return _as_python(row)[0]
    except LOSSES as error:
        return f"a value can't be kept as it is ({error})"[:300]


def _shown(row: pa.RecordBatch) -> str:
    """A row as text, whatever it holds."""
    shown = {}
    for name, column in zip(row.schema.names, row.columns, strict=True):
        try:
            shown[name] = column[0].as_py()
        except (*LOSSES, ImportError):  # of nanoseconds, pandas would know
            shown[name] = str(column.cast(pa.string())[0]) if pa.types.is_temporal(column.type) else str(column.type)
    return str(shown)[:TEXT_CHARACTERS]


def _as_python(rows: pa.RecordBatch) -> list[dict[str, object]]:
    columns = [
        column.cast(kind) if (kind := _without_nanoseconds(column.type)) != column.type else column
        for column in rows.columns
    ]
    return pa.RecordBatch.from_arrays(columns, names=rows.schema.names).to_pylist()


def _without_nanoseconds(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        return pa.timestamp("us", kind.tz)
    if pa.types.is_time64(kind):
        return pa.time64("us")
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        inner = _without_nanoseconds(kind.value_type)
        return kind if inner == kind.value_type else inner
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_without_nanoseconds(field.type)) for field in kind])
    if pa.types.is_map(kind):
        key, item = kind.key_field, kind.item_field
        return pa.map_(key.with_type(_without_nanoseconds(key.type)), item.with_type(_without_nanoseconds(item.type)))
    for is_kind, made in ((pa.types.is_list, pa.list_), (pa.types.is_large_list, pa.large_list)):
        if is_kind(kind):
            return made(kind.value_field.with_type(_without_nanoseconds(kind.value_type)))
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(kind.value_field.with_type(_without_nanoseconds(kind.value_type)), kind.list_size)
    return kind


def _require_type(field: Field, kind: pa.DataType, terms: Terms) -> None:
    inner = kind.value_type if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind) else kind
    whole, text = pa.types.is_integer(inner), _is_text(inner)
    fits = {
        "string": text or whole or (field.is_label and is_label_kind(inner)),
        "integer": whole or pa.types.is_decimal(inner),
        "number": whole or pa.types.is_decimal(inner) or pa.types.is_floating(inner),
        "boolean": pa.types.is_boolean(inner),
        "timestamp": pa.types.is_timestamp(inner),
        "vector": _is_list(inner) and (pa.types.is_integer(inner.value_type) or pa.types.is_floating(inner.value_type)),
    }
    empty = field.nullable and pa.types.is_null(inner)
    if not fits[field.type] and not empty:
        raise DeliveryRejected(
            "column_type",
            f"{terms.name}: column {field.source!r} is of type {kind}, the contract says {field.type}. Write it as"
            f" {field.type}, or change the contract.",
        )


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
