"""Files that would hurt the machine: all must end as a refusal with a reason, soon and in little memory.

They are written as streams: a bomb of gigabytes takes megabytes on the disk.
"""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa

from benchmarks.hostile_cases import FIELDS, Made
from benchmarks.hostile_oracles import Expected
from labelaudit.readers.terms import Field, Terms
from tests.readers import valid_files

MEBIBYTE = 1 << 20
BOMB_MEBIBYTES = 2_048
DEPTH = 100_000
LONG_MEBIBYTES = 64
REFUSED = Expected((), False)
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22e\nsize 12345\n"

Write = Callable[[Path], object]


def cases() -> Iterator[Made]:
    for packing, suffix in (("gzip", ".gz"), ("zstd", ".zst"), ("zip", ".zip")):
        for name, block in (("zeros", b"\0" * MEBIBYTE), ("rows", b"a,b,cat,\n" * (MEBIBYTE // 9))):
            for kind in ("csv", "jsonl", "parquet"):
                if name == "zeros" or kind == "csv":
                    yield _made(f"{packing} bomb of {name}", kind, partial(_bomb, packing, block), suffix, packing)
        yield _made(f"{packing} within {packing}", "csv", partial(_twice, packing), suffix, packing)
    yield _made("a zip that lies about its size", "csv", _lying, ".zip", "zip")
    yield _made("a zip of 20,000 files", "csv", _crowded, ".zip", "zip")
    for kind, container in (
        ("jsonl", ""),
        ("json", ""),
        ("label_studio", "json"),
        ("labelbox", "jsonl"),
        ("coco", "json"),
    ):
        for name, opening in (("[", b"["), ('{"a":', b'{"a":'), ('[{"a":', b'[{"a":')):
            write = partial(_repeated, b"", opening, DEPTH)
            yield _made(f"{DEPTH:,} times {name}", kind, write, ".json", container=container)
        inside = partial(_repeated, b'[{"item": ', b"[", DEPTH)
        yield _made(f"{DEPTH:,} deep in a record", kind, inside, ".json", container=container)
    for kind, start in (
        ("csv", b"item,annotator,label,note\na,b,c,"),
        ("jsonl", b'{"item": "'),
        ("json", b'[{"item": "'),
    ):
        write = partial(_repeated, start, b"x" * MEBIBYTE, LONG_MEBIBYTES)
        yield _made(f"a line of {LONG_MEBIBYTES} MiB", kind, write, f".{kind}")
    quote = partial(_repeated, b'item,annotator,label,note\n"', b"x\n" * 10_000, 20)
    yield _made("a quote never closed", "csv", quote, ".csv", expected=Expected((), False))
    for kind in ("csv", "jsonl", "json", "parquet", "arrow", "excel", "coco"):
        container = "json" if kind == "coco" else ""
        yield _made("a pointer of Git LFS", kind, partial(_written, LFS), _suffix(kind), container=container)
        page = b"<!DOCTYPE html>\n<html><body>Sign in</body></html>\n"
        yield _made("a web page", kind, partial(_written, page), _suffix(kind), container=container)
        yield _made("an empty file", kind, partial(_written, b""), _suffix(kind), container=container)
        yield _made(
            "a JPEG", kind, partial(_written, b"\xff\xd8\xff\xe0\0\x10JFIF" + bytes(range(256)) * 9), _suffix(kind)
        )
    for kind in ("jsonl", "json", "coco"):
        text = valid_files.valid_files()[kind].content.decode()
        for encoding in ("utf-16", "utf-16-le", "utf-32"):
            write = partial(_written, text.encode(encoding))
            yield _made(f"{encoding}, not declared", kind, write, ".json", container="json" if kind == "coco" else "")
    yield _made("a book of a billion laughs", "excel", partial(_book, _LAUGHS), ".xlsx")
    yield _made("a book that reads /etc/passwd", "excel", partial(_book, _ENTITY), ".xlsx")
    yield _made("a book that is a bomb", "excel", _book_bomb, ".xlsx")
    yield _made(
        "an old or encrypted book",
        "excel",
        partial(_written, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 4096),
        ".xlsx",
    )
    for name, footer in (("a footer of 4 GiB", b"\xff\xff\xff\xff"), ("a negative footer", b"\xff\xff\xff\x7f")):
        yield _made(name, "parquet", partial(_written, b"PAR1" + b"\0" * 100 + footer + b"PAR1"), ".parquet")
    giant = b"ARROW1\0\0" + b"\xff\xff\xff\xff" + struct.pack("<i", 0x7FFFFFF0) + b"\0" * 64
    yield _made("a message of 2 GiB", "arrow", partial(_written, giant), ".arrow")


def _made(
    name: str,
    kind: str,
    write: Write,
    suffix: str,
    packing: str = "none",
    container: str = "",
    expected: Expected = REFUSED,
) -> Made:
    fields = FIELDS if kind in ("csv", "jsonl", "json", "parquet", "arrow", "excel") else (Field("label", "label"),)
    terms = Terms(f"bomb{suffix}", kind, fields, compression=packing, container=container)
    return Made("made: bombs", f"{name}{suffix}", suffix, terms, write, expected)


def _suffix(kind: str) -> str:
    return {"excel": ".xlsx", "coco": ".json"}.get(kind, f".{kind}")


def _written(content: bytes, path: Path) -> None:
    path.write_bytes(content)


def _repeated(start: bytes, block: bytes, times: int, path: Path) -> None:
    with path.open("wb") as file:
        file.write(start)
        for _ in range(times):
            file.write(block)


def _bomb(packing: str, block: bytes, path: Path) -> None:
    if packing == "zip":
        with (
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
            archive.open("labels.csv", "w", force_zip64=True) as file,
        ):
            _fill(file, block)
    else:
        packed = (
            partial(gzip.open, path, "wb", 1)
            if packing == "gzip"
            else partial(pa.CompressedOutputStream, str(path), "zstd")
        )
        with packed() as file:
            _fill(file, block)


def _fill(file, block: bytes) -> None:
    file.write(b"item,annotator,label,note\n")
    for _ in range(BOMB_MEBIBYTES // 8):
        file.write(block)


def _twice(packing: str, path: Path) -> None:
    pack = {"gzip": gzip.compress, "zstd": lambda content: pa.compress(content, "zstd", asbytes=True)}.get(
        packing, _zipped
    )
    path.write_bytes(pack(pack(b"item,annotator,label,note\na,b,cat,x\n")))


def _zipped(content: bytes, name: str = "labels.csv") -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return target.getvalue()


def _lying(path: Path) -> None:
    """The directory says 10 bytes, where there are 1 MiB."""
    content = bytearray(_zipped(b"item,annotator,label,note\n" + b"a,b,cat,x\n" * 100_000))
    directory = content.rindex(b"PK\x01\x02")
    content[directory + 24 : directory + 28] = struct.pack("<I", 10)
    path.write_bytes(bytes(content))


def _crowded(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(20_000):
            archive.writestr(f"{number}.csv", b"")


_LAUGHS = "<!DOCTYPE sst [<!ENTITY a0 'ha'>{}]>".format(
    "".join(f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 10))
)
_ENTITY = "<!DOCTYPE sst [<!ENTITY a9 SYSTEM 'file:///etc/passwd'>]>"


def _book(doctype: str, path: Path) -> None:
    """A valid book whose first annotator is an entity."""
    source = zipfile.ZipFile(io.BytesIO(valid_files.valid_files()["excel"].content))
    with source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in source.namelist():
            text = source.read(name).decode()
            if ">ann<" in text:  # its shared strings, or its sheet
                root = text.index("<", text.index("?>")) if text.startswith("<?") else 0
                text = doctype + text[root:].replace(">ann<", ">&a9;<", 1)
            archive.writestr(name, text)


def _book_bomb(path: Path) -> None:
    source = zipfile.ZipFile(io.BytesIO(valid_files.valid_files()["excel"].content))
    with source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in source.namelist():
            if name != "xl/worksheets/sheet1.xml":
                archive.writestr(name, source.read(name))
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as file:
            file.write(b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>')
            for number in range(BOMB_MEBIBYTES // 8):
                file.write(
                    b'<row r="%d"><c t="inlineStr"><is><t>' % (number + 1) + b" " * MEBIBYTE + b"</t></is></c></row>"
                )
