"""SageMaker Ground Truth's output manifest: a source, and label attributes, each with `<attribute>-metadata`.

The metadata's type says what an attribute holds: a class, boxes, or entities. Boxes and entities are items of their
own. The question is the attribute's name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labelaudit.readers.documents.noting import peek
from labelaudit.readers.exports import as_label, digest_id, field, guarded, misfit, only, question_of, rest, typed
from labelaudit.readers.records import Part, Unfit
from labelaudit.readers.terms import Terms

METADATA = "-metadata"


@guarded
def labels(record: Any, terms: Terms) -> Iterator[Part | Unfit]:
    typed(record, dict, "")
    attributes = [key.removesuffix(METADATA) for key in record if key.endswith(METADATA)]
    answered = [key for key in attributes if key in record]
    if attributes and not answered:
        raise misfit("", None, "unlabelled", f"no value of {attributes[0]!r}: the object was not labelled")
    source = field(record, "source-ref" if "source-ref" in record else "source", str)
    item = source if "source-ref" in record else digest_id(source)
    name = question_of(answered, terms, "")
    about = field(record, name + METADATA, dict)
    path = f".{name}"
    if "failure-reason" in about:
        raise misfit(f"{path}{METADATA}", None, "unlabelled", f"it failed: {str(about['failure-reason'])[:80]}")
    cells = {
        **rest(record, name, name + METADATA),
        **rest(about, "class-map", "objects", "class-name", "confidence", "creation-date", prefix="metadata."),
        "document": item,
        "timestamp": field(about, "creation-date", str, path + METADATA, None),
    }
    kind = field(about, "type", str, path + METADATA, "")
    value = record[name]
    if isinstance(value, dict) and "annotations" in value and isinstance(value["annotations"], list):
        yield from _boxes(value, about, item, cells, path)
    elif isinstance(value, dict) and isinstance(value.get("annotations"), dict):
        yield from _entities(value["annotations"], item, cells, f"{path}.annotations")
    else:
        confidence = field(about, "confidence", (int, float), path + METADATA, None)
        yield Part({**cells, "item": item, "label": _class(value, about, kind, path), "confidence": confidence}, path)


def _class(value: Any, about: dict[str, Any], kind: str, path: str) -> str:
    """The class of a whole object. Raises Misfit."""
    if isinstance(value, list) or kind.endswith("multilabel"):
        names = _names(field(about, "class-map", dict, path + METADATA, {}))
        return only([names.get(str(code), code) for code in typed(value, list, path)], path)
    if "class-name" in about:
        return str(field(about, "class-name", str, path + METADATA))
    return as_label(value, path)


def _names(classes: dict[str, Any]) -> dict[str, Any]:
    """The classes by number; all are taken, used or not."""
    return {number: classes[number] for number in classes if not isinstance(peek(classes, number), dict | list)}


def _boxes(
    value: dict[str, Any], about: dict[str, Any], item: str, cells: dict[str, Any], path: str
) -> Iterator[Part | Unfit]:
    names = _names(field(about, "class-map", dict, path + METADATA))
    sure = field(about, "objects", list, path + METADATA, [])
    if not value["annotations"]:
        raise misfit(f"{path}.annotations", None, "unlabelled", "the picture has no box")
    for number, box in enumerate(value["annotations"]):
        confidence = sure[number].get("confidence") if number < len(sure) and isinstance(sure[number], dict) else None
        yield from _box(box, number, names, item, {**cells, "confidence": confidence}, f"{path}.annotations[{number}]")


@guarded
def _box(
    box: Any, number: int, names: dict[str, Any], item: str, cells: dict[str, Any], path: str
) -> Iterator[Part | Unfit]:
    known = str(field(box, "class_id", (int, str), path))
    if known not in names:
        raise misfit(path, "class_id", "unknown_reference", f"class {known[:40]!r} is not in the class-map")
    for side in ("left", "top", "width", "height"):
        field(box, side, (int, float), path)
    more = rest(box, "class_id")
    yield Part({**cells, **more, "item": f"{item}#{number}", "label": as_label(names[known], path)}, path)


def _entities(answer: dict[str, Any], item: str, cells: dict[str, Any], path: str) -> Iterator[Part | Unfit]:
    entities = field(answer, "entities", list, path)
    if not entities:
        raise misfit(f"{path}.entities", None, "unlabelled", "the text has no entity")
    for number, entity in enumerate(entities):
        yield from _entity(entity, item, cells, f"{path}.entities[{number}]")


@guarded
def _entity(entity: Any, item: str, cells: dict[str, Any], path: str) -> Iterator[Part | Unfit]:
    start, end = field(entity, "startOffset", int, path), field(entity, "endOffset", int, path)
    if not 0 <= start < end:
        raise misfit(path, None, "wrong_nesting", f"the span goes from {start} to {end}")
    label = as_label(field(entity, "label", str, path), path)
    yield Part({**cells, "start": start, "end": end, "item": f"{item}#{start}-{end}", "label": label}, path)


def recognises(record: dict[str, Any]) -> bool:
    sourced = "source-ref" in record or "source" in record
    return sourced and any(key.endswith(METADATA) for key in record)


def questions(record: dict[str, Any]) -> Iterator[Any]:
    for key in record:
        if key.endswith(METADATA) and key.removesuffix(METADATA) in record:
            yield key.removesuffix(METADATA)
