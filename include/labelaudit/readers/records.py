"""What every reader is asked and gives: plain values, so that a reader can run in a process of its own.

A reader is `read(path, terms) -> Iterator[Batch]`. A row that can't be read is a Reject of its batch; a file that can't
be read at all, or not to its end, is DeliveryRejected.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from labelaudit.errors import DeliveryRejected

BATCH_ROWS = 16_384
TEXT_CHARACTERS = 2_000
PROBABILITIES = "pred_probs"


@dataclass(frozen=True)
class Field:
    """One canonical column, and what the file calls it."""

    name: str
    source: str
    type: str = "string"
    required: bool = True
    nullable: bool = False
    length: int | None = None


@dataclass(frozen=True)
class Terms:
    """How a file is to be read. `name` is what messages call it; `probabilities` are K source columns, one vector."""

    name: str
    format: str
    fields: tuple[Field, ...]
    probabilities: tuple[str, ...] = ()
    compression: str = "none"
    encoding: str = "utf-8"
    delimiter: str = ","


@dataclass(frozen=True)
class Reject:
    """A row that can't be taken: where it is, why, and its text (cut at TEXT_CHARACTERS)."""

    file: str
    line: int
    column: str | None
    code: str
    reason: str
    text: str


@dataclass
class Batch:
    """Rows in canonical types with `file` and `line`, and the rejects found among them."""

    rows: pa.Table
    rejects: list[Reject] = field(default_factory=list)


REJECT_SCHEMA = pa.schema(
    [
        ("file", pa.string()),
        ("line", pa.int64()),
        ("column", pa.string()),
        ("code", pa.string()),
        ("reason", pa.string()),
        ("text", pa.string()),
    ]
)

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
    return pa.schema([*columns, ("file", pa.string()), ("line", pa.int64())])


def places(terms: Terms, header: Sequence[str]) -> dict[str, int | None]:
    """Where each source column of the terms stands in `header`; None for an optional one that is not there.

    Raises DeliveryRejected(missing_column) with the nearest name where a required one is missing or there twice.
    """
    found: dict[str, int | None] = {}
    wanted = [(one.source, one.required) for one in terms.fields] + [(name, True) for name in terms.probabilities]
    for source, required in wanted:
        count = header.count(source)
        if count > 1:
            raise DeliveryRejected(
                "missing_column", f"{terms.name}: the header has the column {source!r} {count} times"
            )
        if count == 0 and required:
            near = difflib.get_close_matches(source, header, n=1)
            hint = f"; did you mean {source!r} where it says {near[0]!r}?" if near else ""
            shown = ", ".join(repr(name[:60]) for name in header[:30])
            raise DeliveryRejected(
                "missing_column",
                f"{terms.name}: no column {source!r}; the file has {shown}{hint} Rename it, or change the contract's"
                " column mapping.",
            )
        found[source] = header.index(source) if count else None
    return found
