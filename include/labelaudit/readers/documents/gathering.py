"""Rows of named cells, gathered into batches: what all JSON formats end in."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable
from typing import Any

from labelaudit.readers.conversion import to_batch
from labelaudit.readers.documents.noting import count_paths
from labelaudit.readers.records import BATCH_ROWS, Batch
from labelaudit.readers.terms import Terms
from labelaudit.readers.texts.invisible import misnamed, twins_of
from labelaudit.rejects.records import TEXT_CHARACTERS, Reject


class Gathering:
    """Collects rows and rejects; `batch` gives them typed, in the order of their lines, and begins anew."""

    def __init__(self, terms: Terms, placed: bool):
        self._terms, self._placed = terms, placed
        self._sources = [field.source for field in terms.fields] + list(terms.probabilities)
        self._required = {field.source for field in terms.fields if field.required} | set(terms.probabilities)
        self._seen: set[str] = set()
        self._twins: dict[str, str] = {}
        self._clear()

    def _clear(self) -> None:
        self._rows: list[dict[str, Any]] = []
        self._lines: list[int] = []
        self._places: list[str] = []
        self._texts: list[str | bytes] = []
        self._rejects: list[Reject] = []
        self._untaken: Counter[str] = Counter()
        self.records = 0

    @property
    def full(self) -> bool:
        return len(self._rows) + len(self._rejects) >= BATCH_ROWS

    @property
    def empty(self) -> bool:
        return not self._rows and not self._rejects

    def row(self, cells: dict[str, Any], line: int, text: str | bytes, place: str = "") -> None:
        if not cells.keys() <= self._seen:
            self._seen |= cells.keys()
            self._twins |= twins_of(self._sources, cells)
        for name, source in self._twins.items():
            if name in cells and source not in cells:
                self.reject(line, source, "invisible_character", f"the key {misnamed(source, name)}", text, place)
                return
        if not self._required <= cells.keys():
            missing = next(source for source in self._sources if source in self._required - cells.keys())
            near = difflib.get_close_matches(missing, [*map(str, cells)], n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            has = ", ".join(repr(key[:40]) for key in list(cells)[:12])
            self.reject(line, missing, "missing_key", f"no key {missing!r}; there are {has}{hint}", text, place)
            return
        self._rows.append(cells)
        self._lines.append(line)
        self._texts.append(text)
        if self._placed:
            self._places.append(place)

    def reject(self, line: int, column: str | None, code: str, reason: str, text: str | bytes, place: str = "") -> None:
        self._rejects.append(Reject(self._terms.name, line, column, code, reason[:500], shown_text(text), place))

    def leave(self, paths: Iterable[str]) -> None:
        """Count what of a record no column has."""
        count_paths(self._untaken, paths)

    def batch(self) -> Batch:
        columns = {source: [row.get(source) for row in self._rows] for source in self._sources}
        places = self._places if self._placed else None
        texts = self._texts
        made = to_batch(self._terms, columns, self._lines, lambda row: shown_text(texts[row]), True, places)
        made.rejects = sorted([*made.rejects, *self._rejects], key=lambda reject: reject.line)
        made.records = self.records
        made.undeclared = frozenset(self._seen - set(self._sources))
        made.untaken = dict(self._untaken)
        self._clear()
        return made


def shown_text(text: str | bytes) -> str:
    """A record's text as it can be stored, whatever it held; cut at TEXT_CHARACTERS."""
    if isinstance(text, bytes):
        text = text[: 4 * TEXT_CHARACTERS].decode("utf-8", "backslashreplace")
    return text[:TEXT_CHARACTERS].encode("utf-8", "backslashreplace").decode().rstrip("\r\n")
