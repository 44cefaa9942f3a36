"""doccano's JSONL and JSON: `text` with `label` (or `labels`, `cats`, `entities`, `annotations`).

Names are classifications of the text (question `label` or `cats`), triples and objects with offsets are spans (question
`entities` where both are there): an item each, `<document>#<start>-<end>`. A text without an id is named by its digest.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labelaudit.readers.documents.noting import peek
from labelaudit.readers.exports import (
    as_label,
    field,
    guarded,
    identity,
    listed,
    misfit,
    only,
    question_of,
    rest,
    typed,
)
from labelaudit.readers.exports.spans import bounds
from labelaudit.readers.records import Part, Unfit
from labelaudit.readers.terms import Terms

KEYS = ("label", "labels", "cats", "entities", "annotations")


@guarded
def labels(record: Any, terms: Terms) -> Iterator[Part | Unfit]:
    typed(record, dict, "")
    there = [key for key in KEYS if key in record]
    if not there:
        raise misfit("", None, "unlabelled", f"none of the keys {', '.join(KEYS)}")
    text = field(record, "text" if "text" in record or "data" not in record else "data", str)
    document = identity(record, ("id",), text)
    answered = [key for key in there if peek(record, key) not in (None, [], "")]
    key = question_of(answered, terms, "") if answered or terms.question is None else terms.question
    cells = {
        **rest(record, "id", "text", "data", "relations", *KEYS),
        "document": document,
        "text": text,
        "annotator": _annotator(record),
    }
    entries = record[key] if isinstance(record[key], list) else [record[key]]
    if entries and all(_is_span(entry) for entry in entries):
        for number, span in enumerate(entries):
            yield from _span(span, text, document, cells, f".{key}[{number}]")
    elif entries and all(isinstance(entry, dict) for entry in entries):
        for number, entry in enumerate(entries):
            yield from _by_user(entry, document, cells, f".{key}[{number}]")
    else:
        yield Part({**cells, "item": document, "label": only(entries, f".{key}")}, f".{key}")


def _is_span(entry: Any) -> bool:
    return (isinstance(entry, list) and len(entry) == 3) or (isinstance(entry, dict) and "start_offset" in entry)


@guarded
def _span(span: Any, text: str, document: str, cells: dict[str, Any], path: str) -> Iterator[Part | Unfit]:
    if isinstance(span, dict):
        start, end = (field(span, side, int, path) for side in ("start_offset", "end_offset"))
        label, who = field(span, "label", (str, int), path), span.get("user")
    else:
        start, end, label = typed(span[0], int, f"{path}[0]"), typed(span[1], int, f"{path}[1]"), span[2]
        who = None
    bounds(start, end, text, path)
    more = {"start": start, "end": end, "span": text[start:end]}
    more |= {"annotator": str(who)} if isinstance(who, str | int) else {}
    yield Part({**cells, **more, "item": f"{document}#{start}-{end}", "label": as_label(label, path)}, path)


@guarded
def _by_user(entry: dict[str, Any], document: str, cells: dict[str, Any], path: str) -> Iterator[Part | Unfit]:
    label = as_label(field(entry, "label", (str, int), path), path)
    who = field(entry, "user", (str, int), path, None)
    yield Part({**cells, "item": document, "label": label, "annotator": None if who is None else str(who)}, path)


def _annotator(record: dict[str, Any]) -> str | None:
    for key in ("username", "annotator", "user", "annotation_approver"):
        if isinstance(peek(record, key), str | int) and not isinstance(peek(record, key), bool):
            return str(record[key])
    return None


def recognises(record: dict[str, Any]) -> bool:
    if not any(isinstance(record.get(key), str) for key in ("text", "data")):
        return False
    return any(listed(record, key) is not None for key in KEYS)


def questions(record: dict[str, Any]) -> Iterator[Any]:
    yield from (key for key in KEYS if record.get(key) not in (None, [], ""))
