"""A delivered file as plain bytes: decompressed, and refused in the vendor's words where it is something else.

gzip and zstd are streamed; `unpacked` writes to a scratch file what has to be one: the members of a zip, one after
another, and compressed formats that are read from their end.
"""

from __future__ import annotations

import codecs
import gzip
import io
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import IO, BinaryIO

import pyarrow as pa

from labelaudit.contracts.formats import FORMATS
from labelaudit.errors import DeliveryRejected
from labelaudit.readers.litter import is_litter
from labelaudit.readers.sources import OpenFile, Source
from labelaudit.readers.terms import Terms

Scratch = Callable[[], AbstractContextManager[BinaryIO]]
"""Gives an empty file to write to and read again, for the length of a context."""

SEEKING = tuple(name for name, entry in FORMATS.items() if entry.seeks)
"""Formats, or containers of formats, that can't be streamed."""

FREE_BYTES = 64 << 20
MAX_RATIO = 200
"""What is unpacked to more than FREE_BYTES may be no more than MAX_RATIO times as large: labels do not pack better."""

DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, NotImplementedError, pa.ArrowException)

_SIGNS = {
    b"version https://git-lfs": ("git-lfs", "it is a Git LFS pointer, not the file. Deliver the file itself"),
    b"\x1f\x8b": ("gzip", ""),
    b"\x28\xb5\x2f\xfd": ("zstd", ""),
    b"PK\x03\x04": ("zip", ""),
    b"PK\x05\x06": ("zip", ""),
    b"PAR1": ("parquet", "it is a Parquet file"),
    b"ARROW1": ("arrow", "it is an Arrow file"),
    b"\xd0\xcf\x11\xe0": ("ole", "it is an old or an encrypted Office file. Save it as .xlsx without a password"),
    b"%PDF": ("pdf", "it is a PDF. Export the table itself"),
    b"<!DOCTYPE html": ("html", "it is a web page, perhaps of a login. Download the file itself"),
    b"<html": ("html", "it is a web page, perhaps of a login. Download the file itself"),
}


@contextmanager
def opened(path: Source, terms: Terms) -> Iterator[BinaryIO]:
    """The file's bytes, decompressed. Raises DeliveryRejected(unreadable_file) wherever they turn out to be damaged."""
    with path.open("rb") as file:
        _sniff(file.read(64), terms)
        file.seek(0)
        stream: IO[bytes] = file
        if terms.compression == "gzip":
            stream = io.BufferedReader(_Unpacking(gzip.GzipFile(fileobj=file), path, terms), 1 << 20)
        elif terms.compression == "zstd":
            stream = io.BufferedReader(_Unpacking(pa.CompressedInputStream(file, "zstd"), path, terms), 1 << 20)
        try:
            yield stream
        except (*DAMAGED, OSError) as error:
            if terms.compression == "none" or getattr(error, "errno", None):  # not the file's fault but the disk's
                raise
            raise unreadable(
                terms, f"the {terms.compression} data is damaged or cut off ({error}). Compress it again"
            ) from error


def needs_scratch(terms: Terms) -> bool:
    """Whether what is packed has to be unpacked to a file."""
    seeks = terms.format in SEEKING or terms.container in SEEKING
    return terms.compression == "zip" or (terms.compression != "none" and seeks)


def unpacked(path: Source, terms: Terms, scratch: Scratch) -> Iterator[tuple[Source, Terms]]:
    """The file, or the files in it, as readers want them: streams of text as they are, all else plain in a scratch.

    What came before must be done with when the next is asked for: they may lie in the same file.
    """
    if terms.compression == "zip":
        yield from _members(path, terms, scratch)
    elif needs_scratch(terms):
        with scratch() as plain:
            with opened(path, terms) as stream:
                shutil.copyfileobj(stream, plain, 1 << 20)
            yield _plain(plain), replace(terms, compression="none")
    else:
        yield path, terms


def _plain(file: BinaryIO) -> Source:
    file.flush()
    return OpenFile(file.fileno())


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


def unreadable(terms: Terms, what: str, code: str = "unreadable_file") -> DeliveryRejected:
    """The refusal of a whole file. `what` says what was found, where, and what to do."""
    return DeliveryRejected(code, f"{terms.name}: {what}, and deliver again under a new id.")


class _Unpacking(io.RawIOBase):
    """A decompressing stream that stops where it gives absurdly more than it was given."""

    def __init__(self, stream: IO[bytes], path: Source, terms: Terms):
        self._stream, self._terms, self._bytes = stream, terms, 0
        self._limit = max(FREE_BYTES, MAX_RATIO * path.stat().st_size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        piece = self._stream.read(len(buffer))
        buffer[: len(piece)] = piece
        self._bytes += len(piece)
        if self._bytes > self._limit:
            raise _bomb(self._terms, self._limit)
        return len(piece)


def _members(path: Source, terms: Terms, scratch: Scratch) -> Iterator[tuple[Source, Terms]]:
    with opened(path, terms) as file:
        try:
            archive = zipfile.ZipFile(file)
        except (*DAMAGED, ValueError, UnicodeError) as error:
            raise unreadable(terms, f"the zip archive is damaged or cut off ({error}). Make it again") from error
        left = limit = max(FREE_BYTES, MAX_RATIO * path.stat().st_size)
        members = [member for member in archive.infolist() if not member.is_dir() and not is_litter(member.filename)]
        if not members:
            raise unreadable(terms, "the zip archive holds no file. Make it again")
        for member in sorted(members, key=lambda entry: entry.filename):
            inner = replace(terms, name=f"{terms.name}/{_named(member.filename)}", compression="none")
            if member.flag_bits & 1:
                raise unreadable(inner, "it is encrypted. Make the archive without a password")
            with scratch() as plain:
                try:
                    with archive.open(member) as stream:
                        while block := stream.read(1 << 20):
                            left -= len(block)
                            if left < 0:
                                raise _bomb(terms, limit)
                            plain.write(block)
                except (*DAMAGED, RuntimeError, OSError) as error:
                    raise unreadable(inner, f"the zip archive is damaged there ({error}). Make it again") from error
                yield _plain(plain), inner


def _named(member: str) -> str:
    return shown(member.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape"))[:200]


def _bomb(terms: Terms, limit: int) -> DeliveryRejected:
    return unreadable(
        terms,
        f"it unpacks to more than {limit >> 20} MiB, {MAX_RATIO} times its size or more: no labels pack so well."
        " Deliver it unpacked",
        "too_large",
    )


def _sniff(head: bytes, terms: Terms) -> None:
    """Refuse what is plainly something else than the contract says."""
    if not head:
        raise unreadable(terms, "it is empty. Export it again")
    kind, what = next((compression for sign, compression in _SIGNS.items() if head.startswith(sign)), ("", ""))
    inside = terms.format if terms.format in SEEKING else terms.container
    if kind in ("gzip", "zstd", "zip") and (kind == "zip" and inside == "excel" and terms.compression == "none"):
        return
    if kind in ("gzip", "zstd", "zip") and terms.compression != kind:
        said = f"the contract says compression `{terms.compression}`"
        raise unreadable(terms, f"it is {kind}, {said}. Pack it as the contract says, or have the contract changed")
    if terms.compression not in ("none", kind):
        raise unreadable(terms, f"it is not {terms.compression}, the contract says so. Pack it, or change the contract")
    if kind in ("git-lfs", "pdf", "html") or (kind == "ole" and inside != "excel"):
        raise unreadable(terms, what)
    if kind in ("parquet", "arrow") and inside != kind:
        raise unreadable(terms, f"{what}, the contract says {terms.format}. Export it as the contract says")
    if head.startswith(codecs.BOM_UTF8) and not terms.encoding.startswith("utf-8") and inside not in SEEKING:
        what = f"it begins with the mark of UTF-8, the contract says {terms.encoding}"
        raise unreadable(terms, f"{what}. Have its `encoding` changed to utf-8, or export it again", "bad_encoding")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) and terms.encoding != "utf-16" and inside not in SEEKING:
        raise unreadable(terms, f"it looks like UTF-16 or UTF-32, the contract says {terms.encoding}. Export it again")
