"""Label Studio's JSON_MIN export: one flat object for each annotation, with one key for each control.

Controls and the task's own data lie side by side: a control with a single choice is plain text, and is told apart only
by the contract's `question`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labelaudit.readers.documents.noting import peek
from labelaudit.readers.exports import as_label, field, guarded, misfit, only, question_of, reached, rest, typed
from labelaudit.readers.exports.label_studio import annotator_of, region_of
from labelaudit.readers.records import Part, Unfit
from labelaudit.readers.terms import Terms

_OWN = ("id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time")


@guarded
def labels(record: Any, terms: Terms) -> Iterator[Part | Unfit]:
    task = str(field(record, "id", (int, str)))
    certain = [key for key, value in record.items() if key not in _OWN and _is_control(value)]
    if terms.question is None and not certain:
        raise misfit(
            "", None, "unlabelled", "no control can be told from the data; name it in the contract's `question`"
        )
    name = question_of([key for key in record if key not in _OWN] if terms.question else certain, terms, "")
    cells = {
        **rest(record, *_OWN, name),
        "document": task,
        "annotator": annotator_of(record.get("annotator"), ""),
        "annotation": str(record["annotation_id"]) if record.get("annotation_id") is not None else None,
        "seconds": field(record, "lead_time", (int, float), "", None),
        "timestamp": record.get("updated_at") or record.get("created_at"),
    }
    answer, path = record[name], f".{name}"
    if isinstance(answer, list) and any(isinstance(part, dict) for part in answer):
        for number, region in enumerate(answer):
            yield from _region(region, task, cells, f"{path}[{number}]")
    elif isinstance(answer, dict):
        yield Part({**cells, "item": task, "label": only(field(answer, "choices", list, path), path)}, path)
    elif isinstance(answer, list):
        yield Part({**cells, "item": task, "label": only(answer, path)}, path)
    elif answer is None or answer == "":
        raise misfit(path, name, "unlabelled", "no answer was given")
    else:
        yield Part({**cells, "item": task, "label": as_label(answer, path)}, path)


@guarded
def _region(region: Any, task: str, cells: dict[str, Any], path: str) -> Iterator[Part | Unfit]:
    typed(region, dict, path)
    key = next((key for key in region if key.endswith("labels") and isinstance(peek(region, key), list)), None)
    if key is None:
        raise misfit(path, None, "unlabelled", "the region has no label")
    more = rest(region, key)
    item = f"{task}#{region_of(region, region.get('id', _corner(region)), path)}"
    yield Part({**cells, **more, "item": item, "label": only(region[key], f"{path}.{key}")}, path)


def _corner(region: dict[str, Any]) -> str | None:
    """JSON_MIN leaves out the regions' ids; where a box lies names it as well."""
    places = [region.get(key) for key in ("x", "y", "width", "height")]
    if all(isinstance(place, int | float) and abs(place) < 1e300 for place in places):
        return ",".join(f"{place:.6g}" for place in places)
    points = region.get("points")
    return ";".join(str(point) for point in points[:4])[:200] if isinstance(points, list) and points else None


def _is_control(value: Any) -> bool:
    if isinstance(value, dict):
        return isinstance(peek(value, "choices"), list)
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(part, dict) and any(key.endswith("labels") for key in part) for part in value)
    )


def recognises(record: dict[str, Any]) -> bool:
    return {"id", "annotation_id"} <= record.keys() and bool({"lead_time", "annotator"} & record.keys())


def questions(record: dict[str, Any]) -> Iterator[Any]:
    for name, value in record.items():
        regions = [
            name for part in reached(value, "*") if isinstance(part, dict) for name in part if name.endswith("labels")
        ]
        if any(reached(value, "choices")) or (isinstance(value, list) and regions):
            yield name
