"""What of a nested record its reader takes: every value that is looked up is noted, and what is left over is named.

Readers say what they take, never what they leave: a kind of answer that no rule knows is left over, and can't be
dropped without a word.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any

MAX_DEPTH = 20
MAX_PATHS = 200
"""A file whose every key is another one may not fill a report: what comes later is counted together."""

OTHERS = "…"
SHOWN_CHARACTERS = 60
KINDS = ("from_name", "type")
"""Keys whose text says what an object is: they are shown beside the path of one that is not taken."""

_SCALARS = (str, int, float, bool)
_ID = re.compile(r"(?=.*\d)[A-Za-z0-9_-]{20,}")


class Noted(dict):
    """An object that notes which of its values were looked up; `in`, iterating and `peek` only look at it."""

    __slots__ = ("taken",)

    def __init__(self, *values: Any):
        super().__init__(*values)
        self.taken: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        self.taken.add(key)
        return value

    def get(self, key: str, default: Any = None) -> Any:
        self.taken.add(key)
        return super().get(key, default)


def noted(value: Any, depth: int = 0) -> Any:
    """The same value with noting objects; what lies deeper than MAX_DEPTH is taken or left as a whole."""
    if depth < MAX_DEPTH and isinstance(value, dict):
        depth += 1
        return Noted(
            {key: noted(inside, depth) if type(inside) in (dict, list) else inside for key, inside in value.items()}
        )
    if depth < MAX_DEPTH and isinstance(value, list):
        depth += 1
        return [noted(inside, depth) if type(inside) in (dict, list) else inside for inside in value]
    return value


def peek(record: dict[str, Any], key: str) -> Any:
    """`record[key]`, or None, without taking it: to tell what a record is."""
    return dict.get(record, key)


def take(value: Any) -> None:
    """Note that a value is taken with all that it holds."""
    if isinstance(value, Noted):
        value.taken.update(value)
    inner = dict.values(value) if isinstance(value, dict) else value if isinstance(value, list) else ()
    for inside in inner:
        if isinstance(inside, dict | list):
            take(inside)


def left_over(value: Any, refused: Collection[str] = (), path: str = "") -> list[str]:
    """Paths of what was not taken: an object or list as a whole where nothing of it was, else its values.

    Indices are left out (`annotations[].result[].type=relation`), so that a path comes once for each time. Empty values
    hold nothing. What lies at the `refused` paths below the value is in the rejects, and not named again.
    """
    return _left(value, "", path, frozenset(refused), False)[1]


def count_paths(counts: Counter[str], more: Iterable[str] | Mapping[str, int]) -> None:
    """Add to the counts by path, no more than MAX_PATHS different ones."""
    pairs = more.items() if isinstance(more, Mapping) else ((path, 1) for path in more)
    for path, count in pairs:
        counts[path if path in counts or len(counts) < MAX_PATHS else OTHERS] += count


def listed(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Paths and counts in an order to be read: whole objects first, which may be answers, and what comes often."""
    return sorted(counts.items(), key=lambda entry: (not _is_object(entry[0]), -entry[1], entry[0]))


def _is_object(path: str) -> bool:
    return path.endswith("[]") or "=" in path.rpartition(".")[2]


def _left(value: Any, place: str, path: str, refused: frozenset[str], taken: bool) -> tuple[bool, list[str]]:
    """Whether any of the value was taken, and the paths of what was not."""
    if place in refused:
        return True, []
    if isinstance(value, dict):
        some, paths = False, []
        known = value.taken if isinstance(value, Noted) else value if taken else ()
        for key, inside in value.items():
            if type(inside) in _SCALARS and key in known:
                some = True
                continue
            inner_path = f"{path}.{shown_key(key)}" if path else shown_key(key)
            inner, more = _left(inside, f"{place}.{key}", inner_path, refused, key in known)
            some |= inner
            paths += more
        return (True, paths) if some or not paths or not path else (False, [path + _kind(value)])
    if isinstance(value, list) and any(isinstance(inside, dict) for inside in value):
        each = [_left(inside, f"{place}[{at}]", f"{path}[]", refused, False) for at, inside in enumerate(value)]
        return any(some for some, _ in each), [one for _, paths in each for one in paths]
    if value is None or value in ("", [], {}):
        return False, []
    return taken, [] if taken else [path]


def _kind(value: dict[str, Any]) -> str:
    for key in KINDS:
        said = peek(value, key)
        if isinstance(said, str) and said:
            return f".{key}={shown_key(said)}"
    return ""


@lru_cache(4096)
def shown_key(key: Any) -> str:
    """A key as it can be printed; one that is an id or a person's address is `*`."""
    if _ID.fullmatch(str(key)) or "@" in str(key):
        return "*"
    text = str(key)[:SHOWN_CHARACTERS]
    return text if text.isprintable() else ascii(text)[1:-1]
