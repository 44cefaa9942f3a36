"""Cells as the file has them into canonical Arrow columns; nothing is guessed and nothing reinterpreted.

Text cells (`typed=False`) are parsed by one strict rule a type; typed cells (JSON) must have the right type, but for
whole numbers as ids and labels, which tools write as numbers.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labelaudit.readers.records import (
    ARROW_TYPES,
    PROBABILITIES,
    TEXT_CHARACTERS,
    Batch,
    Field,
    Reject,
    Terms,
    schema_of,
)

Cells = Sequence[Any]
INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
FLOAT32_MAX = float(np.finfo(np.float32).max)
LARGEST = sys.float_info.max
FINER = re.compile(r"[.,][0-9]{6}[0-9]*[1-9]")
"""A time finer than a microsecond: Python would cut it off without a word."""

BOOLEANS = {
    "true": True,
    "false": False,
    "True": True,
    "False": False,
    "TRUE": True,
    "FALSE": False,
    "1": True,
    "0": False,
}


class BadCell(Exception):
    """A cell that can't be taken: its code and reason."""


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
        one = replace(declared, decimal=terms.decimal) if terms.decimal != "." else declared
        cells = columns[one.source]
        if cells is None:
            arrays.append(pa.nulls(rows, ARROW_TYPES[one.type]))
            continue
        array, failures = _column(one, cells, typed)
        arrays.append(array)
        for row, (code, reason) in failures.items():
            bad.setdefault(row, (one.source, code, reason))
    if terms.probabilities:
        matrix = np.zeros((rows, len(terms.probabilities)), np.float32)
        for position, source in enumerate(terms.probabilities):
            one = Field(PROBABILITIES, source, "number", decimal=terms.decimal)
            cells = columns[source]
            array, failures = _column(one, () if cells is None else cells, typed)
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


def _column(one: Field, cells: Cells, typed: bool) -> tuple[pa.Array, dict[int, tuple[str, str]]]:
    """A column, and code and reason of the rows that can't be taken (null there)."""
    if isinstance(cells, pa.Array):
        if one.type == "string" or pa.types.is_string(cells.type):
            return _text_column(one, cells)
        missing = () if one.nullable else np.flatnonzero(pc.is_null(cells).to_numpy(zero_copy_only=False))
        return cells, {int(row): ("empty", f"`{one.source}` is empty") for row in missing}
    if typed and (quick := _typed_at_once(one, cells)) is not None:
        return quick, {}
    if not typed and (quick := _at_once(one, cells)) is not None:
        return quick, {}
    parse = (_TYPED if typed else _PARSED)[one.type]
    values: list[Any] = []
    failures: dict[int, tuple[str, str]] = {}
    for row, cell in enumerate(cells):
        value = None
        try:
            if cell is None or cell == "":
                if not one.nullable:
                    raise BadCell("empty", f"`{one.source}` is empty")
            else:
                value = parse(cell, one)
        except BadCell as error:
            failures[row] = error.args
        values.append(value)
    return pa.array(values, ARROW_TYPES[one.type]), failures


_QUICK = {
    "string": {str, type(None)},
    "integer": {int, type(None)},
    "number": {float, int, type(None)},
    "boolean": {bool, type(None)},
}


def _typed_at_once(one: Field, cells: Cells) -> pa.Array | None:
    """A column whose values all have a fitting type; None where any cell wants a closer look."""
    fitting = _QUICK.get(one.type)
    if fitting is None or not {*map(type, cells)} <= fitting:
        return None
    try:
        array = pa.array(cells, ARROW_TYPES[one.type])
    except (pa.ArrowException, UnicodeEncodeError, OverflowError):
        return None
    if one.type == "string" and pc.any(pc.equal(pc.binary_length(array), 0)).as_py():
        return None
    if one.type == "number" and pc.any(pc.invert(pc.is_finite(array))).as_py():
        return None
    return array if one.nullable or not array.null_count else None


def _text_column(one: Field, cells: pa.Array) -> tuple[pa.Array, dict[int, tuple[str, str]]]:
    """As `_column`, of Arrow text: by Arrow's own strict parser, or each different text once."""
    cells = cells.fill_null("") if cells.null_count else cells
    blank = pc.equal(pc.binary_length(cells), 0)
    if not pc.any(blank).as_py():
        if (quick := _cast(one, cells)) is not None:
            return quick, {}
    elif one.nullable and (quick := _cast(one, pc.if_else(blank, pa.scalar(None, pa.string()), cells))) is not None:
        return quick, {}
    encoded = cells.dictionary_encode()
    values, failures = _column(one, encoded.dictionary.to_pylist(), typed=False)
    failed = pc.is_in(encoded.indices, pa.array(list(failures), pa.int32()))
    rows = np.flatnonzero(failed.to_numpy(zero_copy_only=False))
    indices = encoded.indices.to_numpy()
    return values.take(encoded.indices), {int(row): failures[int(indices[row])] for row in rows}


def _cast(one: Field, texts: pa.Array) -> pa.Array | None:
    """The column by Arrow's parser, where that is exactly as strict; None where any cell wants a closer look."""
    if one.type == "string":
        return texts
    if one.type not in ("integer", "number") or one.decimal != ".":
        return None
    if one.type == "integer" and pc.any(pc.match_substring(texts, "x", ignore_case=True)).as_py():
        return None  # Arrow reads 0x1F
    try:
        numbers = texts.cast(ARROW_TYPES[one.type])
    except pa.ArrowInvalid:
        return None
    if one.type == "number" and not pc.all(pc.is_finite(numbers)).as_py() and numbers.null_count < len(numbers):
        return None
    return numbers


def _at_once(one: Field, cells: Cells) -> pa.Array | None:
    """The whole column by Arrow's own strict parser; None where any cell wants a closer look."""
    if one.type not in ("string", "integer", "number") or "" in cells:
        return None
    return _cast(one, pa.array(cells, pa.string()))


def _wrong(cell: Any, one: Field, wanted: str) -> BadCell:
    return BadCell("wrong_type", f"`{one.source}` is {str(cell)[:80]!r}, not {wanted}")


def _text(cell: Any, one: Field) -> str:
    if isinstance(cell, int) and not isinstance(cell, bool):
        return str(cell)
    if not isinstance(cell, str):
        raise _wrong(cell, one, "text")
    try:
        cell.encode()
    except UnicodeEncodeError as error:
        raise BadCell("bad_encoding", f"`{one.source}` holds half a character (a lone surrogate)") from error
    return cell


def _parsed_integer(cell: str, one: Field) -> int:
    if not INTEGER.fullmatch(cell):
        raise _wrong(cell, one, "a whole number")
    return _integer(int(cell), one)


def _integer(cell: Any, one: Field) -> int:
    if not isinstance(cell, int) or isinstance(cell, bool) or not -(2**63) <= cell < 2**63:
        raise _wrong(cell, one, "a whole number of 64 bits")
    return cell


def _parsed_number(cell: str, one: Field) -> float:
    plain = cell if one.decimal == "." else _with_point(cell)
    if not NUMBER.fullmatch(plain):
        raise _wrong(cell, one, "a number" if one.decimal == "." else "a number with a decimal comma")
    return _number(float(plain), one)


def _with_point(cell: str) -> str:
    """A number with a decimal comma; one that has a point (of thousands?) stays no number."""
    return cell.replace(".", " ").replace(",", ".")


def _number(cell: Any, one: Field) -> float:
    if not isinstance(cell, int | float) or isinstance(cell, bool) or not abs(cell) <= LARGEST:
        raise _wrong(cell, one, "a finite number")
    return float(cell)


def _parsed_boolean(cell: str, one: Field) -> bool:
    if cell not in BOOLEANS:
        raise _wrong(cell, one, "true or false")
    return BOOLEANS[cell]


def _boolean(cell: Any, one: Field) -> bool:
    if not isinstance(cell, bool):
        raise _wrong(cell, one, "true or false")
    return cell


def _timestamp(cell: Any, one: Field) -> datetime:
    if isinstance(cell, datetime):
        return cell.astimezone(UTC) if cell.tzinfo else cell.replace(tzinfo=UTC)
    if not isinstance(cell, str):
        raise _wrong(cell, one, "a time in ISO 8601")
    if FINER.search(cell):
        raise _wrong(cell, one, "a time in whole microseconds")
    try:
        moment = datetime.fromisoformat(cell)
    except ValueError as error:
        raise _wrong(cell, one, "a time in ISO 8601, such as 2026-11-01T06:00:00Z") from error
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _parsed_vector(cell: str, one: Field) -> list[float]:
    try:
        return _vector(json.loads(cell), one)
    except (ValueError, RecursionError) as error:
        raise _wrong(cell, one, "a JSON array of numbers") from error


def _vector(cell: Any, one: Field) -> list[float]:
    if not isinstance(cell, list) or not all(type(number) in (int, float) for number in cell):
        raise _wrong(cell, one, "a list of numbers")
    if len(cell) != one.length:
        raise BadCell("wrong_length", f"`{one.source}` has {len(cell)} numbers, the contract says {one.length}")
    if not all(abs(number) < 3e38 for number in cell):
        raise _wrong(cell, one, "a list of finite numbers")
    return cell


_TYPED = {
    "string": _text,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "timestamp": _timestamp,
    "vector": _vector,
}
_PARSED = _TYPED | {
    "integer": _parsed_integer,
    "number": _parsed_number,
    "boolean": _parsed_boolean,
    "vector": _parsed_vector,
}
