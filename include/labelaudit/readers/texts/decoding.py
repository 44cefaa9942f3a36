"""A text file's bytes as text, by the declared encoding; a file that is UTF-8 after all is refused.

Most bytes of UTF-8 are letters in cp1252, latin-1, Shift-JIS or GB18030, too: taken as such, a name is published as
`JosÃ©`. Text in those encodings is hardly ever valid UTF-8 from its first byte to its last: of words of one to 13
kinds in French, German, Spanish and Portuguese (cp1252), Japanese (Shift-JIS), none; in Chinese (GB18030), 3 of a
hundred files with a single word, as 猫 alone, and none with three. So the encodings of several bytes need a sign, too.
"""

from __future__ import annotations

import codecs
import re

from labelaudit.readers.opening import unreadable
from labelaudit.readers.terms import Terms
from labelaudit.readers.texts.encodings import guessed

SINGLE = re.compile(r"[^\x00-\x7f]")
SEVERAL = re.compile(
    "[A-Za-z][\u00c0-\u017f]|[\u00c0-\u017f][A-Za-z]"
    "|[\u2010-\u206f\u3000-\u30ff\u4e00-\u9fff\uac00-\ud7a3\uff00-\uffef\ufeff]|[\u0386-\u06ff]{4}|[\u0e00-\u0e7f]{2}"
)
"""Signs that text is UTF-8 and not Shift-JIS or GB18030: a letter with an accent beside one without, the everyday
characters of East Asia, or a word of another alphabet. 2 of 7,780 Chinese words in GB18030 look so."""

TAIL = 4


class Decoding:
    """Decodes block by block what is not declared as UTF-8. Raises DeliveryRejected where it is another encoding."""

    def __init__(self, terms: Terms):
        self._terms = terms
        self._decoder = codecs.getincrementaldecoder(terms.encoding)("strict")
        self._utf8 = codecs.getincrementaldecoder("utf-8")("strict")
        self._sign = SINGLE if terms.encoding in ("cp1252", "latin-1") else SEVERAL
        self._is_utf8, self._begun, self._line, self._tail = terms.encoding != "utf-16", False, 1, ""
        self._found: tuple[int, str] | None = None

    def text(self, block: bytes, last: bool, line: int) -> str:
        """The text of the next bytes; `line` is the number of the line that is being read."""
        if not self._begun and self._terms.encoding == "utf-16" and not _is_wide(block):
            raise unreadable(self._terms, f"it is not UTF-16; if it is utf-8, {self._instead('utf-8')}")
        self._begun = True
        try:
            text = self._decoder.decode(block, final=last)
        except UnicodeError as error:
            raise unreadable(
                self._terms, f"after line {line} it is not {self._terms.encoding} ({error}). Export it again"
            ) from error
        if self._is_utf8:
            self._look(block, last)
        if last and self._is_utf8 and self._found:
            number, word = self._found
            wrong = word.encode().decode(self._terms.encoding, "replace")
            what = f"line {number}: it is UTF-8, {self._instead('utf-8')}: else {word!r} would be {wrong!r}"
            raise unreadable(self._terms, what, "bad_encoding")
        return text

    def _look(self, block: bytes, last: bool) -> None:
        if block.isascii() and self._tail.isascii() and not self._utf8.getstate()[0]:
            self._tail = (self._tail + block[-TAIL:].decode())[-TAIL:]
        else:
            try:
                text = self._utf8.decode(block, final=last)
            except UnicodeDecodeError:
                self._is_utf8 = False
                return
            if not self._found and (sign := self._sign.search(self._tail + text)):
                before = (self._tail + text)[: sign.end()]
                word = re.search(r"[^\s,;\"']*$", before[-20:])[0]
                self._found = self._line + before.count("\n") - self._tail.count("\n"), word
            self._tail = (self._tail + text)[-TAIL:]
        if not self._found:
            self._line += block.count(b"\n")

    def _instead(self, encoding: str) -> str:
        return (
            f"the contract says {self._terms.encoding}. Have its `encoding` changed to {encoding}, or export it as"
            f" {self._terms.encoding}"
        )


def _is_wide(block: bytes) -> bool:
    """Whether bytes may begin a table in UTF-16: a mark, or the zero byte of its first ASCII character."""
    return block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in block[:4096] or len(block) < 2


def not_utf8(content: bytes) -> str:
    """What a person should know of bytes that are not UTF-8: the first of them, and what they may be instead."""
    try:
        content.decode()
    except UnicodeDecodeError as error:
        guess = guessed(content)
        start = max(
            content.rfind(separator, 0, error.start) + 1 for separator in (b",", b";", b"\t", b"\n", b'"', b":")
        )
        shown = content[start : error.end + 12].decode(guess.encoding, "ignore").split("\n")[0]
        shown = re.match(r"[^,;\t\"]*", shown)[0]
        where = f"0x{content[error.start]:02x}, byte {error.start + 1}"
        return f"bytes that are not utf-8 ({where}); as {guess.encoding} they would be {shown!r}"
    return "bytes that are not utf-8"
