"""COCO: one object with `images`, `categories` and `annotations`; each annotation is an item, `<image>#<annotation>`.

The file is read twice: first what annotations refer to, then the annotations, one by one. A picture without annotations
has no label, and is no record; a segmentation is listed, and not taken. In the panoptic form each segment is an item.
Ids are compared as they are: the text "1" is not the number 1. What is ambiguous for all (a category of two names, an
image id twice) refuses the file.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from dataclasses import field as member
from typing import Any

from labelaudit.errors import DeliveryRejected
from labelaudit.readers.documents.gathering import Gathering, shown_text
from labelaudit.readers.documents.json_documents import Element, elements
from labelaudit.readers.documents.noting import count_paths, left_over, noted
from labelaudit.readers.exports import Misfit, field, guarded, misfit, rest, shown, typed
from labelaudit.readers.records import Batch, Part, Row, Unfit
from labelaudit.readers.sources import Source
from labelaudit.readers.terms import Terms
from labelaudit.rejects.records import Reject

LISTS = frozenset({"images", "annotations", "categories"})
Id = int | str


@dataclass
class _Known:
    """What annotations refer to, and the ids of those seen."""

    categories: dict[tuple[type, Id], str] = member(default_factory=dict)
    images: dict[tuple[type, Id], dict[str, Any]] = member(default_factory=dict)
    annotations: set[tuple[type, Id]] = member(default_factory=set)
    untaken: Counter[str] = member(default_factory=Counter)


def read(path: Source, terms: Terms) -> Iterator[Batch]:
    known, gathered = _known(path, terms), Gathering(terms, placed=True)
    gathered.leave(known.untaken.elements())
    for annotation in _annotations(path, terms):
        gathered.records += 1
        refused = set()
        for part in _parts(annotation, known):
            place = annotation.place + part.path
            if isinstance(part, Unfit):
                refused.add(part.path)
                gathered.reject(annotation.line, part.column, part.code, part.reason, annotation.text, place)
            else:
                gathered.row(part.cells, annotation.line, annotation.text, place)
        gathered.leave(left_over(annotation.value, refused, "annotations[]"))
        if gathered.full:
            yield gathered.batch()
    if not gathered.empty:
        yield gathered.batch()


def rows(path: Source, terms: Terms) -> Iterator[Row | Reject]:
    known = _known(path, terms)
    for annotation in _annotations(path, terms):
        for part in _parts(annotation, known):
            place, text = annotation.place + part.path, shown_text(annotation.text)
            if isinstance(part, Unfit):
                yield Reject(terms.name, annotation.line, part.column, part.code, part.reason[:500], text, place)
            else:
                yield Row(part.cells, annotation.line, place, text)


def _annotations(path: Source, terms: Terms) -> Iterator[Element]:
    annotations = (
        element
        for element in elements(path, terms, LISTS)
        if element.key == "annotations" and element.index is not None
    )
    return (replace(annotation, value=noted(annotation.value)) for annotation in annotations)


def _known(path: Source, terms: Terms) -> _Known:
    """The first pass. Raises DeliveryRejected where the file is no COCO, or what it refers to is ambiguous."""
    known, there = _Known(), set()
    for element in elements(path, terms, LISTS):
        if element.key == "" and element.index is not None:
            raise _refused(terms, element, "found a list at the top, expected an object with images and categories")
        if element.key not in LISTS:
            count_paths(known.untaken, left_over({element.key: element.value}))
            continue
        there.add(element.key)
        if element.problem:
            if element.key != "annotations" or element.index is None:
                raise _refused(terms, element, element.problem.reason)
            continue
        if element.index is None:
            raise _refused(terms, element, f"found {shown(element.value)}, expected a list")
        value = noted(element.value)
        try:
            if element.key == "categories":
                _category(value, known)
            elif element.key == "images":
                _image(value, known)
        except Misfit as error:
            raise _refused(terms, element, error.unfit.reason, error.unfit.path, error.unfit.code) from error
        if element.key != "annotations":
            count_paths(known.untaken, left_over(value, path=f"{element.key}[]"))
    # empty lists give no element: their keys are looked for once more
    missing = sorted(LISTS - there - _empty(path, terms, LISTS - there))
    if missing:
        raise DeliveryRejected(
            "unreadable_file",
            f"{terms.name}, $: no list {', '.join(missing)}; COCO has images, annotations and categories. Export it"
            " again in full, and deliver it under a new id.",
        )
    return known


def _empty(path: Source, terms: Terms, names: frozenset[str]) -> set[str]:
    """Which of the lists are there and empty."""
    if not names:
        return set()
    return {
        element.key for element in elements(path, terms, LISTS - names) if element.key in names and element.value == []
    }


def _category(value: Any, known: _Known) -> None:
    key, name = _id(value, "id", ""), field(value, "name", str)
    if known.categories.get(key, name) != name:
        reason = f"category {value['id']!r} is called {known.categories[key][:60]!r} and {name[:60]!r}"
        raise misfit(".id", "id", "duplicate_key", reason)
    known.categories[key] = name


def _image(value: Any, known: _Known) -> None:
    key = _id(value, "id", "")
    if key in known.images:
        raise misfit(".id", "id", "duplicate_key", f"two images have the id {value['id']!r}")
    known.images[key] = {
        "image": field(value, "file_name", str, "", None),
        "image_width": field(value, "width", (int, float), "", None),
        "image_height": field(value, "height", (int, float), "", None),
    }


def _id(record: Any, key: str, path: str) -> tuple[type, Id]:
    value = field(record, key, (int, str), path)
    return type(value), value


@guarded
def _parts(element: Element, known: _Known) -> Iterator[Part | Unfit]:
    if element.problem:
        raise misfit("", None, element.problem.code, element.problem.reason)
    annotation = typed(element.value, dict, "")
    image = _image_of(annotation, known)
    if "segments_info" in annotation and "category_id" not in annotation:
        segments = field(annotation, "segments_info", list)
        if not segments:
            raise misfit(".segments_info", None, "unlabelled", "the picture has no segment")
        for number, segment in enumerate(segments):
            yield from _labelled(segment, annotation, image, known, f".segments_info[{number}]")
        return
    key = _id(annotation, "id", "")
    if key in known.annotations:
        raise misfit(".id", "id", "duplicate_key", f"an annotation with the id {annotation['id']!r} was there before")
    known.annotations.add(key)
    yield from _labelled(annotation, annotation, image, known, "")


@guarded
def _labelled(
    region: Any, annotation: dict[str, Any], image: dict[str, Any], known: _Known, path: str
) -> Iterator[Part | Unfit]:
    name = _id(region, "id", path)[1]
    key = _id(region, "category_id", path)
    if key not in known.categories:
        raise misfit(path, "category_id", "unknown_reference", _unknown("category", key, known.categories))
    crowd = field(region, "iscrowd", (int, bool), path, 0)
    if crowd not in (0, 1):
        raise misfit(path, "iscrowd", "wrong_type", f"`iscrowd` is {crowd!r}, expected 0 or 1")
    area = field(region, "area", (int, float), path, None)
    if area is not None and not 0 <= area < math.inf:
        raise misfit(path, "area", "wrong_type", f"`area` is {area!r}, expected a number of pixels")
    cells = {
        **rest(region, "id", "image_id", "category_id", "segmentation", "bbox", "area", "iscrowd", "score"),
        **image,
        **_box(region, path),
        "item": f"{annotation['image_id']}#{name}",
        "document": str(annotation["image_id"]),
        "annotation": str(name),
        "label": known.categories[key],
        "confidence": field(region, "score", (int, float), path, None),
        "area": area,
        "iscrowd": bool(crowd),
    }
    yield Part(cells, path)


def _image_of(annotation: dict[str, Any], known: _Known) -> dict[str, Any]:
    key = _id(annotation, "image_id", "")
    if key not in known.images:
        raise misfit(".image_id", "image_id", "unknown_reference", _unknown("image", key, known.images))
    return known.images[key]


def _unknown(what: str, key: tuple[type, Id], there: dict[tuple[type, Id], Any]) -> str:
    kind, value = key
    number = kind is str and len(value) < 20 and value.isdecimal()  # int() raises for thousands of digits
    other = (str, str(value)) if kind is int else (int, int(value)) if number else key
    hint = f"; there is {other[1]!r}, which is {'text' if kind is int else 'a number'}" if other in there else ""
    return f"no {what} has the id {value!r}{hint}"


def _box(region: dict[str, Any], path: str) -> dict[str, Any]:
    """The box as columns. Raises Misfit where it is none: four finite numbers, of positive width and height."""
    box = field(region, "bbox", list, path, None)
    if box is None or (not box and "segmentation" in region):
        return {}
    path = f"{path}.bbox"
    if len(box) != 4:
        raise misfit(path, "bbox", "wrong_length", f"{len(box)} numbers, expected four: x, y, width, height")
    numbers = [typed(value, (int, float), f"{path}[{place}]", "bbox") for place, value in enumerate(box)]
    if not all(-math.inf < number < math.inf for number in numbers) or numbers[2] <= 0 or numbers[3] <= 0:
        raise misfit(
            path, "bbox", "wrong_type", f"found {str(box)[:80]}, expected x, y and a positive width and height"
        )
    return dict(zip(("x", "y", "width", "height"), numbers, strict=True))


def _refused(
    terms: Terms, element: Element, reason: str, path: str = "", code: str = "unreadable_file"
) -> DeliveryRejected:
    where = f"line {element.line}, {element.place}{path}"
    return DeliveryRejected(code, f"{terms.name}, {where}: {reason}. Mend it, and deliver under a new id.")


def recognises(keys: set[str]) -> bool:
    """Whether an object with these keys, as far as they were read, is COCO's."""
    return len(LISTS & keys) > 1
