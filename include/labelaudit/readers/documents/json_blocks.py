"""Many lines of flat JSON objects at once, where a cheap and exact test can rule all damage out.

Every line begins an object and ends one; no string goes over a line's end, which no parser takes in it; and as many
objects as lines means one each, since an object that went over a line's end would need a comma there. Arrow's parser is
tried first: it is as strict as RFC 8259 (no key twice, no half character) but for NaN and Infinity, and as strict as
`cells` about types, but for numbers that float64 has not. What it refuses, orjson parses as the elements of one array:
there a comma *is* set at every line's end, but no value is an array or object in which that could go unseen; what
orjson forgives is ruled out as in `strict_json`. What both refuse is looked at line by line.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from labelaudit.readers.cells import GAPS
from labelaudit.readers.conversion import to_batch
from labelaudit.readers.documents.gathering import shown_text
from labelaudit.readers.documents.strict_json import may_vanish
from labelaudit.readers.records import ARROW_TYPES, Batch
from labelaudit.readers.terms import Terms
from labelaudit.readers.texts.invisible import twins_of

FLAT = {str, int, float, bool, type(None)}
MAX_COLUMNS = 2_000
_ARROW = {name: ARROW_TYPES[name] for name in ("string", "integer", "number", "boolean")} | {"timestamp": pa.string()}


@dataclass(frozen=True)
class Block:
    """The values of each key, line by line (None where a line has no such key)."""

    columns: dict[str, list[Any] | pa.Array]
    content: bytes
    rows: int

    def batch(self, terms: Terms, first: int) -> Batch:
        sources = _sources(terms)
        columns = {source: self.columns.get(source) for source in sources}
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
    if (block := _by_arrow(content, ends + 1, terms)) is not None:
        return block
    try:
        rows = orjson.loads(b"[" + content.replace(b"\n", b",\n") + b"]")
    except orjson.JSONDecodeError:
        return None
    if len(rows) != ends + 1 or {*map(type, rows)} != {dict}:
        return None
    if sum(map(len, rows)) != content.count(b'":'):
        return None
    required = _required(terms)
    names = set().union(*rows)
    if not required <= names or len(names) > MAX_COLUMNS or twins_of(_sources(terms), names):
        return None
    columns = {}
    for name in names:
        try:
            values = list(map(itemgetter(name), rows))
        except KeyError:
            if name in required:
                return None
            values = [row.get(name) for row in rows]
        if not _is_flat(values, content):
            return None
        columns[name] = values
    return Block(columns, content, len(rows))


def _sources(terms: Terms) -> list[str]:
    return [field.source for field in terms.fields] + list(terms.probabilities)


def _required(terms: Terms) -> set[str]:
    return {field.source for field in terms.fields if field.required} | set(terms.probabilities)


def _by_arrow(content: bytes, rows: int, terms: Terms) -> Block | None:
    types = {field.source: _ARROW.get(field.type) for field in terms.fields} | dict.fromkeys(
        terms.probabilities, pa.float64()
    )
    if None in types.values() or len(types) < len(terms.fields) + len(terms.probabilities) or b"\0" in content:
        return None
    try:
        table = pa.json.read_json(
            pa.BufferReader(content),
            read_options=pa.json.ReadOptions(block_size=1 << 19),
            parse_options=pa.json.ParseOptions(explicit_schema=pa.schema(list(types.items()))),
        ).combine_chunks()
        table.validate(full=True)  # Arrow's parser does not look whether the bytes are UTF-8
    except (pa.ArrowException, UnicodeDecodeError):
        return None
    if table.num_rows != rows or any(pa.types.is_nested(column.type) for column in table.schema):
        return None
    columns = {name: table[name].chunk(0) for name in table.column_names}
    if twins_of(types, columns):
        return None
    if any(columns[source].null_count for source in _required(terms)):
        return None  # missing, or null? The two are told apart line by line
    numbers = [column for column in columns.values() if pa.types.is_floating(column.type) and column.null_count < rows]
    if not all(pc.all(pc.less(pc.abs(column), GAPS)).as_py() for column in numbers):  # no NaN is
        return None
    if any(pc.any(pc.equal(column, 0)).as_py() for column in numbers) and may_vanish(content):
        return None
    there = {name: column for name, column in columns.items() if column.null_count < rows or name in types}
    return Block(there, content, rows)


def _is_flat(values: list[Any], content: bytes) -> bool:
    types = {*map(type, values)}
    if not types <= FLAT:
        return False
    if float not in types:
        return True
    floats = values if types == {float} else [value for value in values if type(value) is float]
    return min(floats) > -GAPS and max(floats) < GAPS and not (0.0 in floats and may_vanish(content))
