"""Cells as the file has them into canonical Arrow columns; nothing is guessed and nothing reinterpreted.

What a cell may be says `cells`; here whole columns are converted at once where that is surely the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labelaudit.readers.cells import GAPS, PARSED, TYPED, BadCell
from labelaudit.readers.records import ARROW_TYPES, PROBABILITIES, Batch, schema_of
from labelaudit.readers.terms import Field, Terms
from labelaudit.readers.texts import invisible
from labelaudit.rejects.records import TEXT_CHARACTERS, Reject

Cells = Sequence[Any]
ZERO = "^[+-]?[0.]+([eE].*)?$"
FLOAT32_MAX = float(np.finfo(np.float32).max)


def to_batch(
    terms: Terms,
    columns: dict[str, Cells | None],
    line_numbers: Sequence[int],
    text_of: Callable[[int], str],
    typed: bool = False,
    places: Sequence[str] | None = None,
) -> Batch:
    """Rows from cells by source column (None: the file has no such column); `text_of(i)` is row i's raw text."""
    rows = len(line_numbers)
    bad: dict[int, tuple[str, str, str]] = {}
    arrays: list[pa.Array] = []
    for declared in terms.fields:
        field = replace(declared, decimal=terms.decimal) if terms.decimal != "." else declared
        cells = columns[field.source]
        if cells is None:
            arrays.append(pa.nulls(rows, ARROW_TYPES[field.type]))
            continue
        array, failures = _column(field, cells, typed)
        failures = invisible.failures(field, array) | failures
        arrays.append(array)
        for row, (code, reason) in failures.items():
            bad.setdefault(row, (field.source, code, reason))
    if terms.probabilities:
        matrix = np.zeros((rows, len(terms.probabilities)), np.float32)
        for position, source in enumerate(terms.probabilities):
            field = Field(PROBABILITIES, source, "number", decimal=terms.decimal)
            cells = columns[source]
            array, failures = _column(field, () if cells is None else cells, typed)
            large = np.flatnonzero(np.abs(array.fill_null(0).to_numpy()) > FLOAT32_MAX)
            failures |= {int(row): ("wrong_type", f"`{source}` is no probability") for row in large}
            matrix[:, position] = array.fill_null(0).to_numpy()
            for row, (code, reason) in failures.items():
                bad.setdefault(row, (source, code, reason))
        arrays.append(vectors(matrix))
    arrays += [pa.repeat(terms.name, rows), pa.array(line_numbers, pa.int64())]
    arrays.append(pa.nulls(rows, pa.string()) if places is None else pa.array(places, pa.string()))
    table = pa.Table.from_arrays(arrays, schema=schema_of(terms))
    if not bad:
        return Batch(table)
    keep = np.ones(rows, bool)
    keep[list(bad)] = False
    rejects = [
        Reject(
            terms.name,
            int(line_numbers[row]),
            column,
            code,
            reason,
            text_of(row)[:TEXT_CHARACTERS],
            places[row] if places else "",
        )
        for row, (column, code, reason) in sorted(bad.items())
    ]
    return Batch(table.filter(pa.array(keep)), rejects)


def vectors(matrix: np.ndarray) -> pa.Array:
    """Rows of a float matrix (n, K) as an Arrow list<float32> column."""
    offsets = np.arange(0, matrix.size + 1, max(matrix.shape[1], 1), dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(matrix.ravel().astype(np.float32)))


def _column(field: Field, cells: Cells, typed: bool) -> tuple[pa.Array, dict[int, tuple[str, str]]]:
    """A column, and code and reason of the rows that can't be taken (null there)."""
    if isinstance(cells, pa.Array):
        if field.type == "string" or pa.types.is_string(cells.type):
            return text_column(field, cells)
        missing = () if field.nullable else np.flatnonzero(pc.is_null(cells).to_numpy(zero_copy_only=False))
        return cells, {int(row): ("empty", f"`{field.source}` is empty") for row in missing}
    if typed and (quick := _typed_at_once(field, cells)) is not None:
        return quick, {}
    if not typed and (quick := _at_once(field, cells)) is not None:
        return quick, {}
    parse = (TYPED if typed else PARSED)[field.type]
    values: list[Any] = []
    failures: dict[int, tuple[str, str]] = {}
    for row, cell in enumerate(cells):
        value = None
        try:
            if cell is None or cell == "":
                if not field.nullable:
                    raise BadCell("empty", f"`{field.source}` is empty")
            else:
                value = parse(cell, field)
        except BadCell as error:
            failures[row] = error.args
        values.append(value)
    return pa.array(values, ARROW_TYPES[field.type]), failures


_QUICK = {
    "string": {str, type(None)},
    "integer": {int, type(None)},
    "number": {float, int, type(None)},
    "boolean": {bool, type(None)},
}


def _typed_at_once(field: Field, cells: Cells) -> pa.Array | None:
    """A column whose values all have a fitting type; None where any cell wants a closer look."""
    fitting = _QUICK.get(field.type)
    if fitting is None or not {*map(type, cells)} <= fitting:
        return None
    try:
        array = pa.array(cells, ARROW_TYPES[field.type])
    except (pa.ArrowException, UnicodeEncodeError, OverflowError):
        return None
    if field.type == "string" and pc.any(pc.equal(pc.binary_length(array), 0)).as_py():
        return None
    if field.type == "number" and pc.any(pc.invert(pc.is_finite(array))).as_py():
        return None
    return array if field.nullable or not array.null_count else None


def text_column(field: Field, cells: pa.Array) -> tuple[pa.Array, dict[int, tuple[str, str]]]:
    """As `_column`, of Arrow text: by Arrow's own strict parser, or each different text once."""
    cells = cells.fill_null("") if cells.null_count else cells
    blank = pc.equal(pc.binary_length(cells), 0)
    if not pc.any(blank).as_py():
        if (quick := _cast(field, cells)) is not None:
            return quick, {}
    elif field.nullable and (quick := _cast(field, pc.if_else(blank, pa.scalar(None, pa.string()), cells))) is not None:
        return quick, {}
    encoded = cells.dictionary_encode()
    values, failures = _column(field, encoded.dictionary.to_pylist(), typed=False)
    failed = pc.is_in(encoded.indices, pa.array(list(failures), pa.int32()))
    rows = np.flatnonzero(failed.to_numpy(zero_copy_only=False))
    indices = encoded.indices.to_numpy()
    return values.take(encoded.indices), {int(row): failures[int(indices[row])] for row in rows}


def _cast(field: Field, texts: pa.Array) -> pa.Array | None:
    """The column by Arrow's parser, where that is exactly as strict; None where any cell wants a closer look."""
    if field.type == "string":
        return texts
    if field.type not in ("integer", "number") or field.decimal != ".":
        return None
    if field.type == "integer" and pc.any(pc.match_substring(texts, "x", ignore_case=True)).as_py():
        return None  # Arrow reads 0x1F
    try:
        numbers = texts.cast(ARROW_TYPES[field.type])
    except pa.ArrowInvalid:
        return None
    return None if field.type == "number" and not _are_kept(texts, numbers) else numbers


def _are_kept(texts: pa.Array, numbers: pa.Array) -> bool:
    """Whether all numbers are surely what is written: finite, below GAPS, and zero only where zero is meant."""
    if numbers.null_count == len(numbers):
        return True
    if not pc.all(pc.less(pc.abs(numbers), GAPS)).as_py():  # neither is NaN
        return False
    zero = pc.equal(numbers, 0)
    return not pc.any(zero).as_py() or pc.all(pc.match_substring_regex(texts.filter(zero), ZERO)).as_py()


def _at_once(field: Field, cells: Cells) -> pa.Array | None:
    """The whole column by Arrow's own strict parser; None where any cell wants a closer look."""
    if field.type not in ("string", "integer", "number") or "" in cells:
        return None
    return _cast(field, pa.array(cells, pa.string()))
