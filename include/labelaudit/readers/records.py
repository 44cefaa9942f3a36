"""What every reader is asked and gives: plain values, since a reader runs in a process of its own.

A reader is a module with two functions:

* `read(path, terms) -> Iterator[Batch]`: the rows in canonical types, and the rejects;
* `rows(path, terms) -> Iterator[Row | Reject]`: the same rows as the file has them, for `labelaudit new`.

A row that can't be read is a Reject; a file that can't be read at all, or not to its end, is DeliveryRejected.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa

from labelaudit.advice import advice
from labelaudit.errors import DeliveryRejected
from labelaudit.readers.invisible import misnamed, twins_of

BATCH_ROWS = 16_384
TEXT_CHARACTERS = 2_000
MAX_RECORD_BYTES = 16 << 20
"""A longer line, record or cell is no label: it is refused, and never held in memory."""

PROBABILITIES = "pred_probs"


@dataclass(frozen=True)
class Field:
    """One canonical column, and what the file calls it.

    `is_label`: true, false and numbers are labels, too, and taken as text.
    """

    name: str
    source: str
    type: str = "string"
    required: bool = True
    nullable: bool = False
    length: int | None = None
    decimal: str = "."
    is_label: bool = False
    trim: bool = False


@dataclass(frozen=True)
class Terms:
    """How a file is to be read. `name` is what messages call it; `probabilities` are K source columns, one vector.

    `container` is what nested records lie in: jsonl, json, parquet, arrow. `header` are the columns' names where the
    file has none; `raters` those that hold one rater's labels each (`wide`). The rest is as in `delivery_terms.Vendor`
    and `Dialect`.
    """

    name: str
    format: str
    fields: tuple[Field, ...] = ()
    probabilities: tuple[str, ...] = ()
    compression: str = "none"
    encoding: str = "utf-8"
    container: str = ""
    question: str | None = None
    sheet: str | None = None
    delimiter: str = ","
    quote: str | None = '"'
    escape: str = "doubled"
    skip_lines: int = 0
    header: tuple[str, ...] = ()
    decimal: str = "."
    raters: tuple[str, ...] = ()


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


@dataclass(frozen=True)
class Reject:
    """A row that can't be taken: where it is, why (what was found, what was expected), and its text.

    `text` is cut at TEXT_CHARACTERS.
    """

    file: str
    line: int
    column: str | None
    code: str
    reason: str
    text: str
    place: str = ""


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


REJECT_SCHEMA = pa.schema(
    [
        ("file", pa.string()),
        ("line", pa.int64()),
        ("place", pa.string()),
        ("column", pa.string()),
        ("code", pa.string()),
        ("reason", pa.string()),
        ("advice", pa.string()),
        ("text", pa.string()),
    ]
)


def rejects_table(rejects: Iterable[Reject]) -> pa.Table:
    """Rejects as a table, each with what to do about it."""
    rows = [asdict(one) | {"advice": advice(one.code)} for one in rejects]
    return pa.Table.from_pylist(rows, schema=REJECT_SCHEMA)


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
    columns = [(one.name, ARROW_TYPES[one.type]) for one in terms.fields]
    if terms.probabilities:
        columns.append((PROBABILITIES, pa.list_(pa.float32())))
    return pa.schema([*columns, ("file", pa.string()), ("line", pa.int64()), ("place", pa.string())])


def places(terms: Terms, header: Sequence[str]) -> dict[str, int | None]:
    """Where each source column of the terms stands in `header`; None for an optional one that is not there.

    Raises DeliveryRejected(missing_column) with the nearest name where a required one is missing or there twice, or
    any seems to be there and is written with what nobody sees.
    """
    found: dict[str, int | None] = {}
    wanted = [(one.source, one.required) for one in terms.fields] + [(name, True) for name in terms.probabilities]
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
        found[source] = header.index(source) if count else None
    return found
