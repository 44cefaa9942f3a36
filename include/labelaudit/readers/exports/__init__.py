"""Where the labels are in each tool's and dataset's records: `labels(record, terms) -> Iterator[Part | Unfit]`.

For samples, `recognises(record)` tells a format's records by their keys, and `questions(record)` names the questions
that one answers. `contracts/formats.py` lists the modules.

A record comes with noting objects (`readers.noting`): what is looked up is taken, what only tells one kind of record
from another is peeked at, and all that is left over is listed with the delivery.

Cells have the canonical names (item, annotator, label, seconds, timestamp, guideline, tool, gold, was_cancelled,
confidence); the rest of the record keeps its own, dotted. An item is what gets one label: a document or picture, or a
region of one (`<document>#<start>-<end>`, `<picture>#<region>`). `labels` gives an Unfit for whatever is not as the
format has it, and raises Misfit only where the driver shall make one of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

from labelaudit.readers.documents.noting import MAX_DEPTH, Noted, peek, take
from labelaudit.readers.records import Part, Unfit
from labelaudit.readers.terms import Terms
from labelaudit.readers.texts.label_texts import label_text

_MISSING = object()
_NAMES = {dict: "an object", list: "a list", str: "text", bool: "true or false", int: "a whole number"}
_NAMES |= {float: "a number", type(None): "null", Noted: "an object"}


class Misfit(Exception):
    """A part of a record is not as its format has it."""

    def __init__(self, unfit: Unfit):
        self.unfit = unfit
        super().__init__(unfit.reason)


def misfit(path: str, column: str | None, code: str, reason: str) -> Misfit:
    return Misfit(Unfit(path, column, code, reason))


Function = Callable[..., Iterator[Part | Unfit]]


def guarded(function: Function) -> Function:
    """A generator of parts whose Misfit is its last part."""

    @wraps(function)
    def run(*arguments: Any, **named: Any) -> Iterator[Part | Unfit]:
        try:
            yield from function(*arguments, **named)
        except Misfit as error:
            yield error.unfit

    return run


def field(record: Any, key: str, kinds: type | tuple[type, ...], path: str = "", default: Any = _MISSING) -> Any:
    """`record[key]`, which must be of one of the types; `default` where it is missing or null. Raises Misfit."""
    value = look(record, key, kinds, path, default)
    if isinstance(record, Noted) and key in record:
        record.taken.add(key)
    return value


def look(record: Any, key: str, kinds: type | tuple[type, ...], path: str = "", default: Any = _MISSING) -> Any:
    """As `field`, without taking the value."""
    if not isinstance(record, dict):
        raise misfit(path, None, "wrong_nesting", f"found {shown(record)}, expected an object")
    value = peek(record, key)
    if value is None and default is not _MISSING:
        return default
    if key not in record:
        raise misfit(path, key, "missing_key", f"no key {key!r}; there are {', '.join(map(repr, list(record)[:12]))}")
    return typed(value, kinds, f"{path}.{key}", key)


def typed(value: Any, kinds: type | tuple[type, ...], path: str, column: str | None = None) -> Any:
    kinds = kinds if isinstance(kinds, tuple) else (kinds,)
    if (isinstance(value, bool) and bool not in kinds) or not isinstance(value, kinds):
        expected = " or ".join(_NAMES[kind] for kind in kinds)
        raise misfit(path, column, "wrong_nesting", f"found {shown(value)}, expected {expected}")
    return value


def shown(value: Any) -> str:
    """What a value is and how it begins."""
    return f"{_NAMES.get(type(value), type(value).__name__)} {str(value)[:60]!r}"


def only(values: list[Any], path: str, what: str = "label") -> str:
    """The one text of a list. Raises Misfit (unlabelled, several_labels)."""
    if not values:
        raise misfit(path, None, "unlabelled", f"no {what} was given")
    if len(values) > 1:
        raise misfit(path, None, "several_labels", f"found {len(values)} {what}s ({str(values)[:80]}), expected one")
    return as_label(values[0], path)


def as_label(value: Any, path: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(typed(value, (str, int), path, "label"))


def as_number(value: int | float, path: str) -> str:
    """A grade as a label. Raises Misfit where it is not finite."""
    if (text := label_text(value)) is None:
        raise misfit(path, "label", "not_finite", f"found {value}, expected a finite number")
    return text


def question_of(questions: list[str], terms: Terms, path: str) -> str:
    """Which of the questions that a record answers is meant. Raises Misfit (unlabelled, several_labels)."""
    names = list(dict.fromkeys(questions))
    if terms.question is not None:
        if terms.question not in names:
            there = ", ".join(map(repr, names[:12])) or "none"
            raise misfit(path, None, "unlabelled", f"no answer to {terms.question!r}; there are {there}")
        return terms.question
    if not names:
        raise misfit(path, None, "unlabelled", "the record holds no label")
    if len(names) > 1:
        there = ", ".join(map(repr, names[:12]))
        reason = f"answers to several questions ({there}); say which in the contract's `question`"
        raise misfit(path, None, "several_labels", reason)
    return names[0]


def rest(record: dict[str, Any], *taken: str, prefix: str = "", depth: int = 0) -> dict[str, Any]:
    """The other keys under dotted names; lists as JSON text."""
    cells: dict[str, Any] = {}
    for key, value in record.items():
        if key in taken:
            continue
        name = f"{prefix}{key}"
        if isinstance(value, dict) and depth < MAX_DEPTH:
            cells |= rest(value, prefix=f"{name}.", depth=depth + 1)
            continue
        cells[name] = as_json(value) if isinstance(value, dict | list) else value
        if isinstance(record, Noted):
            record.taken.add(key)
    return cells


def as_json(value: Any) -> str:
    """A value as JSON text, which takes all of it."""
    take(value)
    return _json(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def digest_id(*values: Any) -> str:
    """An id for what has none: sixteen digits of the sha256 of its content."""
    return hashlib.sha256(_json(values).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def identity(record: dict[str, Any], keys: tuple[str, ...], *content: Any) -> str:
    """The record's own id under the first of `keys` that it has, else a digest of its content."""
    for key in keys:
        value = peek(record, key)
        if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
            return str(record[key])
    return digest_id(*content)


def reached(value: Any, *path: str) -> Iterator[Any]:
    """What lies at a path of keys, `*` being every element or value; nothing where the path leads nowhere."""
    if not path:
        yield value
        return
    if path[0] == "*":
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    else:
        inner = [value[path[0]]] if isinstance(value, dict) and path[0] in value else ()
    for inside in inner:
        yield from reached(inside, *path[1:])


def listed(record: dict[str, Any], key: str) -> list[Any] | None:
    """The list under a key; None where there is none."""
    value = record.get(key)
    return value if isinstance(value, list) else None
