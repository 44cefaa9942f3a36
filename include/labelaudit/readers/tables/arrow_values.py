"""Typed columns (Parquet, Arrow) as a contract's types; a value that would be cast with a loss is its row's reject.

The rules are those of `cells`: a decimal is read as its digits would be.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labelaudit.readers.cells import GAPS, inexact, is_kept
from labelaudit.readers.conversion import text_column
from labelaudit.readers.records import ARROW_TYPES
from labelaudit.readers.terms import Field
from labelaudit.readers.texts import invisible
from labelaudit.readers.texts.label_texts import label_text

Failures = dict[int, tuple[str, str]]
UNITS = {"s": 1_000_000, "ms": 1_000, "us": 1}
"""Microseconds in a time's unit; nanoseconds are finer."""

FIRST, LAST = -62_135_596_800_000_000, 253_402_300_799_999_999
"""The years 1 to 9999, in microseconds from 1970: what all that reads our tables can show."""


def typed_column(field: Field, array: pa.Array) -> tuple[pa.Array, Failures]:
    """A column as `one` has it, and code and reason of the rows that can't be taken."""
    array = _plain(array)
    if field.is_label and is_label_kind(array.type):
        return _labels(field, array)
    if pa.types.is_decimal(array.type):
        return text_column(field, array.cast(pa.string()))
    if pa.types.is_null(array.type):
        made, failures = pa.nulls(len(array), ARROW_TYPES[field.type]), {}
    elif field.type == "number" and pa.types.is_integer(array.type):
        made, failures = _floats(field, array)
    elif field.type == "integer" and pa.types.is_uint64(array.type):
        made, failures = _integers(field, array)
    elif field.type == "timestamp":
        made, failures = _microseconds(field, array)
    elif field.type == "vector":
        # of 32 bits, however it is written
        made, failures = _lists(array).cast(ARROW_TYPES[field.type], safe=False), {}
    else:
        made, failures = array.cast(ARROW_TYPES[field.type]), {}
    if field.type == "string":
        made = pc.if_else(pc.equal(made, ""), pa.scalar(None, pa.string()), made)
    return made, invisible.failures(field, made) | unfit(field, made) | failures


def is_label_kind(kind: pa.DataType) -> bool:
    """Whether values are no text, and labels all the same."""
    return pa.types.is_boolean(kind) or pa.types.is_floating(kind)


def _labels(field: Field, array: pa.Array) -> tuple[pa.Array, Failures]:
    """True, false and numbers as text, each different value once; a number of 32 bits by its own shortest digits."""
    encoded = array.dictionary_encode()
    values = encoded.dictionary.to_pylist()
    if pa.types.is_floating(array.type) and array.type != pa.float64():
        values = [float(str(array.type.to_pandas_dtype()(value))) for value in values]
    texts = pa.array([label_text(value) for value in values], pa.string())
    made = texts.take(encoded.indices)
    strange = pc.and_(pc.is_null(made), pc.is_valid(array))
    failures = dict.fromkeys(_rows(strange), ("wrong_type", f"`{field.source}` is not a finite number, and no label"))
    return made, unfit(field, made) | failures


def unfit(field: Field, array: pa.Array) -> Failures:
    """Code and reason of what is empty, not finite or not of the contract's length."""
    failures: Failures = {}
    if not field.nullable:
        failures |= dict.fromkeys(_rows(pc.is_null(array)), ("empty", f"`{field.source}` is empty"))
    if field.type == "number":
        unfit = pc.invert(pc.is_finite(array)).fill_null(False)
        failures |= dict.fromkeys(_rows(unfit), ("wrong_type", f"`{field.source}` is not a finite number"))
    if field.type == "vector":
        unfit = pc.not_equal(pc.list_value_length(array), field.length).fill_null(False)
        reason = f"`{field.source}` does not have the {field.length} numbers of the contract"
        failures |= dict.fromkeys(_rows(unfit), ("wrong_length", reason))
        parents = pc.list_parent_indices(array)
        inside = pc.invert(pc.is_finite(pc.list_flatten(array)).fill_null(False))
        broken = np.unique(parents.filter(inside).to_numpy())
        failures |= dict.fromkeys(
            map(int, broken), ("wrong_type", f"`{field.source}` holds what is not a finite number")
        )
    return failures


def _plain(array: pa.Array) -> pa.Array:
    if pa.types.is_run_end_encoded(array.type):
        array = pc.run_end_decode(array)
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _floats(field: Field, array: pa.Array) -> tuple[pa.Array, Failures]:
    limit = pa.scalar(int(GAPS), pa.int64())
    large = pc.greater(array, limit)
    if pa.types.is_signed_integer(array.type):
        large = pc.or_(large, pc.less(array, pc.negate(limit)))
    failures = {}
    for row in _rows(large.fill_null(False)):
        written = array[row].as_py()
        if not is_kept(str(written), float(written)):
            failures[row] = inexact(written, field).args
    return array.cast(pa.float64(), safe=False), failures


def _integers(field: Field, array: pa.Array) -> tuple[pa.Array, Failures]:
    large = pc.greater(array, pa.scalar(2**63 - 1, pa.uint64())).fill_null(False)
    failures = {
        row: ("wrong_type", f"`{field.source}` is {array[row].as_py()}, not a whole number of 64 bits")
        for row in _rows(large)
    }
    return array.cast(pa.int64(), safe=False), failures


def _microseconds(field: Field, array: pa.Array) -> tuple[pa.Array, Failures]:
    counts, unit = array.cast(pa.int64()), array.type.unit
    if unit == "ns":
        whole = array.cast(ARROW_TYPES["timestamp"], safe=False)
        finer = pc.not_equal(counts, pc.multiply(whole.cast(pa.int64()), 1_000)).fill_null(False)
        reason = f"`{field.source}` has nanoseconds: times are kept in whole microseconds"
        return whole, dict.fromkeys(_rows(finer), ("not_exact", reason))
    far = pc.or_(pc.less(counts, FIRST // UNITS[unit]), pc.greater(counts, LAST // UNITS[unit]))
    reason = f"`{field.source}` is a time outside the years 1 to 9999"
    counts = pc.if_else(far, pa.scalar(None, pa.int64()), counts)
    made = pc.multiply(counts, UNITS[unit]).cast(ARROW_TYPES["timestamp"])
    return made, dict.fromkeys(_rows(far.fill_null(False)), ("wrong_type", reason))


def _lists(array: pa.Array) -> pa.Array:
    """Lists of any kind as plain ones, without the numbers that lie hidden under a null."""
    lengths, numbers = pc.list_value_length(array), pc.list_flatten(array)
    offsets = np.concatenate(([0], np.cumsum(lengths.fill_null(0).to_numpy())))
    missing = lengths.is_null() if lengths.null_count else None
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), numbers, mask=missing)


def _rows(mask: pa.Array) -> list[int]:
    return [int(row) for row in np.flatnonzero(mask.to_numpy(zero_copy_only=False))]
