"""Labelled spans of a text: `{"text": …, "spans": [{"start": 0, "end": 4, "label": "ORG"}]}`, or `[start, end, label]`.

Each span is an item, `<document>#<start>-<end>` (in characters, the end not included), so that several annotators'
labels of the same span are one item. A span that does not lie in its text, or quotes another, is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labelaudit.readers.exports import as_label, field, guarded, identity, listed, misfit, rest, typed
from labelaudit.readers.records import Part, Unfit
from labelaudit.readers.terms import Terms

KEYS = ("spans", "entities", "labels", "label")
IDS = ("id", "doc_id", "document_id", "item", "item_id")
ANNOTATORS = ("annotator", "annotator_id", "user", "worker", "worker_id")


@guarded
def labels(record: Any, terms: Terms) -> Iterator[Part | Unfit]:
    text = field(record, "text", str)
    key = next((key for key in KEYS if key in record), KEYS[0])
    spans = field(record, key, list)
    if not spans:
        raise misfit(f".{key}", None, "unlabelled", "the text has no span")
    document = identity(record, IDS, text)
    who = next((record[key] for key in ANNOTATORS if isinstance(record.get(key), str | int)), None)
    cells = {**rest(record, *KEYS), "document": document, "annotator": None if who is None else str(who)}
    for number, span in enumerate(spans):
        yield from _span(span, text, document, cells, f".{key}[{number}]")


@guarded
def _span(span: Any, text: str, document: str, cells: dict[str, Any], path: str) -> Iterator[Part | Unfit]:
    more: dict[str, Any] = {}
    if isinstance(span, list):
        if len(span) != 3:
            raise misfit(path, None, "wrong_nesting", f"found a list of {len(span)}, expected [start, end, label]")
        start, end = typed(span[0], int, f"{path}[0]", "start"), typed(span[1], int, f"{path}[1]", "end")
        label = as_label(span[2], f"{path}[2]")
    else:
        start, end = field(span, "start", int, path), field(span, "end", int, path)
        label = as_label(field(span, "label", (str, int), path), path)
        more = rest(span, "start", "end", "label", "text", prefix="span.")
        quoted = field(span, "text", str, path, None)
        bounds(start, end, text, path)
        if quoted is not None and quoted != text[start:end]:
            reason = f"`text` is {quoted[:60]!r}, from {start} to {end} there is {text[start:end][:60]!r}"
            raise misfit(path, "text", "wrong_nesting", reason)
    bounds(start, end, text, path)
    more |= {"start": start, "end": end, "span": text[start:end]}
    yield Part({**cells, **more, "item": f"{document}#{start}-{end}", "label": label}, path)


def bounds(start: int, end: int, text: str, path: str) -> None:
    """Raises Misfit where a span does not lie in its text."""
    if not 0 <= start < end <= len(text):
        reason = f"the span goes from {start} to {end}, the text has {len(text)} characters"
        raise misfit(path, None, "wrong_nesting", reason)


def recognises(record: dict[str, Any]) -> bool:
    if not isinstance(record.get("text"), str) or "cats" in record:
        return False
    spans = [span for key in ("spans", "entities") for span in listed(record, key) or ()]
    return bool(spans) and all(_is_triple(span) or (isinstance(span, dict) and "start" in span) for span in spans)


def _is_triple(span: Any) -> bool:
    return isinstance(span, list) and len(span) == 3 and all(type(side) is int for side in span[:2])
