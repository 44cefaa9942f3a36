"""What every reader is asked and gives: plain values, since a reader runs in a process of its own.

A reader is a module with two functions:

* `read(path, terms) -> Iterator[Batch]`: the rows in canonical types, and the rejects;
* `rows(path, terms) -> Iterator[Row | Reject]`: the same rows as the file has them, for `labelaudit new`.

A row that can't be read is a Reject; a file that can't be read at all, or not to its end, is DeliveryRejected.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from labelaudit.errors import DeliveryRejected
from labelaudit.readers.terms import Terms
from labelaudit.readers.texts.invisible import misnamed, twins_of
from labelaudit.rejects.records import Reject

BATCH_ROWS = 16_384
MAX_RECORD_BYTES = 16 << 20
"""A longer line, record or cell is no label: it is refused, and never held in memory."""

PROBABILITIES = "pred_probs"


@dataclass(frozen=True)
class Row:
    """One row before its types are looked at: source column: cell. `line` counts from 1; of files without lines, rows.

    `place` says more where the line does not say all: `$[3].annotations[0]`, `row group 2, row 17`, `sheet Labels`.
    """

    cells: dict[str, Any]
    line: int
    place: str = ""
    text: str = ""


@dataclass(frozen=True)
class Part:
    """One label within a nested record: source column: cell, and its path below the record (`.annotations[0]`)."""

    cells: dict[str, Any]
    path: str = ""


@dataclass(frozen=True)
class Unfit:
    """A part of a nested record that can't be taken: path below the record, the key that is wrong, code and reason."""

    path: str
    column: str | None
    code: str
    reason: str


@dataclass
class Batch:
    """Rows as `schema_of` has them, the rejects found among them, and how many of the file's own records they were.

    A record of a tool's export may hold several labels, each a row. `records` is None where a record is a row.
    `undeclared` are columns that the file has and the terms don't name; `untaken`, path: how often, is what nested
    records hold and no column has.
    """

    rows: pa.Table
    rejects: list[Reject] = field(default_factory=list)
    records: int | None = None
    undeclared: frozenset[str] = frozenset()
    untaken: dict[str, int] = field(default_factory=dict)


ARROW_TYPES = {
    "string": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "vector": pa.list_(pa.float32()),
}


def schema_of(terms: Terms) -> pa.Schema:
    """The schema of the rows that a reader gives."""
    columns = [(field.name, ARROW_TYPES[field.type]) for field in terms.fields]
    if terms.probabilities:
        columns.append((PROBABILITIES, pa.list_(pa.float32())))
    return pa.schema([*columns, ("file", pa.string()), ("line", pa.int64()), ("place", pa.string())])


def places(terms: Terms, header: Sequence[str]) -> dict[str, int | None]:
    """Where each source column of the terms stands in `header`; None for an optional one that is not there.

    Raises DeliveryRejected(missing_column) with the nearest name where a required one is missing or there twice, or
    any seems to be there and is written with what nobody sees.
    """
    places: dict[str, int | None] = {}
    wanted = [(field.source, field.required) for field in terms.fields] + [(name, True) for name in terms.probabilities]
    for source, required in wanted:
        count = header.count(source)
        if count > 1:
            raise DeliveryRejected(
                "missing_column", f"{terms.name}: the header has the column {source!r} {count} times"
            )
        if count == 0 and (twin := next(iter(twins_of([source], header)), None)) is not None:
            raise DeliveryRejected("missing_column", f"{terms.name}: the column {misnamed(source, twin)}.")
        if count == 0 and required:
            near = difflib.get_close_matches(source, header, n=1)
            hint = f"; did you mean {source!r} where it says {near[0]!r}?" if near else "."
            shown = ", ".join(repr(name[:60]) for name in header[:30])
            raise DeliveryRejected(
                "missing_column",
                f"{terms.name}: no column {source!r}; the file has {shown}{hint} Rename it, or change the contract's"
                " column mapping.",
            )
        places[source] = header.index(source) if count else None
    return places
