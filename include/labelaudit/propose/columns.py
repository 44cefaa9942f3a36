"""Which columns of a sample a contract declares, and as what: by the readers' own conversion, tried on the values.

Of a table, every column that has a type and a value. Of a tool's export, whose records hold dozens of keys for its own
bookkeeping: what the readers give a canonical name (seconds, timestamp, gold, confidence, …), what was labelled
(`TEXTS` of `prediction_sources`, numbers of a region's place), and every other text of several words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from labelaudit.contracts.formats import EXPORTS
from labelaudit.contracts.model import RESERVED
from labelaudit.propose.recognising import Recognised
from labelaudit.readers.conversion import to_batch
from labelaudit.readers.terms import Field, Terms

FEW = 200
PROSE_WORDS = 4
TEXT_FORMATS = ("csv", "tsv")
MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*")
LONG = re.compile(r"[+-]?\d{19,}")
PADDED = re.compile(r"[+-]?0\d.*")
CANONICAL = {
    "document": "string",
    "question": "string",
    "guideline": "string",
    "tool": "string",
    "seconds": "number",
    "timestamp": "timestamp",
    "gold": "boolean",
    "confidence": "number",
}
"""What readers of exports call by one name, whatever the tool: always of the same type, and never sure to be there."""
LABELLED = ("span", "text", "data.text", "source", "data", "prompt", "completion", "criterion")
LABELLED += ("response_a", "response_b")
PLACES = ("x", "y", "left", "top", "width", "height", "area", "start", "end")


@dataclass(frozen=True)
class SampleColumn:
    """A column as the contract declares it, what the file calls it, and whether it holds text of several words."""

    source: str
    declared: dict[str, Any]
    is_prose: bool = False

    @property
    def type(self) -> str:
        return self.declared.get("type", "string")


Columns = dict[str, SampleColumn]


def columns_of(
    rows: Sequence[dict[str, Any]], header: Sequence[str], roles: dict[str, str], recognised: Recognised, left: set[str]
) -> Columns:
    """The contract's columns by canonical name, the roles first; source columns in `left` are no columns."""
    columns = {role: SampleColumn(roles[role], {}) for role in ("item", "annotator", "label") if role in roles}
    tool = recognised.vendor["format"] in EXPORTS
    for source in header:
        if source in roles.values() or source in left or not source:
            continue
        cells = [row.get(source) for row in rows]
        if all(cell in (None, "") for cell in cells):
            continue
        if tool:
            made = _of_export(source, cells, [row.get("item") for row in rows], recognised.terms)
        else:
            made = _of_table(source, cells, all(source in row for row in rows), recognised.terms)
        if made is not None:
            columns[_canonical(source, columns)] = made
    return columns


def with_columns(vendor: dict[str, Any], columns: Columns) -> dict[str, Any]:
    """A vendor's terms, with what it calls the canonical columns where that differs."""
    mapping = {name: column.source for name, column in columns.items() if name != column.source}
    return vendor | ({"columns": mapping} if mapping else {})


def _of_table(source: str, cells: list[Any], always: bool, terms: Terms) -> SampleColumn | None:
    nullable = any(cell in (None, "") for cell in cells)
    fitting = _type_of(source, cells, terms)
    if fitting is None:
        return None
    declared = {"type": fitting.type} | ({"length": fitting.length} if fitting.length else {})
    declared |= {} if always else {"required": False}
    declared |= {"nullable": True} if nullable else {}
    return SampleColumn(source, declared, fitting.type == "string" and _is_prose(cells))


def _of_export(source: str, cells: list[Any], items: list[Any], terms: Terms) -> SampleColumn | None:
    optional = {"required": False, "nullable": True}
    if source in CANONICAL:
        field = Field(source, source, CANONICAL[source], nullable=True)
        same = source == "document" and cells == items
        return (
            None if same or not _fits(field, cells, terms) else SampleColumn(source, {"type": field.type, **optional})
        )
    if source in PLACES:
        field = Field(source, source, "number", nullable=True)
        always = all(cell is not None for cell in cells)
        declared = {"type": "number"} | ({} if always else optional)
        return SampleColumn(source, declared) if _fits(field, cells, terms) else None
    texts = _fits(Field(source, source, nullable=True), cells, terms)
    prose = texts and _is_prose(cells) and not str(next(filter(None, cells), "")).startswith(("[", "{"))
    if not prose and not (texts and source in LABELLED):
        return None
    always = all(cell not in (None, "") for cell in cells)
    return SampleColumn(source, {"type": "string"} | ({} if always else optional), prose)


def _type_of(source: str, cells: list[Any], terms: Terms) -> Field | None:
    """The narrowest type that all values have; None where there is none."""
    there = [cell for cell in cells if cell not in (None, "")]
    text = terms.format in TEXT_FORMATS
    padded = text and any(PADDED.fullmatch(cell) and not cell.startswith(("0.", "0,")) for cell in there)
    kinds = ["integer", "number", "boolean"]
    if padded or any(LONG.fullmatch(str(cell)) for cell in there if isinstance(cell, str | int)):
        kinds = []  # 007 is a name, and of forty digits a number would lose most
    if all(isinstance(cell, str) for cell in there):
        kinds += ["timestamp"] if all(MOMENT.fullmatch(cell) for cell in there) else []
    elif not any(isinstance(cell, str | int | float | list | dict) for cell in there):
        kinds += ["timestamp"]
    for kind in kinds:
        field = Field(source, source, kind, nullable=True)
        if _fits(field, cells, terms):
            return field
    if length := _length(there[0], text):
        field = Field(source, source, "vector", nullable=True, length=length)
        if _fits(field, cells, terms):
            return field
    field = Field(source, source, nullable=True)
    return field if _fits(field, cells, terms) else None


def _fits(field: Field, cells: list[Any], terms: Terms) -> bool:
    """Whether the readers take every cell as this type."""
    reading = Terms(terms.name, terms.format, (field,), decimal=terms.decimal)
    for some in (cells[:FEW], cells):
        numbers = range(1, len(some) + 1)
        if to_batch(reading, {field.source: some}, numbers, lambda row: "", terms.format not in TEXT_FORMATS).rejects:
            return False
    return True


def _length(value: Any, text: bool) -> int | None:
    if text and isinstance(value, str) and value.startswith("[") and value.endswith("]"):
        return value.count(",") + 1
    return len(value) if isinstance(value, list) else None


def _is_prose(cells: list[Any]) -> bool:
    texts = [str(cell or "") for cell in cells[:FEW]]
    return sum(len(text.split()) for text in texts) >= PROSE_WORDS * len(texts)


def _canonical(source: str, taken: Columns) -> str:
    """A name that contracts allow and no other column has."""
    name = re.sub(r"\W", "_", source, flags=re.ASCII)[:50] or "column"
    while name[0].isdigit() or name in taken or name in RESERVED:
        name = f"_{name}"
    return name
