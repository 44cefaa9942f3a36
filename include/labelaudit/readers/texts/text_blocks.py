"""A text file as UTF-8 bytes, block by block; no line is longer than a record may be."""

from __future__ import annotations

from typing import BinaryIO

from labelaudit.readers.opening import unreadable
from labelaudit.readers.records import MAX_RECORD_BYTES
from labelaudit.readers.terms import Terms
from labelaudit.readers.texts.decoding import Decoding

BLOCK_BYTES = 2 << 20
BOM = b"\xef\xbb\xbf"


class TextBlocks:
    """`line` is the number of the line that comes next, and `pending` what was read of it: the reader keeps both."""

    def __init__(self, stream: BinaryIO, terms: Terms, block_bytes: int = BLOCK_BYTES):
        self._stream, self._terms, self._block_bytes = stream, terms, block_bytes
        self._decoding = None if terms.encoding.startswith("utf-8") else Decoding(terms)
        self._begun = False
        self.line = 1
        self.pending = b""

    def more(self, content: bytes) -> tuple[bytes, bool]:
        """`content` and the next block; whether it was the last.

        Raises DeliveryRejected where the bytes are not in the declared encoding (other than UTF-8, whose damage is
        each line's own) or are UTF-8 after all, or a line is too long.
        """
        piece = self._stream.read(self._block_bytes)
        last = not piece
        if self._decoding is not None:
            piece = self._decoding.text(piece, last, self.line).encode()
        if not self._begun and (len(content) + len(piece) >= len(BOM) or last):
            content, piece, self._begun = (content + piece).removeprefix(BOM), b"", True
        content += piece
        if len(content) > MAX_RECORD_BYTES + 2 * self._block_bytes and b"\n" not in content:
            raise unreadable(
                self._terms, f"line {self.line} is longer than {MAX_RECORD_BYTES} bytes. Deliver labels, not contents"
            )
        return content, last
