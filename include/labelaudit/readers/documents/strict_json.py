"""JSON as RFC 8259 has it, and no laxer: no key twice, no NaN, no number beyond float64, no half characters.

`loads` is orjson where a cheap and exact test rules out all that orjson forgives, and the standard library with hooks
elsewhere; both agree. (orjson makes floats of integers of more than 64 bits: floats that large are looked at again.)
What can't be taken is a BadJson with code, reason and column. A number that float64 has not is an Inexact.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

import orjson

from labelaudit.readers.cells import GAPS, Inexact, is_kept
from labelaudit.readers.texts.decoding import not_utf8
from labelaudit.readers.texts.invisible import named

SHALLOW = 200
"""No more brackets than this, and nesting is no matter for any parser."""

SMALL, ZEROS = re.compile(rb"[eE]-0*[1-9][0-9]{2}"), b"0" * 200
"""Without an exponent of a hundred or so many zeros, no number is below 1e-300."""


class BadJson(Exception):
    """What is wrong with a text: a reject's code and reason."""

    def __init__(self, code: str, reason: str):
        self.code, self.reason = code, reason
        super().__init__(reason)


def loads(text: bytes) -> Any:
    """The value of a UTF-8 text. Raises BadJson (malformed, bad_encoding, duplicate_key, not_finite)."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return strict(text)
    if is_exact(value, text):
        return value
    return strict(text)


def is_exact(value: Any, text: bytes) -> bool:
    """Whether a lax parser's value is surely what the text says.

    Every key stands before a colon: with as many `":` as keys, and no space before any colon, no key is given twice.
    """
    if text.count(b"{") + text.count(b"[") > SHALLOW or b" :" in text or b"\t:" in text or b"\n:" in text:
        return False
    keys, sound = _walked(value)
    return sound and b"\r:" not in text and text.count(b'":') == keys and not may_vanish(text)


def may_vanish(text: bytes) -> bool:
    """Whether a number in the text may be too small for float64, so that a lax parser makes zero of it."""
    exponents = b"e-" in text or b"E-" in text
    return (exponents and SMALL.search(text) is not None) or ZEROS in text


def _walked(value: Any) -> tuple[int, bool]:
    """How many keys a value holds in all, and whether its floats are ordinary."""
    kind = type(value)
    if kind is dict:
        keys = len(value)
        for inside in value.values():
            if type(inside) in (dict, list, float):
                more, sound = _walked(inside)
                keys += more
                if not sound:
                    return keys, False
        return keys, True
    if kind is list:
        keys = 0
        for inside in value:
            if type(inside) in (dict, list, float):
                more, sound = _walked(inside)
                keys += more
                if not sound:
                    return keys, False
        return keys, True
    return 0, kind is not float or -GAPS < value < GAPS


def strict(text: bytes) -> Any:
    """As `loads`, by the standard library."""
    try:
        decoded = text.decode()
    except UnicodeDecodeError as error:
        raise BadJson("bad_encoding", not_utf8(text)) from error
    if decoded.startswith("\ufeff"):
        raise BadJson("invisible_character", f"it has {named(decoded)}")
    try:
        value = json.loads(decoded, object_pairs_hook=_object, parse_constant=_constant, parse_float=_float)
    except RecursionError as error:
        raise BadJson("malformed", "it is nested too deeply") from error
    except json.JSONDecodeError as error:
        # the reject says in which line of the file the value begins
        line = f"line {error.lineno} of the value, " if error.lineno > 1 else ""
        what = "more text behind the value" if error.msg == "Extra data" else error.msg
        raise BadJson("malformed", f"not JSON: {what} ({line}column {error.colno})") from error
    except ValueError as error:  # an integer of thousands of digits
        raise BadJson("not_finite", f"a number of too many digits: {error}") from error
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise BadJson("duplicate_key", f"the key {twice[:80]!r} is given twice")
    return made


def _constant(name: str) -> None:
    raise BadJson("not_finite", f"{name} is no JSON number")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise BadJson("not_finite", f"the number {text[:40]} is too large")
    return value if is_kept(text, value) else Inexact(text)
