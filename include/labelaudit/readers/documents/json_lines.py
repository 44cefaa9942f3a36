"""JSON Lines: one object a line, as RFC 8259 has it. A blank line is no record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labelaudit.readers.documents import json_blocks
from labelaudit.readers.documents.gathering import Gathering, shown_text
from labelaudit.readers.documents.strict_json import BadJson, loads
from labelaudit.readers.opening import opened
from labelaudit.readers.records import MAX_RECORD_BYTES, Batch, Row
from labelaudit.readers.sources import Source
from labelaudit.readers.terms import Terms
from labelaudit.readers.texts.text_blocks import BLOCK_BYTES, TextBlocks
from labelaudit.rejects.records import Reject


def read(path: Source, terms: Terms, block_bytes: int = BLOCK_BYTES) -> Iterator[Batch]:
    gathered = Gathering(terms, placed=False)
    for content, first in _blocks(path, terms, block_bytes):
        block = json_blocks.parse(content, terms)
        if block is not None:
            yield block.batch(terms, first)
            continue
        for number, line in enumerate(content.split(b"\n"), first):
            try:
                record = flat(line)
            except BadJson as error:
                if error.code != "blank":
                    gathered.records += 1
                    gathered.reject(number, None, error.code, error.reason, line)
            else:
                gathered.records += 1
                gathered.row(record, number, line)
            if gathered.full:
                yield gathered.batch()
        if not gathered.empty:
            yield gathered.batch()


def rows(path: Source, terms: Terms) -> Iterator[Row | Reject]:
    for number, line, value in values(path, terms):
        if isinstance(value, BadJson):
            yield Reject(terms.name, number, None, value.code, value.reason, shown_text(line))
        elif not isinstance(value, dict):
            yield Reject(terms.name, number, None, "wrong_nesting", _no_object(value), shown_text(line))
        else:
            yield Row(value, number, "", shown_text(line))


def values(path: Source, terms: Terms) -> Iterator[tuple[int, bytes, Any]]:
    """Line number, line and value (or BadJson) of every line that is not blank."""
    for content, first in _blocks(path, terms, BLOCK_BYTES):
        for number, line in enumerate(content.split(b"\n"), first):
            if line.strip():
                try:
                    yield number, line, _value(line)
                except BadJson as error:
                    yield number, line, error


def flat(line: bytes) -> dict[str, Any]:
    """The object of a line. Raises BadJson; with code `blank` for a blank line."""
    if not line.strip():
        raise BadJson("blank", "")
    record = _value(line)
    if type(record) is not dict:
        raise BadJson("wrong_nesting", _no_object(record))
    return record


def _value(line: bytes) -> Any:
    if len(line) > MAX_RECORD_BYTES:
        raise BadJson("too_long", f"the record is longer than {MAX_RECORD_BYTES} bytes")
    return loads(line)


def _blocks(path: Source, terms: Terms, block_bytes: int) -> Iterator[tuple[bytes, int]]:
    """Whole lines, many at a time and without the last one's end, and the number of the first."""
    with opened(path, terms) as stream:
        text, last = TextBlocks(stream, terms, block_bytes), False
        while not last:
            content, last = text.more(text.pending)
            end = len(content) if last else content.rfind(b"\n")
            text.pending = b"" if last else content[end + 1 :]
            if end >= 0:
                yield content[:end], text.line
                text.line += content.count(b"\n", 0, end) + 1


def _no_object(value: Any) -> str:
    return f"found {str(value)[:60]!r} ({type(value).__name__}), expected an object"
