"""One cell into one value, by one strict rule a type; the same for all formats, and nothing is guessed.

Text cells (`PARSED`) hold the value as text; typed cells (`TYPED`: JSON, Excel) must have the right type, but for whole
numbers as ids and labels, which tools write as numbers. A number is kept if nothing of what was written is lost: below
2**53 a fraction is rounded as everywhere; beyond, what float64 holds must be, or be written as, what the file says.
"""

from __future__ import annotations

import json
import re
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from labelaudit.readers.terms import Field
from labelaudit.readers.texts.label_texts import label_text

INTEGER = re.compile(r"[+-]?0*[0-9]{1,19}")
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?"
    r"|[0-9]{8}(T[0-9]{4}([0-9]{2}([.,][0-9]+)?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?"
)
"""ISO 8601, as people and tools write it: Python also takes 20111213112 for the thirteenth of December, noon."""

FINER = re.compile(r"[.,][0-9]{6}[0-9]*[1-9]")
"""A time finer than a microsecond: Python would cut it off without a word."""

LARGEST = sys.float_info.max
GAPS = 2.0**53
"""From here on float64 has no longer every whole number."""

ISO = "a time in ISO 8601, such as 2026-11-01T06:00:00Z"
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


class Inexact(float):
    """A number as float64 has it that says something else than its `text` did."""

    def __new__(cls, text: str) -> Inexact:
        made = super().__new__(cls, text)
        made.text = text
        return made


class Doubtful(int):
    """A whole number of a sheet that, as a text, may be meant otherwise; `why` says how."""

    def __new__(cls, value: int, why: str) -> Doubtful:
        made = super().__new__(cls, value)
        made.why = why
        return made


def is_kept(text: str, value: float) -> bool:
    """Whether `value`, the finite float64 nearest to the number in `text`, says all that was written."""
    if 0 < abs(value) < GAPS:
        return True
    if value == 0:
        return not text.lower().partition("e")[0].strip("+-0.")
    written = Decimal(text)
    return written in (Decimal(value), Decimal(repr(value)))


def _wrong(cell: Any, field: Field, wanted: str) -> BadCell:
    return BadCell("wrong_type", f"`{field.source}` is {str(cell)[:80]!r}, not {wanted}")


def inexact(written: Any, field: Field) -> BadCell:
    """The reject of a number that can't be kept."""
    return BadCell(
        "not_exact",
        f"`{field.source}` is {str(written)[:80]}, which no number of 64 bits holds: it would be {float(written)!r}",
    )


def _text(cell: Any, field: Field) -> str:
    if isinstance(cell, Doubtful):
        raise BadCell("not_exact", f"`{field.source}` is the number {cell}, {cell.why}, not text: write it as text")
    if isinstance(cell, int) and not isinstance(cell, bool):
        return str(cell)
    if field.is_label and isinstance(cell, bool | float):
        return _label(cell, field)
    if not isinstance(cell, str):
        raise _wrong(cell, field, "text")
    try:
        cell.encode()
    except UnicodeEncodeError as error:
        raise BadCell("bad_encoding", f"`{field.source}` holds half a character (a lone surrogate)") from error
    return cell


def _label(cell: bool | float, field: Field) -> str:
    if isinstance(cell, Inexact):
        raise inexact(cell.text, field)
    if (text := label_text(cell)) is None:
        raise _wrong(cell, field, "a label")
    return text


def _parsed_integer(cell: str, field: Field) -> int:
    if not INTEGER.fullmatch(cell):
        raise _wrong(cell, field, "a whole number")
    return _integer(int(cell), field)


def _integer(cell: Any, field: Field) -> int:
    if not isinstance(cell, int) or isinstance(cell, bool) or not -(2**63) <= cell < 2**63:
        raise _wrong(cell, field, "a whole number of 64 bits")
    return cell


def _parsed_number(cell: str, field: Field) -> float:
    plain = cell if field.decimal == "." else _with_point(cell)
    if not NUMBER.fullmatch(plain):
        raise _wrong(cell, field, "a number" if field.decimal == "." else "a number with a decimal comma")
    value = _number(float(plain), field)
    if not is_kept(plain, value):
        raise inexact(plain, field)
    return value


def _with_point(cell: str) -> str:
    """A number with a decimal comma; one that has a point (of thousands?) stays no number."""
    return cell.replace(".", " ").replace(",", ".")


def _number(cell: Any, field: Field) -> float:
    if not isinstance(cell, int | float) or isinstance(cell, bool) or not abs(cell) <= LARGEST:
        raise _wrong(cell, field, "a finite number")
    if isinstance(cell, Inexact) or (isinstance(cell, int) and not is_kept(str(cell), float(cell))):
        raise inexact(getattr(cell, "text", cell), field)
    return float(cell)


def _parsed_boolean(cell: str, field: Field) -> bool:
    if cell not in BOOLEANS:
        raise _wrong(cell, field, "true or false")
    return BOOLEANS[cell]


def _boolean(cell: Any, field: Field) -> bool:
    if not isinstance(cell, bool):
        raise _wrong(cell, field, "true or false")
    return cell


def _timestamp(cell: Any, field: Field) -> datetime:
    if isinstance(cell, datetime):
        return cell.astimezone(UTC) if cell.tzinfo else cell.replace(tzinfo=UTC)
    if not isinstance(cell, str):
        raise _wrong(cell, field, "a time in ISO 8601")
    if not MOMENT.fullmatch(cell):
        raise _wrong(cell, field, ISO)
    if FINER.search(cell):
        raise BadCell("not_exact", f"`{field.source}` is {cell[:80]!r}: times are kept in whole microseconds")
    try:
        moment = datetime.fromisoformat(cell)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:  # a month 13; in UTC, the year 0 or 10000
        raise _wrong(cell, field, ISO) from error


def _parsed_vector(cell: str, field: Field) -> list[float]:
    try:
        return _vector(json.loads(cell), field)
    except (ValueError, RecursionError) as error:
        raise _wrong(cell, field, "a JSON array of numbers") from error


def _vector(cell: Any, field: Field) -> list[float]:
    if not isinstance(cell, list) or not all(type(number) in (int, float, Inexact) for number in cell):
        raise _wrong(cell, field, "a list of numbers")
    if len(cell) != field.length:
        raise BadCell("wrong_length", f"`{field.source}` has {len(cell)} numbers, the contract says {field.length}")
    if not all(abs(number) < 3e38 for number in cell):
        raise _wrong(cell, field, "a list of finite numbers")
    return cell


TYPED = {
    "string": _text,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "timestamp": _timestamp,
    "vector": _vector,
}
PARSED = TYPED | {
    "integer": _parsed_integer,
    "number": _parsed_number,
    "boolean": _parsed_boolean,
    "vector": _parsed_vector,
}
