"""Prodigy's JSONL: an example with `answer` accept, reject or ignore.

A binary question (`label`, or suggested spans that were answered) gives the answer as the label and the question
beside it; a choice (`accept` with option ids) gives the option; spans that the annotator drew give one item each. An
ignored example was skipped, and so was a rejected one that asked for spans or a choice.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from labelaudit.readers.exports import as_label, field, guarded, identity, misfit, only, rest
from labelaudit.readers.exports.spans import bounds
from labelaudit.readers.records import Part, Unfit
from labelaudit.readers.terms import Terms

_OWN = ("answer", "spans", "tokens", "options", "accept", "relations", "label", "meta")


@guarded
def labels(record: Any, terms: Terms) -> Iterator[Part | Unfit]:
    answer = field(record, "answer", str)
    if answer == "ignore":
        raise misfit(".answer", "answer", "skipped", "the annotator ignored the example")
    if answer not in ("accept", "reject"):
        raise misfit(".answer", "answer", "wrong_nesting", f"found {answer[:40]!r}, expected accept, reject or ignore")
    content = next((record[key] for key in ("text", "image", "html", "prompt") if key in record), None)
    document = identity(record, ("_input_hash", "id"), content)
    who = field(record, "_annotator_id", (str, int), "", None) or field(record, "_session_id", (str, int), "", None)
    cells = {
        **rest(record, *_OWN),
        **rest(field(record, "meta", dict, "", {}), prefix="meta."),
        "document": document,
        "annotator": None if who is None else str(who),
        "timestamp": _time(record.get("_timestamp")),
    }
    spans = field(record, "spans", list, "", [])
    if "accept" in record:
        _must_be_accepted(answer)
        label = only(field(record, "accept", list), ".accept", "option")
        yield Part({**cells, "item": document, "label": label}, ".accept")
    elif "label" in record:
        question = field(record, "label", (str, int))
        yield Part({**cells, "item": document, "question": str(question), "label": answer}, "")
    elif spans:
        for number, span in enumerate(spans):
            yield from _span(span, answer, record.get("text"), document, cells, f".spans[{number}]")
    else:
        _must_be_accepted(answer)
        raise misfit("", None, "unlabelled", "the example holds no label, option or span")


@guarded
def _span(span: Any, answer: str, text: Any, document: str, cells: dict[str, Any], path: str) -> Iterator[Part | Unfit]:
    label = as_label(field(span, "label", (str, int), path), path)
    if "start" in span:
        start, end = field(span, "start", int, path), field(span, "end", int, path)
        if isinstance(text, str):
            bounds(start, end, text, path)
            cells = cells | {"span": text[start:end]}
        name = f"{start}-{end}"
        cells = cells | {"start": start, "end": end}
    else:
        name = str(field(span, "id", (str, int), path))
    item = f"{document}#{name}"
    if "answer" in span:  # the model proposed it, and the annotator said yes or no
        yield Part({**cells, "item": item, "question": label, "label": field(span, "answer", str, path)}, path)
        return
    _must_be_accepted(answer, path)
    yield Part({**cells, "item": item, "label": label}, path)


def _must_be_accepted(answer: str, path: str = "") -> None:
    if answer != "accept":
        raise misfit(path, "answer", "skipped", "the annotator rejected the example")


def _time(seconds: Any) -> str | None:
    """Prodigy's time of the answer (seconds since 1970) as ISO 8601."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < 1e11:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def recognises(record: dict[str, Any]) -> bool:
    own = {"_input_hash", "_task_hash", "_timestamp", "accept", "options", "tokens", "spans", "_view_id"}
    return record.get("answer") in ("accept", "reject", "ignore") and bool(own & record.keys())
