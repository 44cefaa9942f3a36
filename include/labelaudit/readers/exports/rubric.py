"""Rubric grades: a record with `rubrics` (criterion, points, tags) and `criteria_met`, one truth for each criterion.

Each criterion of a record is an item, `<record>#<number from 0>`, with the label true or false.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labelaudit.readers.documents.noting import peek
from labelaudit.readers.exports import as_json, digest_id, field, guarded, listed, misfit, rest, typed
from labelaudit.readers.exports.preference import annotator_of, own_id
from labelaudit.readers.records import Part, Unfit
from labelaudit.readers.terms import Terms


@guarded
def labels(record: Any, terms: Terms) -> Iterator[Part | Unfit]:
    rubrics = field(record, "rubrics", list)
    if not rubrics:
        raise misfit(".rubrics", None, "unlabelled", "the record has no criterion")
    met = field(record, "criteria_met", list, "", None)
    if met is not None and len(met) != len(rubrics):
        reason = f"{len(met)} grades for {len(rubrics)} criteria"
        raise misfit(".criteria_met", None, "wrong_length", reason)
    content = [peek(record, key) for key in ("prompt", "completion", "response")]
    name = own_id(record) or digest_id(*content)
    prompt = record.get("prompt")
    cells = {
        **rest(record, "prompt", "rubrics", "criteria_met"),
        "document": name,
        "annotator": annotator_of(record) or _grader(record),
        "prompt": prompt if isinstance(prompt, str) else as_json(prompt),
    }
    for number, criterion in enumerate(rubrics):
        path = f".rubrics[{number}]"
        grade = (met[number], f".criteria_met[{number}]") if met is not None else None
        yield from _criterion(criterion, grade, {**cells, "item": f"{name}#{number}"}, path)


@guarded
def _criterion(entry: Any, grade: tuple[Any, str] | None, cells: dict[str, Any], path: str) -> Iterator[Part | Unfit]:
    criterion = field(entry, "criterion", str, path)
    if grade is None:
        met, path = field(entry, "criteria_met", bool, path), f"{path}.criteria_met"
    else:
        met, path = typed(grade[0], bool, grade[1], "criteria_met"), grade[1]
    more = {"criterion": criterion, "points": field(entry, "points", (int, float), path, None)}
    more["tags"] = as_json(entry["tags"]) if "tags" in entry else None
    yield Part({**cells, **more, "label": "true" if met else "false"}, path)


def _grader(record: dict[str, Any]) -> str | None:
    return next((str(record[key]) for key in ("grader", "grader_id") if isinstance(record.get(key), str | int)), None)


def recognises(record: dict[str, Any]) -> bool:
    return any(isinstance(entry, dict) and "criterion" in entry for entry in listed(record, "rubrics") or ())
