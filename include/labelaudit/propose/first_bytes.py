"""The first bytes of a sample file, unpacked: as much of it as is looked at to tell what it is."""

from __future__ import annotations

import codecs
import html
import io
import re
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pyarrow as pa

from labelaudit.errors import InvalidInput
from labelaudit.readers.litter import is_litter
from labelaudit.readers.opening import DAMAGED
from labelaudit.readers.texts.encodings import TAKEN, WORD, guessed

HEAD_BYTES = 4 << 20
LETTERS_BYTES = 1 << 16
DAMAGED_RATIO = 10
"""So many times more sound characters than broken ones: it is UTF-8, and damaged."""

_SHEETS = re.compile(r'<(?:\w+:)?sheet\s[^>]*?\bname="([^"]*)"')


def beginning(path: Path) -> tuple[dict[str, Any], bytes, bool, list[str]]:
    """The packing as terms, the first unpacked bytes, whether they are all, and notes for a person.

    Raises InvalidInput where the file can't be opened or unpacked.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(HEAD_BYTES)
    except OSError as error:
        raise InvalidInput(f"{path}: it can't be opened: {error.strerror}. Name a file that can be read") from error
    whole = len(raw) < HEAD_BYTES
    if raw.startswith(b"PK") and not _is_workbook(path):
        return _zipped(path)
    for sign, compression in ((b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd")):
        if raw.startswith(sign):
            head, ended = _gunzipped(raw) if compression == "gzip" else _unzstd(raw)
            if not head:
                raise InvalidInput(
                    f"{path}: it is {compression}, and nothing can be unpacked: it is damaged or empty. Compress it"
                    " again"
                )
            return {"compression": compression}, head, whole and ended, []
    return {}, raw, whole, []


def text_in_its_encoding(path: Path, head: bytes, whole: bool) -> tuple[str, str, str]:
    """Encoding and text of a head that is not UTF-8, and what a person must know of it.

    Raises InvalidInput where it seems to be in an encoding that contracts can't name, or in none.
    """
    repaired = head.decode("utf-8", "surrogateescape")
    broken = sum("\udc80" <= letter <= "\udcff" for letter in repaired)
    sound = sum(letter > "\x7f" for letter in repaired) - broken
    if sound > DAMAGED_RATIO * broken:
        note = f"`encoding`: {broken} bytes of the sample are not UTF-8: a row with one will be a reject"
        return "utf-8", head.decode("utf-8", "replace").removeprefix("\ufeff"), note
    guess = guessed(head, whole)
    readable = [name for name in (guess.encoding, *guess.others) if name in TAKEN]
    if not guess.taken:
        seems = " or ".join((guess.encoding, *guess.others))
        raise InvalidInput(
            f"{path}: it is not UTF-8, and seems to be {seems}. Export it as UTF-8"
            + (f"; or, if it is {' or '.join(readable)}, say so with --encoding" if readable else "")
        )
    text = codecs.getincrementaldecoder(guess.encoding)("replace").decode(head, final=whole)
    if guess.certain:
        return guess.encoding, text, f"`encoding`: it is not UTF-8, and seems to be {guess.encoding}"
    shown = "; ".join(f"as {name} it reads {_letters(head, name)!r}" for name in (guess.encoding, *guess.others))
    return (
        guess.encoding,
        text,
        f"`encoding`: it is not UTF-8; {guess.encoding} is a guess, look at the letters: {shown}",
    )


def _letters(head: bytes, encoding: str) -> str:
    """A few of the words that are not ASCII."""
    words = dict.fromkeys(WORD.findall(head[:LETTERS_BYTES]))
    return " ".join([word.decode(encoding, "replace") for word in words][:5])[:60]


def _gunzipped(raw: bytes) -> tuple[bytes, bool]:
    """What can be unpacked of the first bytes, member by member, and whether that is all of it."""
    head = b""
    while raw and len(head) < HEAD_BYTES:
        member = zlib.decompressobj(31)
        try:
            head += member.decompress(raw, HEAD_BYTES - len(head))
        except zlib.error:
            return head, False
        if not member.eof:
            return head, False
        raw = member.unused_data
    return head, not raw


def _unzstd(raw: bytes) -> tuple[bytes, bool]:
    head = b""
    try:
        with pa.CompressedInputStream(io.BytesIO(raw), "zstd") as stream:
            while len(head) < HEAD_BYTES:
                more = stream.read(1 << 16)
                if not more:
                    return head, True
                head += more
    except (pa.ArrowException, OSError):
        pass  # cut off where the first bytes end, or damaged: the reader will say
    return head, False


def _is_workbook(file: Path | io.BytesIO) -> bool:
    try:
        with zipfile.ZipFile(file) as archive:
            return "[Content_Types].xml" in archive.namelist()
    except (*DAMAGED, OSError, ValueError):
        return False


def _zipped(path: Path) -> tuple[dict[str, Any], bytes, bool, list[str]]:
    """As `beginning`, of the first file in a zip archive: the readers take them by name."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [
                member for member in archive.infolist() if not member.is_dir() and not is_litter(member.filename)
            ]
            if not members:
                raise InvalidInput(f"{path}: the zip archive holds no file. Make it again")
            first = min(members, key=lambda member: member.filename)
            with archive.open(first) as file:
                head = file.read(HEAD_BYTES)
    except (*DAMAGED, OSError, ValueError, RuntimeError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(f"{path}: it is a zip archive that can't be read: {error}. Make it again") from error
    notes = [f"`compression`: {len(members)} files in the archive; {first.filename!r} was looked at"]
    return {"compression": "zip"}, head, len(head) < HEAD_BYTES, notes if len(members) > 1 else []


def sheets(head: bytes) -> list[str]:
    """The names of a whole workbook's sheets; none where they can't be read: the reader will say why."""
    try:
        with zipfile.ZipFile(io.BytesIO(head)) as archive, archive.open("xl/workbook.xml") as file:
            return [html.unescape(name) for name in _SHEETS.findall(file.read(1 << 20).decode("utf-8", "replace"))]
    except (*DAMAGED, OSError, ValueError, KeyError, RuntimeError):
        return []
