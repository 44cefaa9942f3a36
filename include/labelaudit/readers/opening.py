"""A delivered text file as decoded physical lines; what is wrong with the bytes is said in the vendor's words."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from labelaudit.errors import DeliveryRejected
from labelaudit.readers.records import Terms

MAX_LINE_CHARACTERS = 16 << 20


@contextmanager
def opened(path: Path, terms: Terms) -> Iterator[BinaryIO]:
    """The file's bytes, decompressed. Raises DeliveryRejected(unreadable_file) wherever they turn out to be damaged."""
    with path.open("rb") as file:
        _sniff(file.read(64), terms)
        file.seek(0)
        stream = gzip.GzipFile(fileobj=file) if terms.compression == "gzip" else file
        try:
            yield stream
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise _unreadable(terms, f"the gzip data is damaged or cut off ({error}). Compress it again") from error


def lines(path: Path, terms: Terms) -> Iterator[str]:
    """Physical lines with their ends. In UTF-8, what can't be decoded comes as surrogates: `is_text` finds it."""
    escaped = terms.encoding.startswith("utf-8")
    with opened(path, terms) as stream:
        text = io.TextIOWrapper(
            stream, terms.encoding, errors="surrogateescape" if escaped else "strict", newline="", write_through=False
        )
        try:
            first = True
            while line := text.readline(MAX_LINE_CHARACTERS):
                if len(line) == MAX_LINE_CHARACTERS:
                    raise _unreadable(terms, f"a line is longer than {MAX_LINE_CHARACTERS} characters")
                yield line.removeprefix("\ufeff") if first else line
                first = False
        except UnicodeError as error:
            raise _unreadable(terms, f"it is not {terms.encoding}: {error}. Export it as {terms.encoding}") from error


def is_text(line: str) -> bool:
    """Whether all of the line was decoded."""
    if line.isascii():
        return True
    try:
        line.encode()
    except UnicodeEncodeError:
        return False
    return True


def shown(line: str) -> str:
    """A line as text that can be stored, whatever it held."""
    return line.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace").rstrip("\r\n")


def _sniff(head: bytes, terms: Terms) -> None:
    zipped = head.startswith(b"\x1f\x8b")
    if head.startswith(b"version https://git-lfs"):
        raise _unreadable(terms, "it is a Git LFS pointer, not the file. Deliver the file itself")
    if not head:
        raise _unreadable(terms, "it is empty. Deliver it again")
    if zipped and terms.compression == "none":
        raise _unreadable(
            terms, "it is gzip, the contract says compression `none`. Decompress it, or change the contract"
        )
    if not zipped and terms.compression == "gzip":
        raise _unreadable(terms, "it is not gzip, the contract says so. Compress it, or change the contract")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) and terms.encoding != "utf-16" and terms.format != "parquet":
        raise _unreadable(terms, f"it looks like UTF-16, the contract says {terms.encoding}. Export it again")


def _unreadable(terms: Terms, what: str) -> DeliveryRejected:
    return DeliveryRejected("unreadable_file", f"{terms.name}: {what}, and deliver again under a new id.")
