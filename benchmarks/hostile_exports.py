"""COCO and Labelbox with one thing wrong each; Parquet, Arrow and Excel with damaged bytes."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from benchmarks.hostile_cases import Made, holding
from benchmarks.hostile_oracles import Expected, key
from labelaudit.readers.terms import Field
from tests.readers import valid_files

SEED = 4
DAMAGES = 60
FIELDS = (Field("item", "item"), Field("label", "label"))


def cases() -> Iterator[Made]:
    yield from _coco()
    yield from _labelbox()
    yield from _damaged()


Change = Callable[[Any], Any]


def _put(*path: Any, value: Any) -> Change:
    def change(document: Any) -> None:
        for step in path[:-1]:
            document = document[step]
        document[path[-1]] = value

    return change


def _take(*path: Any) -> Change:
    def change(document: Any) -> None:
        for step in path[:-1]:
            document = document[step]
        del document[path[-1]]

    return change


_STRANGE = (None, True, "x", "", 1.5, -1, [], {}, [[]], {"a": 1}, 10**30)
NAN = float("nan")


def _coco_changes() -> Iterator[tuple[str, Change, bool | None]]:
    """What is changed, how, and whether it is still sound (None: a matter of taste)."""
    yield "nothing", lambda document: None, True
    yield "info and licences", lambda document: document.update(info={"year": 2026}, licenses=[]), True
    yield "categories first", lambda document: document.update(annotations=document.pop("annotations")), True
    yield "a picture without label", lambda document: document["images"].append({"id": 99, "file_name": "x"}), True
    yield "a score", _put("annotations", 3, "score", value=0.5), True
    yield "a polygon", _put("annotations", 3, "segmentation", value=[[0, 0, 1, 0, 1, 1]]), True
    yield "run lengths", _put("annotations", 3, "segmentation", value={"counts": [1, 2], "size": [64, 48]}), True
    yield "no bbox", _take("annotations", 3, "bbox"), None
    for name in ("images", "annotations", "categories"):
        yield f"no {name}", _take(name), False
        yield f"empty {name}", _put(name, value=[]), None if name == "annotations" else False
        for strange in (None, {}, "x", 1):
            yield f"{name}: {strange!r}", _put(name, value=strange), False
    for value in (999, "1", 1.5, None, True, -1, [1], {}):
        yield f"image_id {value!r}", _put("annotations", 3, "image_id", value=value), False
        yield f"category_id {value!r}", _put("annotations", 3, "category_id", value=value), False
    for missing in ("image_id", "category_id"):
        yield f"no {missing}", _take("annotations", 3, missing), False
    yield "no id", _take("annotations", 3, "id"), None
    yield "an id twice", _put("annotations", 3, "id", value=1), False
    yield "an image id twice", _put("images", 3, "id", value=1), False
    yield "a category id twice", lambda document: document["categories"].append({"id": 1, "name": "bird"}), False
    yield "a category without name", _take("categories", 0, "name"), False
    yield "a category's name is 7", _put("categories", 0, "name", value=7), False
    for box in (
        [1, 2, 3],
        [1, 2, 3, 4, 5],
        [],
        ["1", 2, 3, 4],
        [1, 2, -3, 4],
        [1, 2, 3, None],
        {},
        "1,2,3,4",
        7,
        [NAN] * 4,
    ):
        yield f"bbox {box!r}", _put("annotations", 3, "bbox", value=box), False
    yield "bbox of nothing", _put("annotations", 3, "bbox", value=[1, 2, 0, 0]), None
    yield "bbox outside", _put("annotations", 3, "bbox", value=[1e6, 2, 3, 4]), None
    yield "bbox null", _put("annotations", 3, "bbox", value=None), None
    for strange in _STRANGE:
        yield f"annotation {strange!r}", _put("annotations", 3, value=strange), False
        yield f"image {strange!r}", _put("images", 3, value=strange), False
        yield f"category {strange!r}", _put("categories", 0, value=strange), False


def _coco() -> Iterator[Made]:
    whole = [{"item": f"{n}#{n}", "label": label} for n, label in enumerate(valid_files.LABELS, 1)]
    terms = replace(valid_files.valid_files()["coco"].terms, fields=(FIELDS[1],))
    labels = tuple(key({"label": row["label"]}) for row in whole)
    for name, change, sound in _coco_changes():
        document = copy.deepcopy(valid_files.coco())
        change(document)
        wanted = Expected(labels if document.get("annotations") != [] else (), sound)
        yield holding("made: COCO variants", name, terms, json.dumps(document).encode(), wanted)
    text = json.dumps(valid_files.coco())
    for name, broken in (
        ("cut off", text[:-30]),
        ("a key twice at the top", text[:-1] + ', "images": []}'),
        ("a key twice within", text.replace('"iscrowd": 0', '"iscrowd": 0, "iscrowd": 1', 1)),
        ("text behind", text + "x"),
        ("two documents", text + text),
        ("in a list", f"[{text}]"),
        ("lines", text + "\n" + text),
    ):
        yield holding("made: COCO variants", name, terms, broken.encode(), Expected(labels, False))


def _labelbox_changes() -> Iterator[tuple[str, Change, bool | None]]:
    label = ("projects", "p1", "labels", 0)
    answers = (*label, "annotations", "classifications")
    yield "nothing", lambda row: None, True
    yield "more keys", _put("media_attributes", value={"mime_type": "text/plain"}), True
    yield "no performance", _take(*label, "performance_details"), True
    yield "a project without labels beside", _put("projects", "p2", value={"name": "x", "labels": []}), True
    for step in ("data_row", "projects"):
        yield f"no {step}", _take(step), False
        for strange in _STRANGE:
            yield f"{step}: {strange!r}", _put(step, value=strange), False
    for strange in _STRANGE:
        yield f"labels: {strange!r}", _put("projects", "p1", "labels", value=strange), False
        yield f"label: {strange!r}", _put(*label, value=strange), False
        yield f"annotations: {strange!r}", _put(*label, "annotations", value=strange), False
        yield f"classifications: {strange!r}", _put(*answers, value=strange), False
        yield f"classification: {strange!r}", _put(*answers, 0, value=strange), False
        yield f"radio_answer: {strange!r}", _put(*answers, 0, "radio_answer", value=strange), False
        if strange not in ("x", "") or strange is True:
            yield f"answer's name: {strange!r}", _put(*answers, 0, "radio_answer", "name", value=strange), False
    yield "no id of the row", _take("data_row", "id"), False
    yield "skipped", _put(*label, "label_details", "is_skipped", value=True), False
    yield "two answers", lambda row: _at(row, answers).append(copy.deepcopy(_at(row, answers)[0])), False
    both = [{"name": "cat"}, {"name": "dog"}]
    yield "a checklist of two", _put(*answers, 0, value={"name": "Kind", "checklist_answers": both}), False
    yield "a checklist of none", _put(*answers, 0, value={"name": "Kind", "checklist_answers": []}), False
    yield "a text", _put(*answers, 0, value={"name": "Kind", "text_answer": {"content": "cat"}}), False
    yield "a video", _put(*label, "annotations", value={"frames": {"1": {}}}), False


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


def _labelbox() -> Iterator[Made]:
    terms = replace(valid_files.valid_files()["labelbox"].terms, fields=FIELDS)
    rows = [valid_files.labelbox(n, label) for n, label in enumerate(valid_files.LABELS)]
    wanted = tuple(key({"item": f"r{n}", "label": label}) for n, label in enumerate(valid_files.LABELS))
    for name, change, sound in _labelbox_changes():
        changed = copy.deepcopy(rows)
        change(changed[3])
        expected = Expected(wanted, sound, len(rows))
        yield holding("made: Labelbox variants", name, terms, valid_files.as_lines(changed), expected)


def _damaged() -> Iterator[Made]:
    """Flipped, cut, cleared and doubled bytes. Parquet has checksums and Excel's zip has: a changed value is an error.

    Arrow has none, so that a flipped bit of a value can't be told from another value: there, only cuts are compared.
    """
    draw = random.Random(SEED)
    for name in ("parquet", "arrow", "excel"):
        valid = valid_files.valid_files()[name]
        rows = tuple(key({"item": row[0], "label": row[2]}) for row in valid_files.TABLE)
        terms = replace(valid.terms, fields=FIELDS)
        yield holding("made: damaged bytes", f"{name} unchanged", terms, valid.content, Expected(rows, True))
        for number in range(DAMAGES):
            what, content = damage(valid.content, draw)
            expected = Expected() if name == "arrow" and what != "cut" else Expected(rows, None)
            yield holding("made: damaged bytes", f"{name} {what} {number}", terms, content, expected)


def damage(content: bytes, draw: random.Random) -> tuple[str, bytes]:
    """One random damage: its name, and the bytes."""
    at, length = draw.randrange(len(content)), draw.randrange(1, 40)
    what = draw.choice(("flip", "cut", "clear", "double", "drop"))
    if what == "flip":
        return what, content[:at] + bytes([content[at] ^ (1 << draw.randrange(8))]) + content[at + 1 :]
    if what == "cut":
        return what, content[:at]
    if what == "clear":
        return what, content[:at] + b"\0" * len(content[at : at + length]) + content[at + length :]
    if what == "double":
        return what, content[: at + length] + content[at:]
    return what, content[:at] + content[at + length :]
