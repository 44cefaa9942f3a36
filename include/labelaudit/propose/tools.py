"""Which tool or dataset a record comes from, by its keys, and which questions it answers: for `recognising` only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from labelaudit.readers.exports import doccano, ground_truth, labelbox, scale
from labelaudit.readers.exports.label_studio import NO_LABELS

Record = dict[str, Any]


def tool_of(records: Sequence[Record]) -> str | None:
    """The format of nested records, as contracts call it, that most of them have; None: they are flat or unknown."""
    votes = Counter(next((tool for tool, is_one in _SIGNS.items() if is_one(record)), None) for record in records)
    known = len(records) - votes.pop(None, 0)
    tool, count = max(votes.items(), key=lambda one: one[1], default=(None, 0))
    return tool if known >= len(records) / 2 and count > known / 2 else None


def questions_in(tool: str, records: Sequence[Record]) -> tuple[str, ...]:
    """The questions that the records answer, in their order; empty where the format has no questions."""
    find = _QUESTIONS.get(tool)
    names = (name for record in records for name in find(record)) if find else ()
    return tuple(dict.fromkeys(name for name in names if isinstance(name, str)))


def _at(value: Any, *path: str) -> Iterator[Any]:
    """What lies at a path of keys, `*` being every element or value; nothing where the path leads nowhere."""
    if not path:
        yield value
        return
    if path[0] == "*":
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    else:
        inner = [value[path[0]]] if isinstance(value, dict) and path[0] in value else ()
    for one in inner:
        yield from _at(one, *path[1:])


def _lists(record: Record, key: str) -> list[Any] | None:
    value = record.get(key)
    return value if isinstance(value, list) else None


def _is_label_studio(record: Record) -> bool:
    done = _lists(record, "annotations" if "annotations" in record else "completions")
    results = done is not None and all(isinstance(one, dict) and "result" in one for one in done)
    return results and ("data" in record or bool(done)) and "id" in record


def _is_label_studio_min(record: Record) -> bool:
    return {"id", "annotation_id"} <= record.keys() and bool({"lead_time", "annotator"} & record.keys())


def _is_labelbox(record: Record) -> bool:
    return {"data_row", "projects"} <= record.keys() or (
        "Label" in record and bool({"DataRow ID", "Labeled Data", "External ID"} & record.keys())
    )


def _is_scale(record: Record) -> bool:
    return {"task_id", "status"} <= record.keys() and bool({"response", "params"} & record.keys())


def _is_ground_truth(record: Record) -> bool:
    sourced = "source-ref" in record or "source" in record
    return sourced and any(key.endswith(ground_truth.METADATA) for key in record)


def _is_helpsteer(record: Record) -> bool:
    return any(_lists(record, key) is not None for key in ("individual_preference", "all_preferences_unprocessed"))


def _is_rubric(record: Record) -> bool:
    return any(isinstance(one, dict) and "criterion" in one for one in _lists(record, "rubrics") or ())


def _is_preference(record: Record) -> bool:
    return all(isinstance(record.get(key), str | list) for key in ("chosen", "rejected"))


def _is_kto(record: Record) -> bool:
    return {"prompt", "completion"} <= record.keys() and isinstance(record.get("label"), bool)


def _is_prodigy(record: Record) -> bool:
    own = {"_input_hash", "_task_hash", "_timestamp", "accept", "options", "tokens", "spans", "_view_id"}
    return record.get("answer") in ("accept", "reject", "ignore") and bool(own & record.keys())


def _is_spans(record: Record) -> bool:
    if not isinstance(record.get("text"), str) or "cats" in record:
        return False
    spans = [one for key in ("spans", "entities") for one in _lists(record, key) or ()]
    return bool(spans) and all(_is_triple(one) or (isinstance(one, dict) and "start" in one) for one in spans)


def _is_doccano(record: Record) -> bool:
    if not any(isinstance(record.get(key), str) for key in ("text", "data")):
        return False
    return any(_lists(record, key) is not None for key in doccano.KEYS)


def _is_triple(one: Any) -> bool:
    return isinstance(one, list) and len(one) == 3 and all(type(side) is int for side in one[:2])


_SIGNS: dict[str, Callable[[Record], bool]] = {
    "label_studio": _is_label_studio,
    "label_studio_min": _is_label_studio_min,
    "labelbox": _is_labelbox,
    "scale": _is_scale,
    "ground_truth": _is_ground_truth,
    "helpsteer": _is_helpsteer,
    "rubric": _is_rubric,
    "preference": _is_preference,
    "kto": _is_kto,
    "prodigy": _is_prodigy,
    "spans": _is_spans,
    "doccano": _is_doccano,
}
"""In this order: what comes first has the more certain marks."""


def _of_label_studio(record: Record) -> Iterator[Any]:
    for key in ("annotations", "completions"):
        for result in _at(record, key, "*", "result", "*"):
            if isinstance(result, dict) and result.get("type") not in NO_LABELS:
                yield result.get("from_name")


def _of_label_studio_min(record: Record) -> Iterator[Any]:
    for key, value in record.items():
        regions = [name for one in _at(value, "*") if isinstance(one, dict) for name in one if name.endswith("labels")]
        if any(_at(value, "choices")) or (isinstance(value, list) and regions):
            yield key


def _of_labelbox(record: Record) -> Iterator[Any]:
    holders = [*_at(record, "projects", "*", "labels", "*", "annotations"), *_at(record, "Label")]
    for holder in holders:
        for one in _at(holder, "classifications", "*"):
            if isinstance(one, dict):
                yield one.get("value") if "title" in one else one.get("name")
        if any(_at(holder, "objects", "*")):
            yield labelbox.OBJECTS


def _of_scale(record: Record) -> Iterator[Any]:
    yield from ("category" for _ in _at(record, "response", "category"))
    for holder in ("taxonomies", "annotations"):
        for found in _at(record, "response", holder):
            if isinstance(found, dict):
                yield from found
            elif isinstance(found, list) and found:
                yield scale.ANNOTATIONS


def _of_ground_truth(record: Record) -> Iterator[Any]:
    for key in record:
        if key.endswith(ground_truth.METADATA) and key.removesuffix(ground_truth.METADATA) in record:
            yield key.removesuffix(ground_truth.METADATA)


def _of_doccano(record: Record) -> Iterator[Any]:
    yield from (key for key in doccano.KEYS if record.get(key) not in (None, [], ""))


_QUESTIONS: dict[str, Callable[[Record], Iterator[Any]]] = {
    "label_studio": _of_label_studio,
    "label_studio_min": _of_label_studio_min,
    "labelbox": _of_labelbox,
    "scale": _of_scale,
    "ground_truth": _of_ground_truth,
    "doccano": _of_doccano,
}
