"""Scale's tasks: `task_id`, `status`, `params`, and a `response` with annotations, a category or several fields.

A box or polygon is an item of its own, `<task>#<uuid>`. Where the response answers several fields, the question names
one; the annotations that are regions are the question `annotations`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labelaudit.readers.documents.noting import peek
from labelaudit.readers.exports import as_label, field, guarded, misfit, only, question_of, reached, rest, typed
from labelaudit.readers.records import Part, Unfit
from labelaudit.readers.terms import Terms

ANNOTATIONS = "annotations"


@guarded
def labels(record: Any, terms: Terms) -> Iterator[Part | Unfit]:
    task = str(field(record, "task_id", (str, int)))
    status = field(record, "status", str)
    if status in ("canceled", "cancelled"):
        raise misfit(".status", "status", "skipped", "the task was cancelled")
    if status != "completed":
        raise misfit(".status", "status", "unlabelled", f"found status {status[:40]!r}, expected 'completed'")
    response = field(record, "response", dict)
    if isinstance(peek(response, "error"), str | dict):
        raise misfit(".response.error", None, "skipped", "the task ended in an error")
    cells = {
        **rest(record, "task_id", "response"),
        "document": task,
        "annotator": _worker(record),
        "timestamp": record.get("completed_at") or record.get("updated_at") or record.get("created_at"),
    }
    regions = peek(response, ANNOTATIONS)
    answers = _answers(response)
    named = [*answers, *([ANNOTATIONS] if isinstance(regions, list) and regions else [])]
    question = question_of(named, terms, ".response")
    if question != ANNOTATIONS or question in answers:
        holder, key, path = answers[question]
        yield Part({**cells, "item": task, "label": _label(holder[key], path)}, path)
        return
    for number, region in enumerate(regions):
        yield from _region(region, number, task, cells, f".response.annotations[{number}]")


def _answers(response: dict[str, Any]) -> dict[str, tuple[dict[str, Any], str, str]]:
    """Fields that were answered with a category: each object that holds an answer, its key there, and its path."""
    answers: dict[str, tuple[dict[str, Any], str, str]] = {}
    if "category" in response:
        answers["category"] = (response, "category", ".response.category")
    for holder in ("taxonomies", "annotations"):
        fields = peek(response, holder)
        for name, value in fields.items() if isinstance(fields, dict) else ():
            path = f".response.{holder}.{name}"
            nested = isinstance(value, dict) and "response" in value
            answers[str(name)] = (value, "response", f"{path}.response") if nested else (fields, name, path)
    return answers


def _label(value: Any, path: str) -> str:
    while isinstance(value, list):
        if len(value) != 1:
            return only([str(answer) for answer in value], path)
        value = value[0]
    if value is None:
        raise misfit(path, None, "unlabelled", "no category was given")
    return as_label(value, path)


@guarded
def _region(region: Any, number: int, task: str, cells: dict[str, Any], path: str) -> Iterator[Part | Unfit]:
    label = field(region, "label", str, path)
    name = field(region, "uuid", str, path, str(number))
    for side in ("left", "top", "width", "height"):
        if side in region:
            typed(region[side], (int, float), f"{path}.{side}", side)
    yield Part({**cells, **rest(region, "label", "uuid"), "item": f"{task}#{name}", "label": label}, path)


def _worker(record: dict[str, Any]) -> str | None:
    for key in ("worker_id", "worker", "tasker_id", "completed_by"):
        if isinstance(record.get(key), str | int) and not isinstance(record[key], bool):
            return str(record[key])
    return None


def recognises(record: dict[str, Any]) -> bool:
    return {"task_id", "status"} <= record.keys() and bool({"response", "params"} & record.keys())


def questions(record: dict[str, Any]) -> Iterator[Any]:
    yield from ("category" for _ in reached(record, "response", "category"))
    for holder in ("taxonomies", "annotations"):
        for response in reached(record, "response", holder):
            if isinstance(response, dict):
                yield from response
            elif isinstance(response, list) and response:
                yield ANNOTATIONS
