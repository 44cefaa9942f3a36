"""Columns that are typed already (Parquet, Arrow) into canonical ones: nothing is cast with a loss."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labelaudit.errors import DeliveryRejected
from labelaudit.readers.conversion import vectors
from labelaudit.readers.opening import unreadable
from labelaudit.readers.records import (
    ARROW_TYPES,
    TEXT_CHARACTERS,
    Batch,
    Field,
    Reject,
    Terms,
    places,
    schema_of,
)

Place = Callable[[int], str]
"""Where row i of a batch is: `row group 2, row 17`."""


def wanted(terms: Terms, schema: pa.Schema) -> dict[str, int | None]:
    """Where each source column stands. Raises DeliveryRejected (missing_column, column_type)."""
    where = places(terms, schema.names)
    fields = [*terms.fields, *(Field(name, name, "number") for name in terms.probabilities)]
    for one in fields:
        if where[one.source] is not None:
            _require_type(one, schema.field(where[one.source]).type, terms)
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
    for one in terms.fields:
        if where[one.source] is None:
            arrays.append(pa.nulls(count, ARROW_TYPES[one.type]))
            continue
        array = _plain(rows.column(one.source))
        array = (_lists(array) if one.type == "vector" else array).cast(ARROW_TYPES[one.type])
        arrays.append(array)
        for row, (code, reason) in _failures(one, array).items():
            bad.setdefault(row, (one.source, code, reason))
    if terms.probabilities:
        matrix = np.zeros((count, len(terms.probabilities)), np.float32)
        for position, source in enumerate(terms.probabilities):
            # by way of float32, in which they are kept: what is too large for it is not finite there
            array = _plain(rows.column(source)).cast(pa.float64()).cast(pa.float32())
            matrix[:, position] = array.fill_null(0).to_numpy(zero_copy_only=False)
            for row, (code, reason) in _failures(Field(source, source, "number"), array).items():
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
        text = str(rows.slice(row, 1).to_pylist()[0])[:TEXT_CHARACTERS]
        rejects.append(Reject(terms.name, start + row, column, code, reason, text, place(row)))
    return Batch(table.filter(pa.array(keep)), rejects)


def _plain(array: pa.Array) -> pa.Array:
    if pa.types.is_run_end_encoded(array.type):
        array = pc.run_end_decode(array)
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _lists(array: pa.Array) -> pa.Array:
    """Lists of any kind as plain ones, without the numbers that lie hidden under a null."""
    if pa.types.is_null(array.type):
        return array
    lengths, numbers = pc.list_value_length(array), pc.list_flatten(array)
    offsets = np.concatenate(([0], np.cumsum(lengths.fill_null(0).to_numpy())))
    missing = lengths.is_null() if lengths.null_count else None
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), numbers, mask=missing)


def as_python(rows: pa.RecordBatch) -> list[dict[str, object]]:
    """Rows as Python has them. Raises ArrowInvalid where a time is finer than Python's: it would be cut."""
    columns = [one.cast(kind) if (kind := _without_nanoseconds(one.type)) != one.type else one for one in rows.columns]
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
        return pa.struct([one.with_type(_without_nanoseconds(one.type)) for one in kind])
    if pa.types.is_map(kind):
        key, item = kind.key_field, kind.item_field
        return pa.map_(key.with_type(_without_nanoseconds(key.type)), item.with_type(_without_nanoseconds(item.type)))
    for is_kind, made in ((pa.types.is_list, pa.list_), (pa.types.is_large_list, pa.large_list)):
        if is_kind(kind):
            return made(kind.value_field.with_type(_without_nanoseconds(kind.value_type)))
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(kind.value_field.with_type(_without_nanoseconds(kind.value_type)), kind.list_size)
    return kind


def _require_type(one: Field, found: pa.DataType, terms: Terms) -> None:
    inner = found.value_type if pa.types.is_dictionary(found) or pa.types.is_run_end_encoded(found) else found
    whole, text = pa.types.is_integer(inner), _is_text(inner)
    fits = {
        "string": text or whole,
        "integer": whole,
        "number": whole or pa.types.is_floating(inner),
        "boolean": pa.types.is_boolean(inner),
        "timestamp": pa.types.is_timestamp(inner),
        "vector": _is_list(inner) and (pa.types.is_integer(inner.value_type) or pa.types.is_floating(inner.value_type)),
    }
    if not fits[one.type]:
        raise DeliveryRejected(
            "column_type",
            f"{terms.name}: column {one.source!r} is of type {found}, the contract says {one.type}. Write it as"
            f" {one.type}, or change the contract.",
        )


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def _failures(one: Field, array: pa.Array) -> dict[int, tuple[str, str]]:
    found: dict[int, tuple[str, str]] = {}
    if not one.nullable:
        empty = pc.or_(pc.is_null(array), pc.equal(array, "")) if one.type == "string" else pc.is_null(array)
        found |= dict.fromkeys(_rows(empty.fill_null(True)), ("empty", f"`{one.source}` is empty"))
    if one.type == "number":
        unfit = pc.invert(pc.is_finite(array)).fill_null(False)
        found |= dict.fromkeys(_rows(unfit), ("wrong_type", f"`{one.source}` is not a finite number"))
    if one.type == "vector":
        unfit = pc.not_equal(pc.list_value_length(array), one.length).fill_null(False)
        reason = f"`{one.source}` does not have the {one.length} numbers of the contract"
        found |= dict.fromkeys(_rows(unfit), ("wrong_length", reason))
        parents = pc.list_parent_indices(array)
        inside = pc.invert(pc.is_finite(pc.list_flatten(array)).fill_null(False))
        broken = np.unique(parents.filter(inside).to_numpy())
        found |= dict.fromkeys(map(int, broken), ("wrong_type", f"`{one.source}` holds what is not a finite number"))
    return found


def _rows(mask: pa.Array) -> list[int]:
    return [int(row) for row in np.flatnonzero(mask.to_numpy(zero_copy_only=False))]
