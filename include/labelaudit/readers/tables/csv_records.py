"""What a record of a delimited file is: the strict definition, line by line, for any dialect.

A good record has fields that are quoted whole or not at all (RFC 4180). A bad one is *one line* long, and reading goes
on behind it: a quote that is never closed swallows nothing.

With `escape: backslash`, a backslash before the quote or another backslash stands for that character, and outside
quotes before the delimiter, too. Before anything else it is a backslash: C:\\new, img\\001, a database's \\N. At the
end of a line, outside quotes, it may be either, and the line is bad.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from labelaudit.readers.records import MAX_RECORD_BYTES
from labelaudit.readers.terms import Terms

MAX_RECORD_LINES = 1_000
LOOSE_BACKSLASH = "a backslash at the line's end: is the line's end escaped, or the backslash meant? Write \\\\ for one"
csv.field_size_limit(MAX_RECORD_BYTES)


@dataclass(frozen=True)
class Record:
    """One record: its first line's number from 1, its fields (or what is wrong with it), its text with line ends."""

    line: int
    cells: list[str] | str
    text: str


@dataclass(frozen=True)
class Grammar:
    """How fields are delimited and quoted."""

    delimiter: str
    quote: str | None
    backslash: bool

    @classmethod
    def of(cls, terms: Terms) -> Grammar:
        return cls(terms.delimiter, terms.quote, terms.escape == "backslash")

    def records(self, text: str, line: int, whole: bool) -> Iterator[Record]:
        """The records of decoded text that begins with a record on line `line`.

        Without `whole`, more text follows, and what can't be decided without it is not given: the text of the records
        given is a prefix of `text`.
        """
        if not whole:  # the last line may go on, and a \r at the end be half of a line's end
            text = text[: max(text.rfind("\n"), text.rfind("\r", 0, len(text) - 1)) + 1]
        physical = io.StringIO(text, newline="")
        pushed: list[str] = []

        def following() -> str | None:
            return pushed.pop() if pushed else next(physical, None)

        while (first := following()) is not None:
            if self.quote is None or self.quote not in first:
                yield Record(line, LOOSE_BACKSLASH if self._is_loose(first) else self.split(first), first)
                line += 1
                continue
            taken, quotes, length = [first], self._quotes(first), len(first)
            while quotes % 2 and len(taken) < MAX_RECORD_LINES and length < MAX_RECORD_BYTES:
                more = following()
                if more is None and not whole:
                    return
                if more is None:
                    break
                taken.append(more)
                quotes += self._quotes(more)
                length += len(more)
            together = "".join(taken)
            if quotes % 2 == 0 and self._whole.fullmatch(together):
                yield Record(line, self.split(together), together)
                line += len(taken)
            else:
                pushed.extend(reversed(taken[1:]))
                reason = "a quote that is never closed" if quotes % 2 else "a quote inside a field that is not quoted"
                yield Record(line, LOOSE_BACKSLASH if self._is_loose(first) else reason, first)
                line += 1

    def split(self, text: str) -> list[str]:
        """The fields of a sound record."""
        if not self.backslash and (self.quote is None or self.quote not in text):
            return text.rstrip("\r\n").split(self.delimiter)
        if not self.backslash:
            reader = csv.reader([text], delimiter=self.delimiter, quotechar=self.quote, strict=True)
            return next(reader)
        bare = text.removesuffix("\n").removesuffix("\r")
        cells, at = [], 0
        while True:
            match = self._field.match(bare, at)
            cells.append(self._unescaped(match[0]))
            if match.end() == len(bare):
                return cells
            at = match.end() + 1

    def _is_loose(self, line: str) -> bool:
        bare = line.rstrip("\r\n")
        return self.backslash and (len(bare) - len(bare.rstrip("\\"))) % 2 == 1

    def _quotes(self, text: str) -> int:
        return (re.sub(r"\\.", "", text, flags=re.DOTALL) if self.backslash else text).count(self.quote)

    def _unescaped(self, field: str) -> str:
        if self.quote and field.startswith(self.quote):
            return self._escaped_quoted.sub(r"\1", field[1:-1])
        return self._escaped_bare.sub(r"\1", field)

    @cached_property
    def _escaped_quoted(self) -> re.Pattern[str]:
        return re.compile(rf"\\([\\{re.escape(self.quote or '')}])")

    @cached_property
    def _escaped_bare(self) -> re.Pattern[str]:
        return re.compile(rf"\\([\\{re.escape((self.quote or '') + self.delimiter)}])")

    @cached_property
    def _field(self) -> re.Pattern[str]:
        quote, delimiter = re.escape(self.quote or ""), re.escape(self.delimiter)
        if self.backslash:
            bare = rf"(?:[^{quote}{delimiter}\r\n\\]|\\[^\r\n])*"
            return re.compile(rf"(?:{quote}(?:[^{quote}\\]|\\.)*{quote}|{bare})" if quote else bare, re.DOTALL)
        return re.compile(f"(?:{quote}[^{quote}]*(?:{quote}{quote}[^{quote}]*)*{quote}|[^{quote}{delimiter}\r\n]*)")

    @cached_property
    def _whole(self) -> re.Pattern[str]:
        field, delimiter = self._field.pattern, re.escape(self.delimiter)
        return re.compile(f"{field}(?:{delimiter}{field})*(?:\r\n|\n|\r)?", re.DOTALL)
