"""CSV that is safe to open in a spreadsheet program, whatever it takes for the separator of a list."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Any

BOM = b"\xef\xbb\xbf"
"""Excel guesses the encoding wrong without it."""
_FORMULA = "=+@\\-\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b"  # also as wide and small characters
_UNSEEN = (
    "[\"'\\x00-\\x08\\x0b\\x0c\\x0e-\\x20\\x7f-\\xa0\u1680\u2000-\u200f\u2028\u2029\u202f\u205f\u2060\u3000\ufeff]"
)
_BEGINS = f"{_UNSEEN}*[{_FORMULA}]"
_START = re.compile(f"\\A(?=[\t\r\n]|{_BEGINS})")
_LATER = re.compile(f"(?<=[;|\t\r\n])(?={_BEGINS})")


def safe_cell(value: Any) -> Any:
    """Text that a spreadsheet would take for a formula gets an apostrophe before it (OWASP, "CSV injection").

    So does what comes after a `;`, a tab, a bar or the end of a line within it: where that is the separator of lists
    (Excel in most of Europe), the line is cut there, quotes or not, for they begin in the middle of a field. A comma
    needs none: read with commas the quotes are kept. No two texts become the same. Numbers stay as they are.

    >>> safe_cell("=HYPERLINK(1)"), safe_cell("x;=1+1"), safe_cell("'=1"), safe_cell(-1.5)
    ("'=HYPERLINK(1)", "x;'=1+1", "''=1", -1.5)
    """
    return _LATER.sub("'", _START.sub("'", value)) if isinstance(value, str) else value


def safe_rows(rows: Iterable[Sequence[Any]]) -> bytes:
    """Lines of UTF-8, every text quoted."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    writer.writerows([safe_cell(value) for value in row] for row in rows)
    return text.getvalue().encode()


def read_rows(content: bytes) -> list[list[str]]:
    """The header and rows of a file of ours, cells as they stand there."""
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def written_again(rows: Sequence[Sequence[str]]) -> bytes:
    """A file of rows that `read_rows` gave: their cells are safe already, and not made so twice."""
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows(rows)
    return BOM + text.getvalue().encode()


def safe_csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """A whole file: a byte order mark, the header, and the rows."""
    return BOM + safe_rows([header]) + safe_rows(rows)
