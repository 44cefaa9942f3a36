"""Which module reads which format. Modules are imported when their format is read: a worker starts in a moment."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from importlib import import_module
from itertools import islice

from labelaudit.readers import wide
from labelaudit.readers.opening import Scratch, unpacked
from labelaudit.readers.records import Batch, Reject, Row, Terms
from labelaudit.readers.sources import Source

_MODULES = {
    "csv": "delimited",
    "tsv": "delimited",
    "jsonl": "json_lines",
    "json": "json_documents",
    "parquet": "parquet",
    "arrow": "arrow",
    "excel": "excel",
    "coco": "exports.coco",
}
_NESTED = "nested"
"""Reads all other formats: records of tools and datasets, each by its own module of `exports`."""


def modules(terms: Terms) -> list[str]:
    """All modules that reading a file by these terms takes."""
    names = [_MODULES.get(terms.format, _NESTED)]
    if names == [_NESTED]:
        container = _MODULES.get(terms.container, "json_lines")
        names += [container, f"exports.{terms.format}"]
    return [f"labelaudit.readers.{name}" for name in names]


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
