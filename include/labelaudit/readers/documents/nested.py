"""Records of tools and datasets that hold labels somewhere within: each format's `exports` module says where.

A record is a line, an element of an array, or a row of Parquet or Arrow. It comes out as one row for each label, and
one reject for each part that can't be taken; a record without any label is a reject, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from labelaudit.contracts.formats import FORMATS
from labelaudit.readers.documents import json_documents, json_lines, noting
from labelaudit.readers.documents.gathering import Gathering, shown_text
from labelaudit.readers.documents.strict_json import BadJson
from labelaudit.readers.opening import SEEKING
from labelaudit.readers.records import Batch, Part, Row, Unfit
from labelaudit.readers.sources import Source
from labelaudit.readers.terms import Terms
from labelaudit.rejects.records import Reject

Labels = Callable[[Any, Terms], Iterator[Part | Unfit]]


@dataclass(frozen=True)
class Record:
    """One record: its value, or what is wrong with it; `place` is `$` for lines and rows, which `line` tells apart."""

    value: Any
    line: int
    place: str
    text: str | bytes
    problem: BadJson | None = None


def read(path: Source, terms: Terms) -> Iterator[Batch]:
    gathered, labels = Gathering(terms, placed=True), labels_of(terms)
    for record in records(path, terms):
        gathered.records += 1
        parts = Parts(record, labels, terms)
        for part in parts:
            place = record.place + part.path
            if isinstance(part, Unfit):
                gathered.reject(record.line, part.column, part.code, part.reason, record.text, place)
            else:
                gathered.row(part.cells, record.line, record.text, place)
        gathered.leave(parts.left_over())
        if gathered.full:
            yield gathered.batch()
    if not gathered.empty:
        yield gathered.batch()


def rows(path: Source, terms: Terms) -> Iterator[Row | Reject]:
    labels = labels_of(terms)
    for record in records(path, terms):
        text = shown_text(record.text)
        for part in Parts(record, labels, terms):
            place = record.place + part.path
            if isinstance(part, Unfit):
                yield Reject(terms.name, record.line, part.column, part.code, part.reason[:500], text, place)
            else:
                yield Row(part.cells, record.line, place, text)


def labels_of(terms: Terms) -> Labels:
    return import_module(f"labelaudit.readers.{FORMATS[terms.format].module}").labels


class Parts:
    """A record's labels and what is wrong with it, never nothing; and then, what of it was not taken."""

    def __init__(self, record: Record, labels: Labels, terms: Terms):
        self._record, self._labels, self._terms = record, labels, terms
        self._value: Any = None
        self._refused: set[str] = set()
        self._rows = 0

    def __iter__(self) -> Iterator[Part | Unfit]:
        for part in self._all():
            if isinstance(part, Unfit):
                self._refused.add(part.path)
            else:
                self._rows += 1
            yield part

    def left_over(self) -> list[str]:
        """Paths of what neither a row nor a reject has; a record that gives no row is a reject as a whole."""
        return noting.left_over(self._value, self._refused) if self._rows else []

    def _all(self) -> Iterator[Part | Unfit]:
        record = self._record
        if record.problem:
            yield Unfit("", None, record.problem.code, record.problem.reason)
            return
        rows = 0
        try:
            self._value = noting.noted(record.value)
            for part in self._labels(self._value, self._terms):
                rows += 1
                yield part
        except Exception as error:  # no export may be so strange that its record is lost
            reason = f"not as {self._terms.format} exports it ({type(error).__name__}: {error})"
            yield Unfit("", None, "wrong_nesting", reason)
            return
        if not rows:
            yield Unfit("", None, "unlabelled", "the record holds no label")


def records(path: Source, terms: Terms) -> Iterator[Record]:
    if terms.container == "json":
        for element in json_documents.elements(path, terms):
            yield Record(element.value, element.line, element.place, element.text, element.problem)
    elif terms.container in SEEKING:
        rows_of = import_module(f"labelaudit.readers.{FORMATS[terms.container].module}").rows
        for row in rows_of(path, terms):
            if isinstance(row, Reject):
                yield Record(None, row.line, row.place, row.text, BadJson(row.code, row.reason))
            else:
                yield Record(row.cells, row.line, row.place, row.text)
    else:
        for number, line, value in json_lines.values(path, terms):
            problem = value if isinstance(value, BadJson) else None
            yield Record(None if problem else value, number, "$", line, problem)
