"""Many lines of flat JSON objects at once, where a cheap and exact test can rule all damage out.

The lines are parsed as the elements of one array. A line's end stays in the text, so no string can go over it; every
line begins an object and ends one; no value is an array or object. So no line's end can lie within an element, and as
many elements as lines means one each. What orjson forgives is ruled out as in `strict_json`.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np
import orjson

from labelaudit.readers.conversion import to_batch
from labelaudit.readers.gathering import shown_text
from labelaudit.readers.records import Batch, Terms
from labelaudit.readers.strict_json import EXACT

FLAT = {str, int, float, bool, type(None)}
MAX_COLUMNS = 2_000


@dataclass(frozen=True)
class Block:
    """The values of each key, line by line (None where a line has no such key)."""

    columns: dict[str, list[Any]]
    content: bytes
    rows: int

    def batch(self, terms: Terms, first: int) -> Batch:
        sources = [one.source for one in terms.fields] + list(terms.probabilities)
        columns = {source: self.columns.get(source) or [None] * self.rows for source in sources}
        lines: list[bytes] = []

        def text_of(row: int) -> str:
            if not lines:
                lines.extend(self.content.split(b"\n"))
            return shown_text(lines[row])

        made = to_batch(terms, columns, np.arange(first, first + self.rows), text_of, typed=True)
        made.undeclared = frozenset(self.columns) - set(sources)
        return made


def parse(content: bytes, terms: Terms) -> Block | None:
    """The block of whole lines; None where any line needs a closer look."""
    ends = content.count(b"\n")
    if not content.startswith(b"{") or content.count(b"\n{") != ends or content.count(b"}\n") != ends:
        return None
    if b" :" in content or b"\t:" in content or b"\r" in content or b"\n:" in content:
        return None
    try:
        rows = orjson.loads(b"[" + content.replace(b"\n", b",\n") + b"]")
    except orjson.JSONDecodeError:
        return None
    if len(rows) != ends + 1 or {*map(type, rows)} != {dict}:
        return None
    if sum(map(len, rows)) != content.count(b'":'):
        return None
    required = {one.source for one in terms.fields if one.required} | set(terms.probabilities)
    names = set().union(*rows)
    if not required <= names or len(names) > MAX_COLUMNS:
        return None
    columns = {}
    for name in names:
        try:
            values = list(map(itemgetter(name), rows))
        except KeyError:
            if name in required:
                return None
            values = [row.get(name) for row in rows]
        if not _is_flat(values):
            return None
        columns[name] = values
    return Block(columns, content, len(rows))


def _is_flat(values: list[Any]) -> bool:
    types = {*map(type, values)}
    if not types <= FLAT:
        return False
    if float not in types:
        return True
    floats = values if types == {float} else [value for value in values if type(value) is float]
    return min(floats) > -EXACT and max(floats) < EXACT
