"""Which module reads which format. Modules are imported when their format is read: a worker starts in a moment."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from importlib import import_module
from itertools import islice
from pathlib import Path

from labelaudit.readers.opening import unpacked
from labelaudit.readers.records import Batch, Reject, Row, Terms

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


def read_here(path: Path, terms: Terms) -> Iterator[Batch]:
    """As `readers.read`, in this process: for the worker, and for tests of one reader."""
    with tempfile.TemporaryDirectory(prefix="labelaudit-") as folder:
        for plain, inner in unpacked(path, terms, Path(folder)):
            yield from _module(inner).read(plain, inner)


def rows_here(path: Path, terms: Terms, limit: int | None = None) -> Iterator[Row | Reject]:
    """As `readers.rows`, in this process."""
    with tempfile.TemporaryDirectory(prefix="labelaudit-") as folder:
        files = unpacked(path, terms, Path(folder))
        yield from islice((row for plain, inner in files for row in _module(inner).rows(plain, inner)), limit)


def _module(terms: Terms):
    return import_module(f"labelaudit.readers.{_MODULES.get(terms.format, _NESTED)}")
