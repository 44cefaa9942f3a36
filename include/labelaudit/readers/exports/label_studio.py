"""Label Studio's full JSON export: tasks with `annotations` (once `completions`), each with a `result` of regions.

A classification (`choices`, `rating`, `taxonomy`, `pairwise`, `number`) labels the task; a region (`labels`,
`rectanglelabels`, …) is an item of its own, `<task>#<start>-<end>` of a text, `<task>#<region>` else. A text that an
annotator wrote (`textarea`) is no label, and a prediction is no annotation. What answers another control, and relations
between regions, are listed with the delivery and not taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labelaudit.readers.exports import (
    as_number,
    field,
    guarded,
    listed,
    look,
    misfit,
    only,
    question_of,
    reached,
    rest,
    typed,
)
from labelaudit.readers.records import Part, Unfit
from labelaudit.readers.terms import Terms

NO_LABELS = ("textarea", "relation")
_TASK = ("id", "annotations", "completions", "predictions", "drafts", "result")
_PLACE = ("start", "end", "text", "x", "y", "width", "height", "rotation", "points", "startOffset", "endOffset")


@guarded
def labels(record: Any, terms: Terms) -> Iterator[Part | Unfit]:
    task = str(field(record, "id", (int, str)))
    key = "completions" if "annotations" not in record and "completions" in record else "annotations"
    annotations = field(record, key, list)
    if not annotations:
        raise misfit(f".{key}", None, "unlabelled", "the task has no annotation")
    cells = {"document": task, **rest(record, *_TASK)}
    for number, annotation in enumerate(annotations):
        yield from _annotation(annotation, task, cells, f".{key}[{number}]", terms)


@guarded
def _annotation(annotation: Any, task: str, cells: dict[str, Any], path: str, terms: Terms) -> Iterator[Part | Unfit]:
    if field(annotation, "was_cancelled", bool, path, False):
        raise misfit(path, "was_cancelled", "skipped", "the annotator skipped the task")
    questions: dict[str, list[tuple[dict[str, Any], str]]] = {}
    for number, result in enumerate(field(annotation, "result", list, path)):
        where = f"{path}.result[{number}]"
        if look(result, "type", str, where) not in NO_LABELS:
            questions.setdefault(str(look(result, "from_name", str, where)), []).append((result, where))
    cells = cells | {
        "annotator": annotator_of(annotation.get("completed_by"), path),
        "seconds": field(annotation, "lead_time", (int, float), path, None),
        "timestamp": annotation.get("updated_at") or annotation.get("created_at"),
        "gold": field(annotation, "ground_truth", bool, path, None),
        "was_cancelled": False,
        "annotation": str(annotation["id"]) if annotation.get("id") is not None else None,
    }
    results = questions[question_of(list(questions), terms, path)]
    regions = [pair for pair in results if is_region(pair[0].get("value"))]
    if (regions and len(regions) < len(results)) or (not regions and len(results) > 1):
        raise misfit(path, None, "several_labels", f"found {len(results)} answers to one question, expected one")
    for result, where in results:
        yield from _result(result, task, cells, where)


@guarded
def _result(result: dict[str, Any], task: str, cells: dict[str, Any], path: str) -> Iterator[Part | Unfit]:
    value = field(result, "value", dict, path)
    kind, _ = field(result, "type", str, path), field(result, "from_name", str, path)
    label = label_of(value, kind, f"{path}.value")
    if not is_region(value):
        yield Part({**cells, "item": task, "label": label}, path)
        return
    region = region_of(value, result.get("id"), f"{path}.value")
    more = rest({key: value[key] for key in _PLACE if key in value})
    yield Part({**cells, **more, "item": f"{task}#{region}", "label": label}, path)


def label_of(value: dict[str, Any], kind: str, path: str) -> str:
    """The label that a result's value holds. Raises Misfit."""
    if kind == "pairwise":
        return only([field(value, "selected", str, path)], path)
    if kind in ("rating", "number"):
        return as_number(field(value, kind, (int, float), path), f"{path}.{kind}")
    if kind == "taxonomy":
        chains = [typed(chain, list, f"{path}.taxonomy") for chain in field(value, "taxonomy", list, path)]
        return only(["/".join(map(str, chain)) for chain in chains], f"{path}.taxonomy")
    return only(field(value, kind, list, path), f"{path}.{kind}")


def is_region(value: Any) -> bool:
    return isinstance(value, dict) and any(
        key in value for key in ("start", "x", "points", "rle", "sequence", "ranges")
    )


def region_of(value: dict[str, Any], name: Any, path: str) -> str:
    """A region's name: where it is in a text, so that two annotators' regions are one item, else its own id."""
    if isinstance(value.get("start"), int | str) and "end" in value:
        return f"{value['start']}-{value['end']}"
    if isinstance(name, str | int):
        return str(name)
    raise misfit(path, None, "missing_key", "the region has no id")


def annotator_of(who: Any, path: str) -> str | None:
    """Label Studio names people by number, by e-mail, or by an object that holds both."""
    if isinstance(who, dict):
        who = who.get("email") or who.get("id")
    if who is not None and (isinstance(who, bool) or not isinstance(who, str | int)):
        raise misfit(path, "completed_by", "wrong_nesting", f"found {str(who)[:60]!r}, expected a number or an e-mail")
    return None if who is None else str(who)


def recognises(record: dict[str, Any]) -> bool:
    done = listed(record, "annotations" if "annotations" in record else "completions")
    results = done is not None and all(isinstance(annotation, dict) and "result" in annotation for annotation in done)
    return results and ("data" in record or bool(done)) and "id" in record


def questions(record: dict[str, Any]) -> Iterator[Any]:
    for key in ("annotations", "completions"):
        for result in reached(record, key, "*", "result", "*"):
            if isinstance(result, dict) and result.get("type") not in NO_LABELS:
                yield result.get("from_name")
