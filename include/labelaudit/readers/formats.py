"""Which module reads which format. Modules are imported when their format is read: a worker starts in a moment."""

from __future__ import annotations

import codecs
import tempfile
import zoneinfo
from collections.abc import Iterator
from datetime import datetime
from importlib import import_module
from itertools import islice

from labelaudit.readers.opening import Scratch, unpacked
from labelaudit.readers.records import Batch, Row
from labelaudit.readers.sources import Source
from labelaudit.readers.tables import wide
from labelaudit.readers.terms import Terms
from labelaudit.rejects.records import Reject

_MODULES = {
    "csv": "tables.delimited",
    "tsv": "tables.delimited",
    "jsonl": "documents.json_lines",
    "json": "documents.json_documents",
    "parquet": "tables.parquet",
    "arrow": "tables.arrow",
    "excel": "tables.excel",
    "coco": "exports.coco",
}
_NESTED = "documents.nested"
"""Reads all other formats: records of tools and datasets, each by its own module of `exports`."""

_ENCODINGS = ("ascii", "latin-1", "cp437", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be")  # cp437: names in a zip
_ZONES: list[zoneinfo.ZoneInfo] = []  # zoneinfo finds again what somebody holds


def modules(terms: Terms) -> list[str]:
    """All modules that reading a file by these terms takes."""
    names = [_MODULES.get(terms.format, _NESTED)]
    if names == [_NESTED]:
        container = _MODULES.get(terms.container, "documents.json_lines")
        names += [container, f"exports.{terms.format}"]
    return [f"labelaudit.readers.{name}" for name in names]


def preload(terms: Terms) -> None:
    """Import and look up now what reading by these terms would ask for later: for a process that can open nothing."""
    import_module("numpy.ma")  # as pyarrow does for its first array of numpy's
    datetime.strptime("2026", "%Y")  # which imports _strptime
    for encoding in (terms.encoding, *_ENCODINGS):
        codecs.lookup(encoding)
    if {terms.format, terms.container} & {"parquet", "arrow"}:
        _ZONES.extend(zoneinfo.ZoneInfo(name) for name in zoneinfo.available_timezones())


def read_here(path: Source, terms: Terms, scratch: Scratch = tempfile.TemporaryFile) -> Iterator[Batch]:
    """As `readers.read`, in this process: for the worker, and for tests of one reader."""
    for plain, inner in unpacked(path, terms, scratch):
        reader = _module(inner).read
        yield from wide.read(plain, inner, reader) if inner.raters else reader(plain, inner)


def rows_here(
    path: Source, terms: Terms, limit: int | None = None, scratch: Scratch = tempfile.TemporaryFile
) -> Iterator[Row | Reject]:
    """As `readers.rows`, in this process."""
    files = unpacked(path, terms, scratch)
    yield from islice((row for plain, inner in files for row in _module(inner).rows(plain, inner)), limit)


def _module(terms: Terms):
    return import_module(modules(terms)[0])
