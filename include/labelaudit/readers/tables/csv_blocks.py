"""Whole blocks of sound records at once, where a cheap and exact test can rule all damage out.

The test looks at where quotes stand: numbered in order, a quote of even number must open a field (behind a delimiter, a
line's end or the start) or be the second of an escaped pair, one of odd number must close it or be the first of a pair.
That holds if and only if every record is sound as `csv_records` defines it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from labelaudit.readers.tables.csv_records import MAX_RECORD_LINES

QUOTE, NEWLINE, RETURN = 0x22, 0x0A, 0x0D
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Block:
    """Sound records as text columns (one a header's name, in its order), and where each record ends."""

    columns: list[pa.Array]
    content: bytes
    ends: np.ndarray
    newlines: np.ndarray

    @property
    def rows(self) -> int:
        return len(self.ends)

    @property
    def lines(self) -> int:
        """Physical lines in the block."""
        return int(self.newlines.size) + (not self.content.endswith(b"\n"))

    def line_numbers(self, first: int) -> np.ndarray:
        """The line on which each record begins, where the block begins on line `first`."""
        if self.lines == self.rows:
            return np.arange(first, first + self.rows)
        starts = np.concatenate([[0], self.ends[:-1] + 1])
        return first + np.searchsorted(self.newlines, starts)

    def text(self, row: int) -> str:
        start = self.ends[row - 1] + 1 if row else 0
        return self.content[start : self.ends[row] + 1].decode()


def parse(
    content: bytes, delimiter: str, quoted: bool, header: list[str], wanted: list[int], whole: bool
) -> Block | None:
    """The whole records of `content`, their columns `wanted` (one or more); None where any needs a closer look.

    `header` are the columns' names: a record like them is no row. Without `whole`, more follows, and the block ends
    with the last record that is surely whole.
    """
    width = len(header)
    octets = np.frombuffer(content, np.uint8)
    newlines = ends = np.flatnonzero(octets == NEWLINE)
    quotes = np.flatnonzero(octets == QUOTE) if quoted else newlines[:0]
    if quotes.size:
        ends = newlines[np.searchsorted(quotes, newlines) % 2 == 0]
    if whole and not content.endswith(b"\n"):
        ends = np.append(ends, len(content) - 1)
    if not ends.size or (np.diff(newlines, prepend=-1) == 1).any():  # a blank line, perhaps within quotes
        return None
    if not whole:  # the last record waits for what comes behind it
        held = content[ends[-2] + 1 : ends[-1]].partition(b"\n")[0] if ends.size > 1 else b""  # all of it, if unsound
        ends = ends[:-1]
        if not ends.size or (width > 1 and delimiter.encode() not in held):  # may be a part of the record before it
            return None
        content, octets = content[: ends[-1] + 1], octets[: ends[-1] + 1]
        newlines, quotes = newlines[: np.searchsorted(newlines, ends[-1], "right")], quotes[quotes < ends[-1]]
    if b"\0" in content or content.startswith(BOM) or not _is_utf8(content):
        return None
    returns = content.count(b"\r")
    if returns and (returns != content.count(b"\r\n") or content.startswith(b"\r\n") or b"\n\r\n" in content):
        return None
    if quotes.size and not _sound(octets, quotes, ord(delimiter)):
        return None
    inside = ends.size < newlines.size
    if inside and np.diff(np.searchsorted(newlines, ends), prepend=-1).max() > MAX_RECORD_LINES:
        return None
    names = [str(place) for place in range(width)]
    try:
        table = pa.csv.read_csv(
            pa.py_buffer(content),
            read_options=pa.csv.ReadOptions(column_names=names, block_size=len(content) + 1),
            parse_options=pa.csv.ParseOptions(
                delimiter=delimiter, quote_char='"' if quoted else False, newlines_in_values=inside
            ),
            convert_options=pa.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                include_columns=[names[place] for place in wanted],
                strings_can_be_null=False,
                check_utf8=False,
            ),
        )
    except pa.ArrowInvalid:
        return None
    if table.num_rows != len(ends) or _may_hold(table, [header[place] for place in wanted]):
        return None
    return Block([column.combine_chunks() for column in table.itercolumns()], content, ends, newlines)


def _may_hold(table: pa.Table, header: list[str]) -> bool:
    """Whether a row may be the header again, by the columns that are there; a mark of byte order may stand before."""
    names = pa.array([header[0], "\ufeff" + header[0]])
    alike = pc.is_in(table.column(0), names)
    if not pc.any(alike).as_py():
        return False
    rows = table.filter(alike)
    same = [pc.equal(column, name) for column, name in zip(rows.itercolumns(), header, strict=True)]
    return pc.any(reduce(pc.and_, same[1:], pc.is_in(rows.column(0), names))).as_py()


def _sound(octets: np.ndarray, quotes: np.ndarray, delimiter: int) -> bool:
    if quotes.size % 2:
        return False
    opening, closing = quotes[0::2], quotes[1::2]
    before = octets[np.maximum(opening - 1, 0)]
    opens = (before == delimiter) | (before == NEWLINE) | (opening == 0)
    opens[1:] |= opening[1:] == closing[:-1] + 1
    after = octets[np.minimum(closing + 1, len(octets) - 1)]
    closes = (after == delimiter) | (after == NEWLINE) | (after == RETURN) | (closing == len(octets) - 1)
    closes[:-1] |= opening[1:] == closing[:-1] + 1
    return bool(opens.all() and closes.all())


def _is_utf8(content: bytes) -> bool:
    if content.isascii():
        return True
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True
