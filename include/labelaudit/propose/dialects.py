"""How a delimited text seems to be written: delimiter, quotes, preamble, header, decimal comma.

A proposal for the person who writes a contract; deliveries are read by what the contract says, and nothing else.
Records are told apart by the readers' own grammar, so that what is counted here is what would be read.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from labelaudit.readers.tables.csv_records import Grammar, Record
from labelaudit.readers.terms import Terms

_ITEM = "item item_id id image image_id example_id task_id uid key name filename url"
_LABEL = "label class category answer annotation target given_label choice y"
_ANNOTATOR = "annotator annotator_id worker worker_id rater rater_id user user_id labeler labeller reviewer judge coder"
_ANNOTATOR += " who completed_by created_by email"
NAMES = {"item": _ITEM.split(), "label": _LABEL.split(), "annotator": _ANNOTATOR.split()}
"""What the columns of each role are usually called, the most usual name first."""

DELIMITERS = ",;\t|"
RECORDS, CHARACTERS = 200, 1 << 18
LEAST_SHARE, OPENED_SHARE = 0.6, 0.2
PREAMBLE_RECORDS = 50
_KNOWN = {name for names in NAMES.values() for name in names}
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")
_COMMA, _POINT = re.compile(r"[+-]?\d*,\d+"), re.compile(r"[+-]?\d*\.\d+")
_SAID = re.compile(r'"?sep=([,;\t|])"?\r?\n')  # a first line that is meant for Excel
_WHOLE, _THOUSANDS = re.compile(r"[+-]?\d+"), re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")


@dataclass(frozen=True)
class Written:
    """A delimiter, what of the contract's `dialect` is not as usual, remarks for a person, and the columns' names."""

    delimiter: str
    dialect: dict[str, Any]
    notes: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True)
class _Reading:
    """The first records as one grammar gives them: `share` of them have `width` fields."""

    terms: Terms
    records: list[Record]
    width: int
    share: float

    @property
    def rank(self) -> tuple[float, bool, bool, bool, int]:
        table, quoted = self.table(), self.terms.quote is not None
        # a field that a quote opens shows that quotes are meant, and one row that is damaged no other grammar
        opened = not quoted and any(cell.startswith('"') for cells in table for cell in cells)
        share = round(self.share - opened * OPENED_SHARE, 2)
        return share, not _wrapped(table), quoted, bool(table) and _is_header(table[0]), self.width

    def table(self) -> list[list[str]]:
        return [
            record.cells
            for record in self.records
            if len(record.cells) == self.width and not isinstance(record.cells, str)
        ]


def written(text: str, whole: bool) -> Written | None:
    """How `text` is delimited; None where no delimiter gives most records the same number of fields, two or more.

    `whole` says whether the text ends where the file does.
    """
    said = _SAID.match(text)
    text = text[said.end() :] if said else text
    part = text[:CHARACTERS]
    ways = [way for way in _ways(part) if said is None or way.delimiter == said[1]] or [Terms("", "csv")]
    readings = [_reading(part, terms, whole and len(part) == len(text)) for terms in ways]
    best = max(readings, key=lambda reading: reading.rank)  # the first of equals: the more usual way
    if best.width < 2 or best.share < LEAST_SHARE:
        return None
    dialect: dict[str, Any] = {}
    notes = []
    if best.terms.quote != '"':
        dialect["quote"] = best.terms.quote
    if best.terms.escape != "doubled":
        dialect["escape"] = best.terms.escape
        notes.append(
            '`escape`: quotes within fields seem to be written \\"; other backslashes stay, also of \\n and \\N'
        )
    first, table = _preamble(best, part) + bool(said), best.table()
    if first:
        dialect["skip_lines"] = first
        notes.append(f"`skip_lines`: {first} line(s) before the header seem to be a preamble")
    if _headless(table):
        dialect["header"] = [f"column_{number}" for number in range(1, best.width + 1)]
        notes.append("`header`: the file seems to have no header; name its columns, or take `header` out")
    names = tuple(dialect.get("header", table[0]))
    if "header" not in dialect:
        table = table[1:]
    if _has_decimal_commas(table):
        dialect["decimal"] = ","
    return Written(best.terms.delimiter, dialect, tuple(notes), names)


def _ways(text: str) -> Iterator[Terms]:
    """Every grammar that the text may be written in, the usual first."""
    quotes: list[str | None] = ['"', None] if '"' in text else ['"', "'"] if "'" in text else ['"']
    for delimiter in DELIMITERS:
        if delimiter not in text:
            continue
        for quote in quotes:
            plain = Terms("", "csv", delimiter=delimiter, quote=quote)
            yield plain
            if quote is not None and f"\\{quote}" in text:
                yield replace(plain, escape="backslash")
    yield Terms("", "csv")


def _reading(text: str, terms: Terms, whole: bool) -> _Reading:
    records = [record for record in islice(Grammar.of(terms).records(text, 1, whole), RECORDS) if record.text.strip()]
    widths = Counter(0 if isinstance(record.cells, str) else len(record.cells) for record in records)
    widths[0] -= widths[0]
    width, count = max(widths.items(), key=lambda entry: (entry[1] if entry[0] > 1 else 0, entry[0]), default=(0, 0))
    return _Reading(terms, records, width, count / max(1, len(records)))


def _wrapped(table: list[list[str]]) -> bool:
    """Whether a column's cells all stand in single quotes, as if those were the file's quotes."""
    return len(table) > 1 and any(
        all(len(cell) > 1 and cell[0] == cell[-1] == "'" for cell in cells) for cells in zip(*table[1:], strict=True)
    )


def _preamble(best: _Reading, text: str) -> int:
    """How many lines come before the header, where that is evident; 0 where there are none or it is not."""
    fits = [not isinstance(record.cells, str) and len(record.cells) == best.width for record in best.records]
    first = fits.index(True)
    after = fits[first:]
    if not 0 < first <= PREAMBLE_RECORDS or len(after) < 3 or sum(after) < 0.95 * len(after):
        return 0
    evident = _is_header(best.records[first].cells) and "\r" not in text.replace("\r\n", "")
    return best.records[first].line - 1 if evident else 0


def _is_header(cells: list[str] | str) -> bool:
    names = [cell.strip().lower() for cell in cells]
    if any(name in _KNOWN for name in names):
        return len(set(names)) == len(names)
    return len(set(names)) == len(names) and all(name and not _NUMBER.fullmatch(name) for name in names)


def _headless(table: list[list[str]]) -> bool:
    """Whether the first record looks like the ones that follow: it holds numbers, or values that come again."""
    first, rest = table[0], table[1:]
    if not rest or any(cell.strip().lower() in _KNOWN for cell in first):
        return False
    again = any(sum(row[place] == cell for row in rest) > 1 for place, cell in enumerate(first) if cell)
    return again or not _is_header(first)


def _has_decimal_commas(table: list[list[str]]) -> bool:
    """Whether some column's numbers are all written with a decimal comma, and none with a point."""
    evident = False
    for cells in zip(*table, strict=True):
        there = [cell for cell in cells if cell]
        if there and all(_POINT.fullmatch(cell) or _WHOLE.fullmatch(cell) for cell in there):
            if any(_POINT.fullmatch(cell) for cell in there):
                return False
        elif there and all(_COMMA.fullmatch(cell) or _WHOLE.fullmatch(cell) for cell in there):
            evident |= any(_COMMA.fullmatch(cell) and not _THOUSANDS.fullmatch(cell) for cell in there)
    return evident
