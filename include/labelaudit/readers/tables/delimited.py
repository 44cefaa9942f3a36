"""CSV and TSV, strictly: one header, one width, the declared dialect (RFC 4180 where nothing is declared).

`csv.reader` alone takes damaged files for good ones: quotes inside bare fields, rows of another width, a quote that is
never closed and swallows the rest. Here each of those is the reject of one line, and reading goes on behind it. Blocks
without damage are parsed whole (`csv_blocks`); all others record by record (`csv_records`): the result is the same.

A blank line is no record; in a file of one column an empty line is an empty cell. Lines end with \\n, \\r\\n or \\r.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from labelaudit.errors import DeliveryRejected
from labelaudit.readers.conversion import to_batch
from labelaudit.readers.opening import is_text, opened, shown, unreadable
from labelaudit.readers.records import BATCH_ROWS, Batch, Row, places
from labelaudit.readers.sources import Source
from labelaudit.readers.tables import csv_blocks
from labelaudit.readers.tables.csv_records import Grammar, Record
from labelaudit.readers.terms import Terms
from labelaudit.readers.texts.decoding import not_utf8
from labelaudit.readers.texts.invisible import named
from labelaudit.readers.texts.text_blocks import BLOCK_BYTES, TextBlocks
from labelaudit.rejects.records import TEXT_CHARACTERS, Reject

DELIMITERS = ",;\t|"
HEADER_RECORDS = 50
"""A header is looked for no further below, to tell where it is."""
BOM = "\ufeff"


def read(path: Source, terms: Terms, block_bytes: int = BLOCK_BYTES) -> Iterator[Batch]:
    with opened(path, terms) as stream:
        text = _Text(stream, terms, block_bytes)
        header = _header(text, terms)
        try:
            table = _Table(terms, header)
        except DeliveryRejected as error:
            raise _with_row(error, text, terms) from error
        content, last = text.pending, False
        while not last:
            content, last = text.more(content)
            block = None if text.after_single else table.block(content, last)
            if block is not None:
                yield table.batch_of(block, text.line)
                text.line += block.lines
                content = content[len(block.content) :]
            else:
                records = text.records(content, header, last)
                while some := list(islice(records, BATCH_ROWS)):
                    yield table.batch(some)
                content = text.pending


def rows(path: Source, terms: Terms) -> Iterator[Row | Reject]:
    with opened(path, terms) as stream:
        text = _Text(stream, terms, BLOCK_BYTES)
        header = _header(text, terms)
        if len(set(header.names)) < len(header.names):
            raise unreadable(terms, "line 1: the header names a column twice. Rename one of them")
        for record, doubt in _records(text, header):
            problem = _problem(record, header, terms, doubt)
            if problem:
                yield _reject(record, problem, terms)
            elif problem is None:
                yield Row(dict(zip(header.names, record.cells, strict=True)), record.line, "", shown(record.text))


class _Header:
    """The columns' names, and the line that held them (empty: they were declared)."""

    def __init__(self, names: list[str], text: str):
        self.names, self.text = names, text.rstrip("\r\n")

    def is_again(self, cells: Sequence[str]) -> bool:
        """Whether a record is the header once more, however it is quoted: of a file that was joined to this one."""
        return list(cells) == self.names or [cells[0].removeprefix(BOM), *cells[1:]] == self.names


class _Text(TextBlocks):
    """The file's blocks, and their records by the strict path.

    A line of a single field, where there should be several, may be what an unquoted line's end cut off a neighbour:
    the sound rows before and behind it are in doubt, and taken for rejects. `after_single` says that the next is.
    """

    after_single = False

    def records(self, content: bytes, header: _Header, whole: bool) -> Iterator[tuple[Record, str]]:
        """The strict path: the content's records and what puts them in doubt; then, `pending` must wait for more."""
        done, held, doubt = 0, [], ""
        text = content.decode("utf-8", "surrogateescape")
        for record in Grammar.of(self._terms).records(text, self.line, whole):
            if held and _is_blank(record, self._terms):
                held.append(record)
                continue
            single_field = (
                len(record.cells) == 1 if isinstance(record.cells, list) else self._terms.delimiter not in record.text
            )
            single = single_field and len(header.names) > 1 and not _is_blank(record, self._terms)
            if held:
                done += self._passed(held)
                yield held[0], doubt or ("after" if single else "")
                yield from ((record, "") for record in held[1:])
            held, doubt = [record], "before" if self.after_single else ""
            self.after_single = single
        if whole:
            done += self._passed(held)
            yield from ((record, doubt if number == 0 else "") for number, record in enumerate(held))
        elif held:
            self.after_single = bool(doubt)
        self.pending = content[done:]

    def _passed(self, records: list[Record]) -> int:
        texts = [record.text.encode("utf-8", "surrogateescape") for record in records]
        self.line += sum(map(_line_ends, texts))
        return sum(map(len, texts))


def _records(text: _Text, header: _Header) -> Iterator[tuple[Record, str]]:
    """All records that are left, by the strict path."""
    last = False
    while not last:
        content, last = text.more(text.pending)
        yield from text.records(content, header, last)


def _header(text: _Text, terms: Terms) -> _Header:
    """Read up to the header, and leave the rest pending."""
    grammar, content, last = Grammar.of(terms), b"", False
    skip = terms.skip_lines
    while True:
        while skip and (end := content.find(b"\n") + 1):
            content, skip, text.line = content[end:], skip - 1, text.line + 1
        if not skip:
            if terms.header:
                text.pending = content
                return _Header(list(terms.header), "")
            for record in grammar.records(content.decode("utf-8", "surrogateescape"), text.line, last):
                used = record.text.encode("utf-8", "surrogateescape")
                content, text.line = content[len(used) :], text.line + _line_ends(used)
                if record.text.strip():
                    text.pending = content
                    return _checked(record, terms)
        if last:
            where = f"after line {text.line - 1} " if text.line > 1 else ""
            raise unreadable(terms, f"{where}there is no header. Export it again")
        content, last = text.more(content)


def _checked(record: Record, terms: Terms) -> _Header:
    if isinstance(record.cells, str) or not is_text(record.text) or "\0" in record.text:
        text = record.text.encode("utf-8", "surrogateescape")
        what = record.cells if isinstance(record.cells, str) else "a NUL" if "\0" in record.text else not_utf8(text)
        raise unreadable(terms, f"line {record.line}: the header can't be read: {what}. Export it again")
    return _Header(record.cells, record.text)


class _Table:
    """The file's columns: which are wanted, and what makes a record a row of them."""

    def __init__(self, terms: Terms, header: _Header):
        self._terms, self._header = terms, header
        try:
            self._where = places(terms, header.names)
        except DeliveryRejected as error:
            raise _with_hint(error, terms, header) from error
        self._wanted = sorted({place for place in self._where.values() if place is not None})
        self._undeclared = frozenset(header.names) - set(self._where)
        self._simple = terms.quote in ('"', None) and terms.escape == "doubled" and terms.delimiter.isascii()

    def block(self, content: bytes, whole: bool) -> csv_blocks.Block | None:
        if not self._simple or not self._wanted:
            return None
        quoted, names = self._terms.quote is not None, self._header.names
        return csv_blocks.parse(content, self._terms.delimiter, quoted, names, self._wanted, whole)

    def batch_of(self, block: csv_blocks.Block, line: int) -> Batch:
        place_of = dict(zip(self._wanted, block.columns, strict=True))
        columns = {source: None if place is None else place_of[place] for source, place in self._where.items()}
        made = to_batch(self._terms, columns, block.line_numbers(line), lambda row: shown(block.text(row)))
        made.undeclared = self._undeclared
        return made

    def batch(self, records: list[tuple[Record, str]]) -> Batch:
        good, rejects = [], []
        for record, doubt in records:
            problem = _problem(record, self._header, self._terms, doubt)
            if problem:
                rejects.append(_reject(record, problem, self._terms))
            elif problem is None:
                good.append(record)
        across = list(zip(*(record.cells for record in good), strict=True)) or [()] * len(self._header.names)
        columns = {source: None if place is None else across[place] for source, place in self._where.items()}
        numbers = np.array([record.line for record in good], np.int64)
        made = to_batch(self._terms, columns, numbers, lambda row: shown(good[row].text))
        made.rejects = sorted([*made.rejects, *rejects], key=lambda reject: reject.line)
        made.undeclared = self._undeclared
        return made


def _is_blank(record: Record, terms: Terms) -> bool:
    return not record.text.strip(" \t\r\n") and terms.delimiter not in record.text


def _problem(record: Record, header: _Header, terms: Terms, doubt: str) -> tuple[str, str] | tuple[()] | None:
    """None: a good record; empty: a blank line, which is no record; else code and reason."""
    cells, text = record.cells, record.text
    if isinstance(cells, str):
        mark = f"; the line has {named(BOM + text)}" if text.startswith(BOM) else ""
        return "malformed", cells + mark
    if len(cells) != len(header.names):
        if _is_blank(record, terms):
            return ()
        seems = ""
        if len(cells) == 1 and len(header.names) > 1:
            seems = f"; is the delimiter {terms.delimiter!r}?"
        return "wrong_width", f"{len(cells)} fields, the header has {len(header.names)}{seems}"
    if not is_text(text):
        return "bad_encoding", not_utf8(text.encode("utf-8", "surrogateescape"))
    if "\0" in text:
        return "malformed", "a NUL character"
    if header.is_again(cells):
        return "repeated_header", "the header again"
    if doubt:
        return "malformed", f"the line {doubt} it has a single field: it may be a part of this row, not quoted"
    return None


def _reject(record: Record, problem: tuple[str, str], terms: Terms) -> Reject:
    code, reason = problem
    return Reject(terms.name, record.line, None, code, reason, shown(record.text)[:TEXT_CHARACTERS])


def _line_ends(content: bytes) -> int:
    return content.count(b"\n") + content.count(b"\r") - content.count(b"\r\n")


def _with_row(error: DeliveryRejected, text: _Text, terms: Terms) -> DeliveryRejected:
    """The same, with the line that has all the columns, where one below the header does: that was a title."""
    wanted = {field.source for field in terms.fields if field.required} | set(terms.probabilities)
    content, last = text.more(text.pending)
    below = Grammar.of(terms).records(content.decode("utf-8", "surrogateescape"), text.line, last)
    for record in islice(below, HEADER_RECORDS):
        if not isinstance(record.cells, str) and wanted <= {*record.cells}:
            hint = f"Line {record.line} has them: with `dialect: {{skip_lines: {record.line - 1}}}` it is the header."
            return DeliveryRejected(error.code, f"{error} {hint}")
    return error


def _with_hint(error: DeliveryRejected, terms: Terms, header: _Header) -> DeliveryRejected:
    """The same, with the delimiter that would give the columns, where the file seems to have another."""
    sources = {field.source for field in terms.fields if field.required}
    for other in DELIMITERS.replace(terms.delimiter, ""):
        if sources <= {name.strip('"') for name in header.text.split(other)}:
            return DeliveryRejected(error.code, f"{error} With the delimiter {other!r} it would have them.")
    if not terms.encoding.startswith("utf-8") and sources <= {_as_utf8(name, terms) for name in header.names}:
        return DeliveryRejected(error.code, f"{error} With `encoding: utf-8` it would have them.")
    return error


def _as_utf8(name: str, terms: Terms) -> str:
    try:
        return name.encode(terms.encoding).decode().removeprefix(BOM)
    except UnicodeError:
        return name
