"""Which module reads which format. Modules are imported when their format is read: a worker starts in a moment."""

from __future__ import annotations

import codecs
import sys
import tempfile
import zoneinfo
from collections.abc import Iterator
from datetime import datetime
from importlib import import_module
from importlib.util import find_spec
from itertools import islice

from labelaudit.contracts.formats import FORMATS, Format
from labelaudit.errors import InternalError
from labelaudit.readers.opening import Scratch, unpacked
from labelaudit.readers.records import Batch, Row
from labelaudit.readers.sources import Source
from labelaudit.readers.tables import wide
from labelaudit.readers.terms import Terms
from labelaudit.rejects.records import Reject

_NESTED = "documents.nested"
"""Reads records of tools and datasets, each by the `labels` of its own module."""

_ENCODINGS = ("ascii", "latin-1", "cp437", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be")  # cp437: names in a zip
_ZONES: list[zoneinfo.ZoneInfo] = []  # zoneinfo finds again what somebody holds


def modules(terms: Terms) -> list[str]:
    """All modules that reading a file by these terms takes. Raises InternalError where we have none of that name."""
    entry = _registered(terms.format)
    names = [entry.module]
    if entry.kind == "records":
        names = [_NESTED, _registered(terms.container or "jsonl").module, entry.module]
    paths = [f"labelaudit.readers.{name}" for name in names]
    if missing := [path for path in paths if path not in sys.modules and find_spec(path) is None]:
        raise InternalError(f"format {terms.format!r} of contracts/formats.py has no module {missing[0]}")
    return paths


def load(terms: Terms) -> None:
    """Import all that reading by these terms takes. Raises InternalError where a module does not do what it must."""
    wanted = "labels" if _registered(terms.format).kind == "records" else "read"
    loaded = [import_module(path) for path in modules(terms)]
    if not hasattr(loaded[-1], wanted):
        raise InternalError(f"{loaded[-1].__name__}, which reads format {terms.format!r}, has no `{wanted}`")


def _registered(name: str) -> Format:
    if name not in FORMATS:
        raise InternalError(f"there is no format {name!r} in contracts/formats.py")
    return FORMATS[name]


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
