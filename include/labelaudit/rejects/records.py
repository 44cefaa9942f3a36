"""A row that can't be taken, and the table of them. Nothing heavy is imported here: the parser's process loads it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import pyarrow as pa

from labelaudit.rejects.words import advice

TEXT_CHARACTERS = 2_000


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
    rows = [asdict(reject) | {"advice": advice(reject.code)} for reject in rejects]
    return pa.Table.from_pylist(rows, schema=REJECT_SCHEMA)
