"""CSV and TSV, strictly: one header, one width, quotes only around a whole field (RFC 4180).

`csv.reader` alone takes damaged files for good ones: quotes inside bare fields, rows of another width, a quote that is
never closed and swallows the rest. Here each of those is the reject of one line, and reading goes on behind it.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from labelaudit.errors import DeliveryRejected
from labelaudit.readers.conversion import to_batch
from labelaudit.readers.opening import is_text, lines, shown
from labelaudit.readers.records import BATCH_ROWS, TEXT_CHARACTERS, Batch, Reject, Terms, places

MAX_RECORD_LINES = 1_000
csv.field_size_limit(16 << 20)


def read(path: Path, terms: Terms) -> Iterator[Batch]:
    records = _records(lines(path, terms), terms.delimiter)
    first = next(((line, cells, text) for line, cells, text in records if text.strip()), None)
    if first is None:
        raise DeliveryRejected("unreadable_file", f"{terms.name}: there is no header. Deliver it again.")
    header, header_text = first[1], first[2]
    if isinstance(header, str):
        raise DeliveryRejected("unreadable_file", f"{terms.name}, line {first[0]}: the header can't be read: {header}.")
    where = places(terms, header)
    wanted = {source: place for source, place in where.items() if place is not None}
    numbers: list[int] = []
    texts: list[str] = []
    rows: list[list[str]] = []
    rejects: list[Reject] = []

    def batch() -> Batch:
        across = list(zip(*rows, strict=True))
        columns = {source: None if place is None else across[place] if rows else () for source, place in where.items()}
        made = to_batch(terms, columns, numbers, lambda row: shown(texts[row]))
        made.rejects.extend(rejects)
        made.rejects.sort(key=lambda reject: reject.line)
        return made

    for number, cells, text in records:
        problem = _problem(cells, text, header, header_text, terms)
        if problem is None:
            numbers.append(number)
            texts.append(text)
            rows.append(cells)
        elif problem:
            code, reason = problem
            rejects.append(Reject(terms.name, number, None, code, reason, shown(text)[:TEXT_CHARACTERS]))
        if len(rows) + len(rejects) >= BATCH_ROWS:
            yield batch()
            numbers, texts, rows, rejects = [], [], [], []
    if wanted and (rows or rejects):
        yield batch()


def _problem(
    cells: list[str] | str, text: str, header: list[str], header_text: str, terms: Terms
) -> tuple[str, str] | tuple[()] | None:
    """None: a good record; empty: a blank line, which is no record; else code and reason."""
    if isinstance(cells, str):
        return "malformed", cells
    if len(cells) != len(header):
        if not text.strip():
            return ()
        seems = ""
        if len(cells) == 1 and len(header) > 1:
            seems = f"; is the delimiter {terms.delimiter!r}?"
        return "wrong_width", f"{len(cells)} fields, the header has {len(header)}{seems}"
    if not is_text(text):
        return "bad_encoding", f"bytes that are not {terms.encoding}"
    if "\0" in text:
        return "malformed", "a NUL character"
    if text == header_text:
        return "repeated_header", "the header again"
    return None


def _records(physical: Iterator[str], delimiter: str) -> Iterator[tuple[int, list[str] | str, str]]:
    """Line number, the record's fields (or what is wrong with it), and its text. A bad record is one line long."""
    bare = f'[^"{re.escape(delimiter)}\r\n]*'
    quoted = '"[^"]*(?:""[^"]*)*"'
    whole = re.compile(f"(?:{quoted}|{bare})(?:{re.escape(delimiter)}(?:{quoted}|{bare}))*(?:\r\n|\n|\r)?")
    pushed: list[str] = []
    number = 0
    while True:
        line = pushed.pop() if pushed else next(physical, None)
        if line is None:
            return
        number += 1
        if '"' not in line:
            yield number, line.rstrip("\r\n").split(delimiter), line
            continue
        taken = [line]
        quotes = line.count('"')
        while quotes % 2 and len(taken) < MAX_RECORD_LINES:
            more = pushed.pop() if pushed else next(physical, None)
            if more is None:
                break
            taken.append(more)
            quotes += more.count('"')
        text = "".join(taken)
        if quotes % 2 == 0 and whole.fullmatch(text):
            yield number, next(csv.reader([text], delimiter=delimiter, strict=True)), text
            number += len(taken) - 1
        else:
            pushed.extend(reversed(taken[1:]))
            reason = "a quote that is never closed" if quotes % 2 else "a quote inside a field that is not quoted"
            yield number, reason, line
