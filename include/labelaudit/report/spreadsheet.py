"""CSV that is safe to open in a spreadsheet program."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def safe_cell(value: Any) -> Any:
    """Text that a spreadsheet would take for a formula gets an apostrophe before it (OWASP, "CSV injection").

    Numbers stay as they are.

    >>> safe_cell("=HYPERLINK(1)"), safe_cell(-1.5)
    ("'=HYPERLINK(1)", -1.5)
    """
    if isinstance(value, str) and value.lstrip(" \u00a0").startswith(_STARTS):
        return "'" + value
    return value


def safe_csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """UTF-8 with a byte order mark (Excel guesses wrong without), every text quoted."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows([safe_cell(value) for value in row] for row in rows)
    return b"\xef\xbb\xbf" + text.getvalue().encode()
