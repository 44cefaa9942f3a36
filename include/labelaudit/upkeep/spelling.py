"""An annotator's name, however one of our files spells it, and the id that takes its place.

In a table's column of annotators a name is a whole value. In a running text it is looked for as text: as it is, as
HTML, JSON, CSV and Python write it, and as what is hidden in it is shown. A name that is also a number, or a word of
the contract or of our own pages, can't be told there from what else it means: such a text goes as a whole.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from labelaudit.contracts.model import Contract
from labelaudit.rendering.visible import visible
from labelaudit.storage.schemas import REJECTS_SCHEMA, SCHEMAS

REMOVED = "(removed: it named a person who is forgotten)"
LONG_CHARACTERS = 6
"""From so many on, a name is looked for inside of words, too."""
_WORD = re.compile(r"[^\W\d_]+")


class Person:
    """name: as tables have it; new: the id in its place; vendor: only who works for this one, as far as it is told."""

    def __init__(self, name: str, new: str, vendor: str | None = None, words: Iterable[str] = ()):
        self.name, self.new, self.vendor = name, new, vendor
        known = {word.casefold() for word in words} | our_words()
        plain = name.strip().casefold()
        self.is_ambiguous = len(plain) < 3 or not _WORD.search(plain) or plain in known
        inside = len(plain) >= LONG_CHARACTERS and not any(plain in word for word in known)
        either = "|".join(re.escape(spelt) for spelt in sorted(_spellings(name), key=len, reverse=True))
        before, after = (r"(?<![^\W_])", r"(?![^\W_])") if not inside else ("", "")
        if not _WORD.search(plain):  # no part of a longer number
            before, after = r"(?<!\w)(?<!\d[.,])", r"(?!\w|[.,]\d)"
        self._pattern = re.compile(f"{before}(?:{either}){after}", re.IGNORECASE)

    def is_in(self, text: str) -> bool:
        return self._pattern.search(text) is not None

    def renamed(self, text: str) -> str:
        """The text without the name: with the id in its place, or nothing but REMOVED."""
        if self.is_ambiguous:
            return REMOVED if self.is_in(text) else text
        return self._pattern.sub(lambda _: self.new, text)

    def is_in_bytes(self, content: bytes) -> bool:
        """Whether raw bytes hold the name, as UTF-8, UTF-16 or Windows' Western European."""
        if self.is_in(content.decode("utf-8", "replace")):
            return True
        wide = self.name.encode("utf-16-le")
        narrow = self.name.encode("cp1252", "ignore")
        return (
            wide in content
            or self.name.encode("utf-16-be") in content
            or (not self.name.isascii() and len(narrow) == len(self.name) and narrow in content)
        )


def _spellings(name: str) -> set[str]:
    plain = {name, visible(name), repr(name)[1:-1], repr(repr(name)[1:-1])[1:-1]}
    for ascii_only in (True, False):
        told = json.dumps(name, ensure_ascii=ascii_only)[1:-1]
        plain |= {told, json.dumps(told, ensure_ascii=ascii_only)[1:-1], repr(told)[1:-1]}
    quotes = [(single, double) for single in ("'", "&#39;", "&#x27;") for double in ('"', "&#34;", "&quot;")]
    marked = {
        html.escape(spelt, quote=False).replace("'", single).replace('"', double)
        for spelt in plain
        for single, double in quotes
    }
    return plain | marked | {spelt.replace('"', '""') for spelt in plain}


@cache
def our_words() -> frozenset[str]:
    """All words of our own templates and tables, in small letters."""
    package = Path(__file__).parents[1]
    texts = [path.read_text("utf-8") for path in package.rglob("*.html")]
    texts += [" ".join(schema.names) for schema in (*SCHEMAS.values(), REJECTS_SCHEMA)]
    return frozenset(word.casefold() for text in texts for word in _WORD.findall(text))


def words_of(contract: Contract) -> set[str]:
    """What a contract calls things: none of it is a person."""
    return {
        *contract.classes,
        *contract.columns,
        *contract.vendors,
        contract.customer,
        contract.dataset,
        *contract.guidelines,
    }
