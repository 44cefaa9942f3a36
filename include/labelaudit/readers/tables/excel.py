"""Excel workbooks (.xlsx): one sheet, a header in its first row that is not empty, cells as they are stored.

Rows above the header (a title) must be declared: `skip_lines`.

A formula is no value, nor is an error; merged cells hold theirs only once. A whole number in a column of text is its
digits, where it is shown so; else, as a fraction or a date there, it is a reject: how it is shown is not what it is.
"""

from __future__ import annotations

import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from itertools import islice
from typing import Any
from xml.etree.ElementTree import ParseError

from openpyxl.utils.exceptions import InvalidFileException

from labelaudit.errors import DeliveryRejected
from labelaudit.readers.documents.gathering import Gathering
from labelaudit.readers.opening import FREE_BYTES, MAX_RATIO, opened, unreadable
from labelaudit.readers.records import Batch, Row, places
from labelaudit.readers.sources import Source
from labelaudit.readers.tables.excel_cells import Cell, lines_of, place_of, workbook
from labelaudit.readers.terms import Terms
from labelaudit.rejects.records import TEXT_CHARACTERS, Reject

BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    InvalidFileException,
    ParseError,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    IndexError,
    OSError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    SyntaxError,
    ArithmeticError,
    AssertionError,
    struct.error,
)
OLE = b"\xd0\xcf\x11\xe0"
PROLOG_BYTES = 64 << 10
HEADER_ROWS = 50
"""A header is looked for no further below, to tell where it is."""

MERGED = re.compile(rb"<(?:\w+:)?mergeCell\s+ref\s*=\s*[\"']\$?([A-Z]+)\$?([0-9]+):\$?([A-Z]+)\$?([0-9]+)[\"']")


def read(path: Source, terms: Terms) -> Iterator[Batch]:
    with _sheet(path, terms) as sheet:
        header, lines = _header(sheet, terms)
        _require_columns(header, lines, terms)
        gathered = Gathering(terms, placed=True)
        for number, cells in lines:
            gathered.records += 1
            place, text = place_of(sheet, number), _text(cells)
            if problem := _problem(cells, header):
                column, code, reason = problem
                gathered.reject(number, column, code, reason, text, place)
            else:
                gathered.row(dict(zip(header, _values(cells, header), strict=True)), number, text, place)
            if gathered.full:
                yield gathered.batch()
        if not gathered.empty:
            yield gathered.batch()


def rows(path: Source, terms: Terms) -> Iterator[Row | Reject]:
    with _sheet(path, terms) as sheet:
        header, lines = _header(sheet, terms)
        if len(set(header)) < len(header):
            raise unreadable(terms, f"{place_of(sheet, 1)}: the header names a column twice. Rename it")
        for number, cells in lines:
            place, text = place_of(sheet, number), _text(cells)
            if problem := _problem(cells, header):
                column, code, reason = problem
                yield Reject(terms.name, number, column, code, reason, text, place)
            else:
                yield Row(dict(zip(header, _values(cells, header), strict=True)), number, place, text)


@contextmanager
def _sheet(path: Source, terms: Terms) -> Iterator[Any]:
    """The sheet of the contract. Raises DeliveryRejected where the workbook can't be read."""
    with opened(path, terms) as file:
        if file.read(4) == OLE:
            raise unreadable(terms, "it is an old .xls, or has a password. Save it as .xlsx without a password")
    _look_inside(path, terms)
    with warnings.catch_warnings(), ExitStack() as stack:
        warnings.simplefilter("ignore")  # of what is not read: styles, validations
        try:
            file = stack.enter_context(path.open("rb"))  # by its name, openpyxl would look at the suffix
            book = workbook(file)
            names = book.sheetnames
            if terms.sheet is None and len(names) != 1:
                shown = ", ".join(repr(name[:40]) for name in names[:20])
                raise unreadable(
                    terms, f"it has {len(names)} sheets ({shown}). Deliver one, or name it in the contract"
                )
            if terms.sheet is not None and terms.sheet not in names:
                shown = ", ".join(repr(name[:40]) for name in names[:20])
                raise unreadable(terms, f"it has no sheet {terms.sheet!r}, but {shown}. Rename it")
            sheet = book[names[0] if terms.sheet is None else terms.sheet]
            if not hasattr(sheet, "iter_rows"):
                raise unreadable(terms, f"the sheet {sheet.title[:40]!r} is a chart. Deliver a table")
            _refuse_merged(path, sheet, terms)  # a title may be
            yield sheet
            book.close()
        except BROKEN as error:
            said = f"{type(error).__name__}: {error}"[:200]
            raise unreadable(terms, f"the workbook can't be read to its end ({said}). Save it again") from error


def _look_inside(path: Source, terms: Terms) -> None:
    """Refuse bombs, before any XML is parsed: of size, and of entities."""
    limit = max(FREE_BYTES, MAX_RATIO * path.stat().st_size)
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            if sum(info.file_size for info in archive.infolist()) > limit:
                raise unreadable(terms, f"it unpacks to more than {limit >> 20} MiB. Deliver it as CSV", "too_large")
            if "[Content_Types].xml" not in archive.namelist():
                raise unreadable(terms, "it is a zip archive, but no workbook. Save it as .xlsx")
            for info in archive.infolist():
                if info.filename.endswith((".xml", ".rels")):
                    with archive.open(info) as part:
                        if b"<!DOCTYPE" in part.read(PROLOG_BYTES):
                            raise unreadable(terms, f"{info.filename[:80]!r} declares entities. Save it again")
    except BROKEN as error:
        raise unreadable(terms, f"it is no workbook ({type(error).__name__}: {error}). Save it as .xlsx") from error


def _refuse_merged(path: Source, sheet: Any, terms: Terms) -> None:
    name = sheet._worksheet_path.lstrip("/")
    with path.open("rb") as file, zipfile.ZipFile(file) as archive, archive.open(name) as content:
        tail = b""
        while block := content.read(1 << 20):
            for merged in MERGED.finditer(tail + block):
                if int(merged[4]) > max(1, terms.skip_lines):
                    cells = f"{merged[1].decode()}{merged[2].decode()}:{merged[3].decode()}{merged[4].decode()}"
                    raise unreadable(
                        terms,
                        f"{place_of(sheet, int(merged[2]))}: the cells {cells} are merged, so that only the first has a"
                        " value. Unmerge them, and fill in each",
                    )
            tail = block[-100:]


def _header(sheet: Any, terms: Terms) -> tuple[list[str], Iterator[tuple[int, list[Any]]]]:
    """The columns' names, and the rows behind them that are not empty, with their numbers."""
    below = ((number, cells) for number, cells in lines_of(sheet, terms) if number > terms.skip_lines)
    full = ((number, cells) for number, cells in below if any(cell.value is not None for cell in cells))
    number, cells = next(full, (0, []))
    if not cells:
        raise unreadable(
            terms, f"the sheet {sheet.title[:40]!r} is empty, or Strict Open XML. Save it as a plain .xlsx"
        )
    while cells and cells[-1].value is None:
        cells.pop()
    bad = next((cell for cell in cells if cell.data_type in ("f", "e") or isinstance(cell.value, datetime)), None)
    if bad is not None:
        raise unreadable(
            terms, f"{place_of(sheet, number)}: the header holds {str(bad.value)[:60]!r}, not a name. Write names"
        )
    return ["" if cell.value is None else str(cell.value) for cell in cells], full


def _require_columns(header: list[str], lines: Iterator[tuple[int, list[Any]]], terms: Terms) -> None:
    """Raises DeliveryRejected where a column is missing; with the row that has all of them, if one does."""
    try:
        places(terms, header)
    except DeliveryRejected as error:
        wanted = {field.source for field in terms.fields if field.required} | set(terms.probabilities)
        for number, cells in islice(lines, HEADER_ROWS):
            if wanted <= {str(cell.value) for cell in cells}:
                hint = f"Row {number} has them: with `dialect: {{skip_lines: {number - 1}}}` it is the header."
                raise DeliveryRejected(error.code, f"{error} {hint}") from error
        raise


def _problem(cells: list[Cell], header: list[str]) -> tuple[str | None, str, str] | None:
    for place, cell in enumerate(cells):
        if cell.value is None:
            continue
        if place >= len(header):
            title = "; is that a title? The contract's `dialect.skip_lines` says how many rows are above the header"
            seems = f" ({header[0][:60]!r}){title}" if len(header) == 1 else ""
            return None, "wrong_width", f"a value in column {place + 1}, the header has {len(header)}{seems}"
        if cell.data_type == "f":
            return (
                header[place],
                "formula",
                f"`{header[place]}` is the formula {str(getattr(cell.value, 'text', cell.value))[:60]!r}, not a value",
            )
        if cell.data_type == "e":
            return header[place], "error_value", f"`{header[place]}` is the error {str(cell.value)[:20]}"
    if ["" if cell.value is None else str(cell.value) for cell in cells[: len(header)]] == header:
        return None, "repeated_header", "the header again"
    return None


def _values(cells: list[Cell], header: list[str]) -> list[Any]:
    known = [cell.known for cell in cells[: len(header)]]
    return known + [None] * (len(header) - len(known))


def _text(cells: list[Cell]) -> str:
    return " | ".join("" if cell.value is None else str(cell.value) for cell in cells)[:TEXT_CHARACTERS]
