"""JSON documents that are one value: an array of objects (format `json`), or an object with large arrays (COCO).

Elements are read one by one, so that a document may be larger than memory; one element may not. What is wrong within a
well-formed element is its own reject; where the document's syntax breaks, what follows can't be told from the rest.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from labelaudit.errors import DeliveryRejected
from labelaudit.readers.documents.gathering import Gathering, shown_text
from labelaudit.readers.documents.strict_json import BadJson, is_exact, strict
from labelaudit.readers.opening import opened, unreadable
from labelaudit.readers.records import MAX_RECORD_BYTES, Batch, Row
from labelaudit.readers.sources import Source
from labelaudit.readers.terms import Terms
from labelaudit.readers.texts.decoding import Decoding, not_utf8
from labelaudit.rejects.records import TEXT_CHARACTERS, Reject

BLOCK_CHARACTERS = 1 << 20
MARGIN = 64
"""A value that ends so near to the end of what was read may go on: a number, cut in two."""

_LAX = json.JSONDecoder()


@dataclass(frozen=True)
class Element:
    """One value of a document: the top-level key it stands under and its number there, or None.

    `problem` says why the value can't be taken (it is None then). `place` is its JSON path.
    """

    key: str
    index: int | None
    value: Any
    line: int
    place: str
    text: str
    problem: BadJson | None = None


def read(path: Source, terms: Terms) -> Iterator[Batch]:
    gathered = Gathering(terms, placed=True)
    for element in elements(path, terms):
        gathered.records += 1
        if element.problem:
            gathered.reject(
                element.line, None, element.problem.code, element.problem.reason, element.text, element.place
            )
        elif not isinstance(element.value, dict):
            reason = f"found {element.text[:60]!r}, expected an object"
            gathered.reject(element.line, None, "wrong_nesting", reason, element.text, element.place)
        else:
            gathered.row(element.value, element.line, element.text, element.place)
        if gathered.full:
            yield gathered.batch()
    if not gathered.empty:
        yield gathered.batch()


def rows(path: Source, terms: Terms) -> Iterator[Row | Reject]:
    for element in elements(path, terms):
        text = shown_text(element.text)
        if element.problem:
            yield Reject(
                terms.name, element.line, None, element.problem.code, element.problem.reason, text, element.place
            )
        elif not isinstance(element.value, dict):
            reason = f"found {element.text[:60]!r}, expected an object"
            yield Reject(terms.name, element.line, None, "wrong_nesting", reason, text, element.place)
        else:
            yield Row(element.value, element.line, element.place, text)


def elements(path: Source, terms: Terms, arrays: frozenset[str] | None = None) -> Iterator[Element]:
    """The elements of a document that is an array (`arrays` None), or of a document that is an object.

    Of an object, those of the arrays named come one by one (key, index), the values of all other keys whole (index
    None), in the file's order. A document that is an array is given element by element in any case. Raises
    DeliveryRejected with line, column and path where the syntax breaks.
    """
    with opened(path, terms) as stream:
        text = _Cursor(stream, terms)
        start = text.peek()
        if start == "[":
            yield from _array(text, "", "$")
        elif start == "{" and arrays is not None:
            yield from _object(text, arrays)
        elif start == "":
            raise text.broken("$", "the end of the file", "a value")
        else:
            if start not in '"-0123456789tfn{':
                raise text.broken("$", repr(start), "an array")
            wanted = "an array of objects" if arrays is None else "an object"
            shown = "an object" if start == "{" else "a single value"
            raise unreadable(terms, f"line {text.line}, $: found {shown}, expected {wanted}. Export it again")
        if rest := text.peek():
            raise text.broken("$", f"{rest!r} behind the document", "the end of the file")


def _array(text: _Cursor, key: str, place: str) -> Iterator[Element]:
    text.take("[", place)
    if text.peek() == "]":
        text.take("]", place)
        return
    index = 0
    while True:
        yield text.element(key, index, f"{place}[{index}]")
        index += 1
        if text.peek() == "]":
            text.take("]", place)
            return
        text.take(",", f"{place}[{index}]", "`,` or `]`")


def _object(text: _Cursor, arrays: frozenset[str]) -> Iterator[Element]:
    text.take("{", "$")
    seen: set[str] = set()
    while text.peek() != "}" or seen:
        key = text.key("$")
        if key in seen:
            raise unreadable(text.terms, f"line {text.line}, $: the key {key[:80]!r} is given twice. Export it again")
        seen.add(key)
        text.take(":", f"$.{key[:80]}")
        if key in arrays and text.peek() == "[":
            yield from _array(text, key, f"$.{key}")
        else:
            yield text.element(key, None, f"$.{key[:80]}")
        if text.peek() == "}":
            break
        text.take(",", "$", "`,` or `}`")
    text.take("}", "$")


class _Cursor:
    """A place in a text that is read as it is needed; knows its line and column."""

    def __init__(self, stream: BinaryIO, terms: Terms):
        self._stream, self.terms = stream, terms
        self._decoding = None if terms.encoding.startswith("utf-8") else Decoding(terms)
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("strict")
        self._text, self._at, self._ended = "", 0, False
        self.line, self._column = 1, 1

    def peek(self) -> str:
        """The next character that is no space; empty at the end."""
        while True:
            at = self._at
            while at < len(self._text) and self._text[at] in " \t\n\r":
                at += 1
            self._move(at)
            if at < len(self._text):
                return self._text[at]
            if not self._fill():
                return ""

    def take(self, wanted: str, place: str, expected: str = "") -> None:
        character = self.peek()
        if character != wanted:
            raise self.broken(place, repr(character) if character else "the end of the file", expected or f"`{wanted}`")
        self._move(self._at + 1)

    def key(self, place: str) -> str:
        if self.peek() != '"':
            raise self.broken(place, repr(self.peek()) if self.peek() else "the end of the file", "a key in quotes")
        key, end = self._parsed(place)
        self._move(end)
        return key

    def element(self, key: str, index: int | None, place: str) -> Element:
        if not self.peek():
            raise self.broken(place, "the end of the file", "a value")
        line = self.line
        value, end = self._parsed(place)
        text = self._text[self._at : end]
        self._move(end)
        problem = None
        encoded = text.encode("utf-8", "surrogatepass")
        if not is_exact(value, encoded):
            try:
                value = strict(encoded)
            except BadJson as error:
                value, problem = None, error
        return Element(key, index, value, line, place, text[:TEXT_CHARACTERS], problem)

    def broken(self, place: str, found: str, expected: str) -> DeliveryRejected:
        where = f"line {self.line}, column {self._column}, {place}"
        return unreadable(self.terms, f"{where}: found {found}, expected {expected}. Export it again")

    def _parsed(self, place: str) -> tuple[Any, int]:
        """The value here and where it ends; reads on while it may go on."""
        wanted = BLOCK_CHARACTERS
        while True:
            problem: Exception | None = None
            try:
                value, end = _LAX.raw_decode(self._text, self._at)
                if self._ended or end + MARGIN < len(self._text):
                    return value, end
            except RecursionError as error:
                raise self.broken(place, "a value nested too deeply", "less than a thousand levels") from error
            except ValueError as error:  # JSONDecodeError, or an integer of thousands of digits
                problem = error
            if len(self._text) - self._at > MAX_RECORD_BYTES:
                raise self.broken(place, f"a value longer than {MAX_RECORD_BYTES} bytes", "labels, not contents")
            if not self._fill(wanted) and problem is not None:
                raise self._misread(place, problem) from problem
            wanted *= 2

    def _misread(self, place: str, problem: Exception) -> DeliveryRejected:
        if isinstance(problem, json.JSONDecodeError):
            self._move(min(problem.pos, len(self._text)))
            return self.broken(place, f"what is no JSON ({problem.msg})", "a value")
        return self.broken(place, f"a number that can't be read ({problem})", "a number")

    def _move(self, to: int) -> None:
        passed = self._text[self._at : to]
        ends = passed.count("\n")
        self.line += ends
        self._column = len(passed) - passed.rfind("\n") if ends else self._column + len(passed)
        self._at = to

    def _fill(self, characters: int = BLOCK_CHARACTERS) -> bool:
        """Read more; whether there was any."""
        if self._ended:
            return False
        piece = self._stream.read(characters)
        try:
            if self._decoding is None:
                more = self._decoder.decode(piece, final=not piece)
            else:
                more = self._decoding.text(piece, not piece, self.line)
        except UnicodeError as error:
            what = f"after line {self.line} it is not utf-8: {not_utf8(piece)}. Export it as utf-8"
            raise unreadable(self.terms, what) from error
        self._ended = not piece
        self._text, self._at = self._text[self._at :] + more, 0
        return not self._ended
