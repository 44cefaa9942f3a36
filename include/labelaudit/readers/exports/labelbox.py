"""Labelbox's NDJSON or JSON export: a data row, and its labels project by project; also the older one object a label.

A classification's answer labels the data row (the question is its name); an object is an item of its own,
`<data row>#<feature>`. The objects together are the question `objects`. Classifications of an object or of an answer,
and relationships, are listed with the delivery and not taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labelaudit.readers.documents.noting import peek
from labelaudit.readers.exports import field, guarded, look, misfit, only, question_of, reached, rest, shown, typed
from labelaudit.readers.records import Part, Unfit
from labelaudit.readers.terms import Terms

OBJECTS = "objects"
_SHAPES = ("bounding_box", "polygon", "line", "point", "location", "mask", "bbox")


@guarded
def labels(record: Any, terms: Terms) -> Iterator[Part | Unfit]:
    typed(record, dict, "")
    if "data_row" not in record and "Label" in record:
        yield from _old(record, terms)
        return
    row = str(field(field(record, "data_row", dict), "id", str, ".data_row"))
    cells = {"document": row, **rest(record, "projects", "attachments")}
    cells.pop("data_row.id", None)
    projects = field(record, "projects", dict)
    labelled = False
    for project, content in projects.items():
        path = f".projects.{project}"
        for number, label in enumerate(field(content, "labels", list, path)):
            labelled = True
            more = {"project": project, "project.name": content.get("name")}
            yield from _label(label, row, {**cells, **more}, f"{path}.labels[{number}]", terms)
    if not labelled:
        raise misfit(".projects", None, "unlabelled", "the data row has no label")


@guarded
def _label(label: Any, row: str, cells: dict[str, Any], path: str, terms: Terms) -> Iterator[Part | Unfit]:
    details = field(label, "label_details", dict, path, {})
    performance = field(label, "performance_details", dict, path, {})
    if "annotations" not in label and any(key in label for key in ("frames", "segments")):
        raise misfit(path, None, "wrong_nesting", "found frames of a video, expected annotations; they are not read")
    annotations = field(label, "annotations", dict, path)
    if "frames" in annotations or "segments" in annotations:
        raise misfit(path, None, "wrong_nesting", "found frames of a video, expected objects; they are not read")
    if field(details, "is_skipped", bool, path, False) or field(label, "skipped", bool, path, False):
        raise misfit(path, None, "skipped", "the annotator skipped the data row")
    benchmark = field(performance, "benchmark_reference_label", str, path, None)
    name = field(label, "id", str, path, None)
    cells = cells | {
        "annotation": name,
        "annotator": field(details, "created_by", str, f"{path}.label_details", None),
        "timestamp": field(details, "created_at", str, f"{path}.label_details", None),
        "seconds": field(performance, "seconds_to_create", (int, float), f"{path}.performance_details", None),
        "gold": field(details, "is_benchmark_reference", bool, path, None if benchmark is None else benchmark == name),
    }
    where = f"{path}.annotations"
    yield from _answers(annotations, row, cells, where, terms)


def _answers(
    annotations: dict[str, Any], row: str, cells: dict[str, Any], path: str, terms: Terms
) -> Iterator[Part | Unfit]:
    objects = field(annotations, "objects", list, path, [])
    questions: list[tuple[str, str, dict[str, Any], str]] = []
    for number, answer in enumerate(field(annotations, "classifications", list, path, [])):
        where = f"{path}.classifications[{number}]"
        key = "value" if isinstance(answer, dict) and "title" in answer and peek(answer, "value") else "name"
        questions.append((look(answer, key, str, where), key, answer, where))
    named = [name for name, *_ in questions] + ([OBJECTS] if objects else [])
    question = question_of(named, terms, path)
    if question == OBJECTS and objects:
        for number, region in enumerate(objects):
            yield from _object(region, row, cells, f"{path}.objects[{number}]")
        return
    answers = [(key, answer, where) for name, key, answer, where in questions if name == question]
    if len(answers) > 1:
        raise misfit(path, None, "several_labels", f"found {len(answers)} answers to {question!r}, expected one")
    key, answer, where = answers[0]
    field(answer, key, str, where)
    yield Part({**cells, "item": row, "label": _answer(answer, where)}, where)


def _answer(classification: dict[str, Any], path: str) -> str:
    """The answer to a classification. Raises Misfit where it is a text, or several."""
    for key in ("radio_answer", "answer"):
        if isinstance(classification.get(key), dict):
            answer = classification[key]
            return str(field(answer, "name" if "name" in answer else "title", str, f"{path}.{key}"))
    for key in ("checklist_answers", "answers"):
        if key in classification:
            names = [
                field(answer, "name" if "title" not in answer else "title", str, f"{path}.{key}")
                for answer in field(classification, key, list, path)
                if typed(answer, dict, f"{path}.{key}") is not None
            ]
            return only(names, f"{path}.{key}", "answer")
    if "text_answer" in classification or isinstance(classification.get("answer"), str):
        raise misfit(path, None, "unlabelled", "the question was answered with a text, which is no label")
    raise misfit(path, None, "unlabelled", f"no answer that can be read in {shown(classification)}")


@guarded
def _object(region: Any, row: str, cells: dict[str, Any], path: str) -> Iterator[Part | Unfit]:
    key = next((key for key in ("feature_id", "featureId") if isinstance(region, dict) and key in region), "feature_id")
    feature = field(region, key, str, path)
    label = field(region, "name" if "name" in region else "title", str, path)
    shape = {kind: region[kind] for kind in _SHAPES if kind in region}
    location = region.get("location")
    if isinstance(location, dict) and {"start", "end"} <= location.keys():
        start, end = (field(location, side, int, f"{path}.location") for side in ("start", "end"))
        feature = f"{start}-{end}"
        cells = cells | {"start": start, "end": end}
    for side in ("top", "left", "height", "width") if isinstance(region.get("bounding_box"), dict) else ():
        field(region["bounding_box"], side, (int, float), f"{path}.bounding_box")
    yield Part({**cells, **rest(shape), "item": f"{row}#{feature}", "label": label}, path)


def _old(record: dict[str, Any], terms: Terms) -> Iterator[Part | Unfit]:
    """The export before data rows: `ID`, `DataRow ID`, `Label`, `Created By`, `Seconds to Label`."""
    row = str(field(record, "DataRow ID" if "DataRow ID" in record else "External ID", str))
    label = record["Label"]
    if label == "Skip" or field(record, "Skipped", bool, "", False):
        raise misfit(".Label", None, "skipped", "the annotator skipped the data row")
    cells = {
        **rest(record, "Label"),
        "document": row,
        "annotation": field(record, "ID", str, "", None),
        "annotator": field(record, "Created By", str, "", None),
        "timestamp": field(record, "Created At", str, "", None),
        "seconds": field(record, "Seconds to Label", (int, float), "", None),
    }
    yield from _answers(typed(label, dict, ".Label"), row, cells, ".Label", terms)


def recognises(record: dict[str, Any]) -> bool:
    return {"data_row", "projects"} <= record.keys() or (
        "Label" in record and bool({"DataRow ID", "Labeled Data", "External ID"} & record.keys())
    )


def questions(record: dict[str, Any]) -> Iterator[Any]:
    holders = [*reached(record, "projects", "*", "labels", "*", "annotations"), *reached(record, "Label")]
    for holder in holders:
        for classification in reached(holder, "classifications", "*"):
            if isinstance(classification, dict):
                yield classification.get("value") if "title" in classification else classification.get("name")
        if any(reached(holder, "objects", "*")):
            yield OBJECTS
