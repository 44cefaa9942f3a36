"""A sheet's rows, cell by cell, as the file stores them: what openpyxl would change on the way is read here.

A text may hold any character as _xHHHH_, and a literal _x0041_ is stored as _x005F_x0041_ (ECMA-376, ST_Xstring).
openpyxl leaves the first as it is, so that a line's end is published as _x000D_, and takes x005F_ out of any text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from typing import Any, BinaryIO

from openpyxl.cell.text import Text
from openpyxl.reader.excel import ExcelReader
from openpyxl.styles.numbers import BUILTIN_FORMATS, BUILTIN_FORMATS_MAX_SIZE
from openpyxl.workbook import Workbook
from openpyxl.worksheet._reader import WorkSheetParser
from openpyxl.xml.constants import SHARED_STRINGS, SHEET_MAIN_NS
from openpyxl.xml.functions import iterparse

from labelaudit.readers.cells import GAPS, Doubtful
from labelaudit.readers.opening import unreadable
from labelaudit.readers.terms import Terms

MOST_COLUMNS = 16_384
STRING = f"{{{SHEET_MAIN_NS}}}si"
ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")
DIGITS = re.compile(r"General|@|#|(#,##)?0(\.0+)?(_.)?(;.*)?", re.DOTALL)
"""Formats that show a whole number by its digits; others show 7 as 0007, 700 % or IMG-7."""


@dataclass(frozen=True)
class Cell:
    """A cell: its value, `f` for a formula, `e` for an error, and the format of a number."""

    value: Any = None
    data_type: str = "n"
    format: str = "General"

    @property
    def known(self) -> Any:
        """The value as conversion knows it: a day is its midnight; what is no moment is text for the reject.

        A whole number that is written 7.0, as some tools do, is 7: a sheet has but one kind of number.
        """
        value = self.value
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool):
            if abs(value) >= GAPS:
                return Doubtful(value, "of which a sheet keeps no more than 15 digits")
            return value if DIGITS.fullmatch(self.format) else Doubtful(value, f"shown in the format {self.format!r}")
        if isinstance(value, date) and not isinstance(value, datetime):
            return datetime(value.year, value.month, value.day)
        return str(value) if isinstance(value, time | timedelta) else value


class _Reader(ExcelReader):
    def read_strings(self) -> None:
        """Shared strings as they are stored; rich text without its looks."""
        part = self.package.find(SHARED_STRINGS)
        if part is None:
            return
        with self.archive.open(part.PartName[1:]) as source:
            for _, node in iterparse(source):
                if node.tag == STRING:
                    self.shared_strings.append(Text.from_tree(node).content)
                    node.clear()


def workbook(file: BinaryIO) -> Workbook:
    """A workbook to be read sheet by sheet; formulas are kept as such."""
    reader = _Reader(file, read_only=True, data_only=False, keep_links=False)
    reader.read()
    return reader.wb


def lines_of(sheet: Any, terms: Terms) -> Iterator[tuple[int, list[Cell]]]:
    """The rows that the sheet has, with their numbers. openpyxl's own iteration drops what is out of order."""
    book, last = sheet.parent, 0
    formats = [_format(book, style.numFmtId) for style in book._cell_styles]
    with sheet._get_source() as source:
        parser = WorkSheetParser(
            source,
            sheet._shared_strings,
            epoch=book.epoch,
            date_formats=book._date_formats,
            timedelta_formats=book._timedelta_formats,
        )
        for number, row_cells in parser.parse():
            columns = [cell["column"] for cell in row_cells]
            ordered = all(left < right for left, right in pairwise([0, *columns]))
            if number <= last or not ordered or any(cell["row"] != number for cell in row_cells):
                raise unreadable(
                    terms, f"{place_of(sheet, number)}: a row or a cell is there twice or out of order. Save it again"
                )
            if columns and columns[-1] > MOST_COLUMNS:
                raise unreadable(terms, f"{place_of(sheet, number)}: more than {MOST_COLUMNS} columns. Save it again")
            last, cells = number, [Cell()] * (columns[-1] if columns else 0)
            for cell in row_cells:
                value = cell["value"]
                value = unescaped(value) if isinstance(value, str) else value
                cells[cell["column"] - 1] = Cell(value, cell["data_type"], formats[cell["style_id"]] if formats else "")
            yield number, cells


def unescaped(text: str) -> str:
    """The text that a file's string stands for; halves of one character, each escaped, are put together."""
    if "_x" not in text:
        return text
    unescaped = ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)
    return unescaped.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def _format(book: Workbook, number: int) -> str:
    if number < BUILTIN_FORMATS_MAX_SIZE:
        return BUILTIN_FORMATS.get(number, "General")
    return book._number_formats[number - BUILTIN_FORMATS_MAX_SIZE]


def place_of(sheet: Any, number: int) -> str:
    """Where a row is, for messages."""
    return f"sheet {sheet.title[:60]!r}, row {number}"
