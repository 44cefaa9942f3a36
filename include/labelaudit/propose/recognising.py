"""What a sample file is: its packing, format, encoding, dialect and tool, as terms of a contract to be proposed.

The content is asked first and the name second. Only the beginning is looked at here; what a library must parse is
parsed by the readers, in their own process. A proposal for a person: deliveries are read by contract, never by guess.
"""

from __future__ import annotations

import codecs
import io
import json
import re
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from labelaudit import readers
from labelaudit.contracts.delivery import Vendor
from labelaudit.contracts.formats import EXPORTS, FORMATS
from labelaudit.contracts.model import Contract
from labelaudit.errors import DeliveryRejected, InvalidInput
from labelaudit.propose.dialects import written
from labelaudit.propose.first_bytes import beginning, sheets, text_in_its_encoding
from labelaudit.propose.tools import document_of, questions_in, tool_of
from labelaudit.readers.opening import opened
from labelaudit.readers.records import Row
from labelaudit.readers.terms import Terms
from labelaudit.rejects.records import Reject
from labelaudit.stage.staging import terms_for

FIRST_RECORDS, TITLE_ROWS = 200, 50
KEYED = tuple(name for name, entry in FORMATS.items() if entry.keyed)
ENCODINGS = tuple(Vendor.model_fields["encoding"].annotation.__args__)
_BINARY = {b"PAR1": "parquet", b"PARE": "parquet", b"ARROW1": "arrow", b"FEA1": "arrow", b"\xff\xff\xff\xff": "arrow"}
_PIECES = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|[{}\[\]:]', re.DOTALL)
DOCUMENTS = tuple(name for name, entry in FORMATS.items() if entry.kind == "document")


@dataclass(frozen=True)
class Recognised:
    """A file's terms: as a contract has them, and as readers take them (no columns). `notes` are for a person to check.

    `questions` are those that the first records answer, `keys` the first records' own (a table's columns).
    """

    vendor: dict[str, Any]
    terms: Terms
    notes: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


def recognise(
    path: Path, as_format: str | None = None, question: str | None = None, encoding: str | None = None
) -> Recognised:
    """What the file is; of the format `as_format`, and the encoding, where a person says so.

    Raises InvalidInput, which says what was found and what to do, where no format can be told.
    """
    if as_format is not None and as_format not in FORMATS:
        raise InvalidInput(f"there is no format {as_format!r}; there are {', '.join(FORMATS)}")
    if encoding is not None and encoding not in ENCODINGS:
        raise InvalidInput(f"there is no encoding {encoding!r}; there are {', '.join(ENCODINGS)}")
    if path.is_dir():
        raise InvalidInput(f"{path}: it is a folder. Name a file in it, as the vendor delivers it")
    try:
        packing, head, whole, notes = beginning(path)
    except DeliveryRejected as error:
        raise InvalidInput(str(error)) from error
    vendor = {"format": "", **packing}
    kind = next((kind for sign, kind in _BINARY.items() if head.startswith(sign)), None)
    if kind is None and head.startswith(b"PK"):
        kind = "excel"
        names = sheets(head) if whole else []
        if len(names) > 1:
            vendor["sheet"] = names[0]
            notes.append(f"`sheet`: the first of {len(names)} ({', '.join(names)[:200]})")
    if kind is None:
        encoding, text = _text(path, head, whole, notes) if encoding is None else _said(path, head, whole, encoding)
        vendor |= {"encoding": encoding} if encoding != "utf-8" else {}
        _refuse_strange(path, vendor)
        kind = _json_kind(path, text, whole, as_format)
        if kind is None:
            return _delimited(path, vendor, text, whole, notes, as_format)
    return _with_records(path, vendor, kind, notes, as_format, question)


def terms_of(vendor: dict[str, Any], path: Path) -> Terms:
    """A contract's terms as readers take them, with no column declared."""
    made = Contract(
        customer="sample",
        dataset="sample",
        task="classification",
        classes=("a", "b"),
        columns={"item": {}, "annotator": {}, "label": {}},
        vendors={"sample": {key: value for key, value in vendor.items() if key != "columns"}},
        predictions={"source": "none"},
    )
    return replace(terms_for(made, "sample", path.name), fields=())


def _text(path: Path, head: bytes, whole: bool, notes: list[str]) -> tuple[str, str]:
    """The encoding, and the head as text. Raises InvalidInput for what is no text."""
    if head.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        raise InvalidInput(f"{path}: it looks like UTF-32, which is not read. Export it as UTF-8")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding, text = "utf-16", _decoded(head, "utf-16", whole)
    elif (text := _decoded(head, "utf-8-sig", whole)) is not None:
        encoding = "utf-8-sig" if head.startswith(codecs.BOM_UTF8) else "utf-8"
    else:
        encoding, text, note = text_in_its_encoding(path, head, whole)
        notes.append(note)
    if text is None:
        raise InvalidInput(f"{path}: it begins as UTF-16 and is damaged. Export it again, as UTF-8")
    if text[:4096].count("\0") > 0.05 * len(text[:4096]):
        raise InvalidInput(
            f"{path}: it holds NUL bytes: it is UTF-16 without its mark, or no format that is read"
            f" ({', '.join(FORMATS)}). Export it as UTF-8"
        )
    if not text.strip():
        emptiness = "it is empty" if not text else "it holds nothing but spaces"
        raise InvalidInput(f"{path}: {emptiness}; there are no rows to learn from. Export it again")
    return encoding, text


def _said(path: Path, head: bytes, whole: bool, encoding: str) -> tuple[str, str]:
    """The encoding that a person says, and the head as text."""
    text = _decoded(head, encoding, whole)
    if text is None or not text.strip():
        raise InvalidInput(f"{path}: it can't be read as {encoding}{'' if text is None else ': it is empty'}")
    return encoding, text.removeprefix("\ufeff")


def _decoded(head: bytes, encoding: str, whole: bool) -> str | None:
    try:
        return codecs.getincrementaldecoder(encoding)("strict").decode(head, final=whole)
    except UnicodeError:
        return None


def _refuse_strange(path: Path, vendor: dict[str, Any]) -> None:
    """What the readers refuse by its first bytes: web pages, PDF, Git LFS pointers, old Office files."""
    packed = {key: vendor[key] for key in ("compression", "encoding") if key in vendor}
    try:
        with opened(path, Terms(str(path), "csv", **packed)):
            pass
    except DeliveryRejected as error:
        raise InvalidInput(str(error)) from error


def _json_kind(path: Path, text: str, whole: bool, as_format: str | None) -> str | None:
    """`json`, `jsonl` or a document's format; None: it is delimited, if anything."""
    containers = EXPORTS.get(as_format or "", (as_format,) if as_format in KEYED else ())
    lines = [line for line in islice(io.StringIO(text), 1000) if line.strip()][:20]
    start, suffixes = text.lstrip()[0], {suffix.lower() for suffix in path.suffixes}
    if as_format in ("csv", "tsv"):
        return None
    one_a_line = _is_json(lines[0]) and len(lines) > 1
    in_lines = sum(line.strip()[0] == "{" and line.strip()[-1] == "}" for line in lines) > len(lines) / 2
    if start == "[":
        return "jsonl" if one_a_line else "json"
    if start == "{":
        keys = _top_keys(text)
        document = as_format if as_format in DOCUMENTS else None if one_a_line else document_of(keys)
        if document is not None:
            return document
        if _is_json(lines[0]) or in_lines:
            return "jsonl"
        if "jsonl" in containers or suffixes & {".jsonl", ".ndjson"}:
            return "jsonl"
        if not whole and len(lines) == 1:
            return "jsonl"
        shown = ", ".join(repr(key[:40]) for key in sorted(keys)[:12]) or "none"
        raise InvalidInput(
            f"{path}: it is JSON, and no list: an object with the keys {shown}. Export an array of objects, one object"
            " a line (JSON Lines), or COCO"
        )
    if in_lines or suffixes & {".jsonl", ".ndjson"}:
        return "jsonl"
    if ".json" in suffixes or containers:
        return "jsonl" if containers and containers[0] == "jsonl" else "json"
    return None


def _is_json(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict | list)
    except (ValueError, RecursionError):
        return False


def _top_keys(text: str) -> set[str]:
    """The keys of the object that the text begins with, as far as the text goes."""
    keys, depth, last = set(), 0, ""
    for match in _PIECES.finditer(text[: 1 << 20]):
        piece = match[0]
        depth += (piece in "{[") - (piece in "}]")
        if depth == 0:
            break
        if piece == ":" and depth == 1:
            keys.add(last[1:-1])
        last = piece
    return keys


def _delimited(
    path: Path, vendor: dict[str, Any], text: str, whole: bool, notes: list[str], as_format: str | None
) -> Recognised:
    written_as = written(text, whole)
    if as_format not in (None, "csv", "tsv"):
        raise InvalidInput(f"{path}: it does not begin as {as_format} does. Leave the format out, or export it again")
    if written_as is None:
        if as_format is None:
            first = text.lstrip().splitlines()[0][:60]
            raise InvalidInput(
                f"{path}: no format can be told: it begins with {first!r}, no JSON, and none of , ; tab | gives most"
                " lines the same number of fields, two or more. Export it as CSV with a header, or say what it is:"
                f" --format with one of {', '.join(FORMATS)}"
            )
        delimiter, dialect = "\t" if as_format == "tsv" else ",", {}
        names = tuple(text.lstrip().splitlines()[0].split(delimiter))
    else:
        delimiter, dialect, names = written_as.delimiter, written_as.dialect, written_as.names
        notes += written_as.notes
    vendor["format"] = "tsv" if delimiter == "\t" else "csv"
    if delimiter not in ("\t", ","):
        vendor["delimiter"] = delimiter
    if dialect:
        vendor["dialect"] = dialect
    return Recognised(vendor, terms_of(vendor, path), tuple(notes), keys=names)


def _with_records(
    path: Path, vendor: dict[str, Any], kind: str, notes: list[str], as_format: str | None, question: str | None
) -> Recognised:
    """Of files that hold records: the tool that they come from, by the first of them."""
    if kind == "excel" and (title := _title_rows(path, terms_of({**vendor, "format": kind}, path))):
        vendor["dialect"] = {"skip_lines": title}
        notes.append(f"`skip_lines`: {title} row(s) above the header seem to be a title")
    flat = {**vendor, "format": kind}
    records = [] if kind in DOCUMENTS else _first_records(path, terms_of(flat, path))
    tool = kind if kind in (*DOCUMENTS, "excel") else tool_of(records)
    if kind in ("parquet", "arrow") and kind not in EXPORTS.get(tool or "", ()):
        tool = None  # columns that happen to have a tool's names
    vendor["format"] = as_format or tool or kind
    allowed = EXPORTS.get(vendor["format"])
    if allowed is None and vendor["format"] != kind:
        raise InvalidInput(f"{path}: it is {kind}, not {as_format}. Leave the format out, or export it again")
    if allowed is not None and kind not in (*allowed, *DOCUMENTS):
        raise InvalidInput(
            f"{path}: records of {vendor['format']} in {kind}; they are read in {' or '.join(allowed)}. Export them so"
        )
    if allowed is not None and kind not in (allowed[0], *DOCUMENTS):
        vendor["records_in"] = kind
    questions = questions_in(vendor["format"], records)
    if question is not None:
        vendor["question"] = question
    keys = tuple(dict.fromkeys(key for record in records for key in record))
    return Recognised(vendor, terms_of(vendor, path), tuple(notes), questions, keys)


def _title_rows(path: Path, terms: Terms) -> int:
    """How many rows of a sheet come before its header: those without which most rows are as wide as it."""
    skipped = 0
    while skipped < TITLE_ROWS:
        try:
            rows = list(readers.rows(path, replace(terms, skip_lines=skipped), FIRST_RECORDS))
        except DeliveryRejected as error:
            if "row 1: the cells" not in str(error):
                return 0
            skipped += 1  # a title over several columns or rows
            continue
        wider = [row for row in rows if isinstance(row, Reject) and row.code == "wrong_width"]
        if not rows or len(wider) <= len(rows) / 2:
            return skipped
        skipped = wider[0].line - 1
    return 0


def _first_records(path: Path, terms: Terms) -> list[dict[str, Any]]:
    """Those that can be read: what is wrong with the rest is said by whoever reads the file."""
    rows: list[dict[str, Any]] = []
    try:
        for row in readers.rows(path, terms, FIRST_RECORDS):
            if isinstance(row, Row):
                rows.append(row.cells)
    except DeliveryRejected:
        pass
    return rows
