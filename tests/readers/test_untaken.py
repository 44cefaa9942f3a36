"""What of an export no row has: listed by path and count, whatever a tool adds to its records."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from conftest import audit
from typer.testing import CliRunner

from labelaudit.cli import read as cli_read
from labelaudit.readers import read
from labelaudit.readers.documents import nested, noting
from labelaudit.readers.records import Part
from labelaudit.readers.terms import Field, Terms
from labelaudit.storage import layout
from tests.readers import valid_files

pytestmark = pytest.mark.parsers

CHOICE = {"id": "a", "from_name": "kind", "to_name": "t", "type": "choices", "value": {"choices": ["cat"]}}
PLACE = {"x": 1.5, "y": 2.5, "width": 3.5, "height": 4.5}
CLASSES = {"0": "car", "1": "bus"}

RECORDS: dict[str, tuple[str, str | None, dict[str, Any], dict[str, int]]] = {
    "Label Studio: relations, brush masks, other controls": (
        "label_studio",
        "kind",
        {
            "id": 1,
            "data": {"text": "a text"},
            "annotations": [
                {
                    "id": 5,
                    "completed_by": {"id": 3, "email": "ann@x"},
                    "lead_time": 2.5,
                    "unique_id": "u",
                    "result": [
                        CHOICE,
                        {"from_id": "a", "to_id": "b", "type": "relation", "direction": "right"},
                        {"from_id": "b", "to_id": "a", "type": "relation", "direction": "right"},
                        {**CHOICE, "from_name": "mask", "type": "brushlabels", "value": {"rle": [1, 2]}},
                    ],
                }
            ],
            "predictions": [{"id": 9, "result": [CHOICE]}],
        },
        {
            "annotations[].completed_by.id": 1,
            "annotations[].result[].from_name=mask": 1,
            "annotations[].result[].id": 1,
            "annotations[].result[].to_name": 1,
            "annotations[].result[].type=relation": 2,
            "annotations[].unique_id": 1,
            "predictions[]": 1,
        },
    ),
    "Label Studio: choices and texts of a region": (
        "label_studio",
        "box",
        {
            "id": 1,
            "annotations": [
                {
                    "completed_by": 3,
                    "result": [
                        {
                            "id": "r",
                            "from_name": "box",
                            "type": "rectanglelabels",
                            "value": {**PLACE, "rectanglelabels": ["car"], "closed": True},
                        },
                        {"id": "r", "from_name": "colour", "type": "choices", "value": {**PLACE, "choices": ["red"]}},
                        {"id": "r", "from_name": "plate", "type": "textarea", "value": {**PLACE, "text": ["B-7"]}},
                    ],
                }
            ],
        },
        {
            "annotations[].result[].from_name=colour": 1,
            "annotations[].result[].from_name=plate": 1,
            "annotations[].result[].value.closed": 1,
        },
    ),
    "Label Studio's short form: a choice's other keys": (
        "label_studio_min",
        "kind",
        {"id": 1, "text": "a text", "annotator": 2, "kind": {"choices": ["cat"], "sure": "very"}},
        {"kind.sure": 1},
    ),
    "Labelbox: classifications of an object, relationships": (
        "labelbox",
        "objects",
        {
            "data_row": {"id": "d"},
            "projects": {
                "ckz0123456789abcdefghijkl": {
                    "name": "Pets",
                    "labels": [
                        {
                            "id": "L",
                            "annotations": {
                                "objects": [
                                    {
                                        "feature_id": "f",
                                        "name": "dog",
                                        "bounding_box": {"top": 1, "left": 2, "height": 3, "width": 4},
                                        "classifications": [{"name": "Fur", "radio_answer": {"name": "long"}}],
                                    }
                                ],
                                "classifications": [{"name": "Mood", "radio_answer": {"name": "sad"}}],
                                "relationships": [{"name": "is", "unidirectional": {"source": "f"}}],
                            },
                        }
                    ],
                }
            },
        },
        {
            "projects.*.labels[].annotations.objects[].classifications[]": 1,
            "projects.*.labels[].annotations.classifications[]": 1,
            "projects.*.labels[].annotations.relationships[]": 1,
        },
    ),
    "Labelbox: what is asked within an answer": (
        "labelbox",
        "Kind",
        {
            "data_row": {"id": "d"},
            "projects": {
                "p": {
                    "labels": [
                        {
                            "annotations": {
                                "classifications": [
                                    {
                                        "name": "Kind",
                                        "radio_answer": {
                                            "name": "dog",
                                            "classifications": [
                                                {"name": "Tricks", "checklist_answers": [{"name": "sit"}]}
                                            ],
                                        },
                                    },
                                ]
                            }
                        }
                    ]
                }
            },
        },
        {"projects.p.labels[].annotations.classifications[].radio_answer.classifications[]": 1},
    ),
    "doccano: entities and relations beside a class": (
        "doccano",
        "cats",
        {
            "id": 1,
            "text": "Rex barks",
            "cats": ["good"],
            "entities": [{"id": 1, "start_offset": 0, "end_offset": 3, "label": "NAME"}],
            "relations": [{"id": 1, "from_id": 1, "to_id": 2, "type": "does"}],
        },
        {"entities[]": 1, "relations[].type=does": 1},
    ),
    "Prodigy: spans and relations beside a choice": (
        "prodigy",
        None,
        {
            "text": "Rex barks",
            "answer": "accept",
            "accept": ["dog"],
            "options": [{"id": "cat"}, {"id": "dog"}],
            "spans": [{"start": 0, "end": 3, "label": "NAME"}],
            "relations": [{"head": 0, "child": 1, "label": "does"}],
        },
        {"options[]": 2, "spans[]": 1, "relations[]": 1},
    ),
    "Scale: another field, and regions": (
        "scale",
        "animal",
        {
            "task_id": "t",
            "status": "completed",
            "response": {"annotations": {"animal": {"response": ["dog"]}, "age": {"response": ["old"]}}},
        },
        {"response.annotations.age": 1},
    ),
    "Ground Truth: what is said of the picture and of a box": (
        "ground_truth",
        None,
        {
            "source-ref": "s",
            "box": {
                "image_size": [{"width": 7, "height": 8, "depth": 3}],
                "annotations": [{"class_id": 0, "left": 1, "top": 2, "width": 3, "height": 4}],
            },
            "box-metadata": {"class-map": CLASSES, "objects": [{"confidence": 0.5, "why": "so"}]},
        },
        {"box.image_size[]": 1, "box-metadata.objects[].why": 1},
    ),
    "spans: a second list of them": (
        "spans",
        None,
        {"text": "Rex barks", "spans": [[0, 3, "NAME"]], "entities": [[4, 9, "VERB"]]},
        {"entities": 1},
    ),
    "a pair: nothing": (
        "preference",
        None,
        {
            "chosen": [{"role": "user", "content": "p"}, {"role": "assistant", "content": "x"}],
            "rejected": [{"role": "user", "content": "p"}, {"role": "assistant", "content": "y", "tool": {"a": 1}}],
        },
        {},
    ),
    "KTO: nothing": ("kto", None, {"prompt": "p", "completion": "c", "label": True, "meta": {"a": [1]}}, {}),
    "HelpSteer: the preferences as they were": (
        "helpsteer",
        None,
        {
            "prompt": "p",
            "response1": "a",
            "response2": "b",
            "individual_preference": [{"score": 1, "feedback": {"x": "y"}}],
            "all_preferences_unprocessed": [{"strength": 2}],
        },
        {"all_preferences_unprocessed[]": 1},
    ),
    "a rubric: an example of a criterion": (
        "rubric",
        None,
        {"id": "r", "prompt": "say", "rubrics": [{"criterion": "short", "criteria_met": True, "examples": ["x"]}]},
        {"rubrics[].examples": 1},
    ),
}


def given(format: str, question: str | None, record: Any) -> tuple[list[dict[str, Any]], list[str], Counter[str]]:
    """Cells of the rows, paths of the rejects, and what was not taken."""
    terms = Terms("f", format, question=question)
    parts = nested.Parts(nested.Record(record, 1, "$", ""), nested.labels_of(terms), terms)
    found = list(parts)
    rows = [part.cells for part in found if isinstance(part, Part)]
    return rows, [part.path for part in found if not isinstance(part, Part)], Counter(parts.left_over())


@pytest.mark.parametrize("name", RECORDS)
def test_what_is_not_taken_is_counted_by_its_path(name: str):
    format, question, record, left = RECORDS[name]
    rows, rejects, found = given(format, question, record)
    assert (len(rows), rejects) == (1, [])
    assert found == left


@pytest.mark.parametrize("name", RECORDS)
def test_no_new_kind_of_answer_can_be_dropped(name: str):
    """A saboteur's key in any object of a record comes out in a column, in a reject, or in the list."""
    format, question, record, _ = RECORDS[name]
    for place in _objects(record, ()):
        changed = copy.deepcopy(record)
        _at(changed, place)["sabotage"] = [{"answer": {"choice": "SABOTAGE"}}]
        rows, rejects, left = given(format, question, changed)
        said = "SABOTAGE" in json.dumps(rows) or any("sabotage" in path for path in left) or rejects
        above = any(_covers(path, place) for path in left)
        assert said or above, place


TOLD = {"was_cancelled", "class-map", "rejected", "class_id"}
"""Keys whose values are taken and stand in no cell: they say which record, class or prompt it is."""


@pytest.mark.parametrize("name", RECORDS)
def test_every_value_is_in_a_cell_or_in_a_reject_or_in_the_list(name: str):
    """Each text and number of a record, changed to another: it shows where values go, or it is listed."""
    format, question, record, _ = RECORDS[name]
    for place, value in _values(record, ()):
        if TOLD & {*place}:
            continue
        changed = copy.deepcopy(record)
        new = "ANOTHER" if isinstance(value, str) else 7654321 if isinstance(value, int) else 765.4321
        _at(changed, place[:-1])[place[-1]] = new
        rows, rejects, left = given(format, question, changed)
        assert str(new) in json.dumps(rows) or rejects or any(_covers(path, place) for path in left), place


def test_what_was_rejected_is_not_listed_again():
    """A reject has the record's text: only what neither a row nor a reject has is listed."""
    format, question, record, _ = RECORDS["Label Studio: relations, brush masks, other controls"]
    skipped = copy.deepcopy(record["annotations"][0]) | {"was_cancelled": True}
    whole = given(format, question, record)[2]
    assert given(format, question, record | {"annotations": [*record["annotations"], skipped]})[2] == whole
    assert given(format, question, record | {"annotations": [skipped]})[2] == {}


def test_the_list_of_a_hostile_file_stays_short():
    """As many different keys as a file may have are no report."""
    left = [f"x.{number}" for number in range(5_000)]
    counts: Counter[str] = Counter()
    noting.count_paths(counts, left)
    assert len(counts) == noting.MAX_PATHS + 1
    assert counts.total() == 5_000
    deep: Any = {"a": 1}
    for _ in range(900):
        deep = {"a": deep, "k": 1}
    rows, rejects, _ = given("spans", None, {"text": "Rex", "spans": [{"start": 0, "end": 3, "label": "X"}], "n": deep})
    assert len(rows) + len(rejects) == 1
    _, _, left = given("kto", None, {"prompt": "p", "completion": "c", "label": True, "\u202e\0" * 99: {}})
    assert all(path.isprintable() for path in left)


def test_answers_are_listed_before_bookkeeping():
    """A report shows the first: they are what somebody may miss."""
    counts = {"a[].unique_id": 90, "a[].result[].type=relation": 2, "predictions[]": 3, "b": 1}
    assert [path for path, _ in noting.listed(counts)] == [
        "predictions[]",
        "a[].result[].type=relation",
        "a[].unique_id",
        "b",
    ]


def test_coco_lists_what_boxes_do_not_say(tmp_path: Path):
    """Segmentations, captions of pictures, and what stands beside the three lists; a file's batches add up."""
    annotation = {"image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4], "segmentation": [[1, 2, 3]], "iscrowd": 1}
    document = {
        "info": {"year": 2026},
        "licenses": [{"id": 1}, {"id": 2}],
        "images": [{"id": 1, "file_name": "a.jpg", "caption": "a car"}],
        "categories": [{"id": 3, "name": "car", "supercategory": "thing", "skeleton": [[1, 2]]}],
        "annotations": [annotation | {"id": number, "attributes": {"seen": True}} for number in range(3)],
    }
    path = tmp_path / "f"
    path.write_text(json.dumps(document))
    terms = Terms("f", "coco", (Field("item", "item"), Field("label", "label")), container="json")
    found, undeclared = Counter(), set()
    for batch in read(path, terms):
        found.update(batch.untaken)
        undeclared |= batch.undeclared
    assert found == {
        "info": 1,
        "licenses[]": 2,
        "images[].caption": 1,
        "categories[].supercategory": 1,
        "categories[].skeleton": 1,
        "annotations[].segmentation": 3,
    }
    assert {"iscrowd", "attributes.seen", "image"} <= undeclared


def test_read_and_the_report_tell_what_was_not_taken(folder_store, make_contract, put, tmp_path: Path):
    """From the reader's process to the customer's report; Labelbox's usual export is an array."""
    rows = [valid_files.labelbox(number, "cat" if number % 3 else "dog") for number in range(20)]
    for row in rows:
        (label,) = row["projects"]["p1"]["labels"]
        label["annotations"]["relationships"] = [{"name": "is"}, {"name": "has"}]
        row["projects"]["p1"]["labels"].append({**label, "label_details": {"created_by": "bob@example.com"}})
    content, path = json.dumps(rows, indent=1), "projects.p1.labels[].annotations.relationships[]"
    contract = make_contract(vendors={"alder": {"format": "labelbox", "records_in": "json"}})
    put(folder_store, contract, content, name="labels.json")
    release = audit(contract, folder_store).release.release
    folder = f"published/acme/pets/{layout.release(release)}"
    (line,) = json.loads(folder_store.read(folder + "report.json"))["deliveries"]
    assert (line["accepted_rows"], line["rejected_rows"]) == (40, 0)
    assert {"path": path, "count": 80} in line["untaken"]
    assert f"{path} (80)" in folder_store.read(folder + "report.html").decode()
    file, app = tmp_path / "labels.json", typer.Typer()
    app.command()(cli_read.read)
    file.write_text(content)
    for arguments in ([], ["--contract", "acme/pets", "--contracts", str(tmp_path / "contracts")]):
        done = CliRunner().invoke(app, [str(file), *arguments])
        assert done.exit_code == 0, done.output
        assert f"80 × {path}" in done.output


def _objects(value: Any, place: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        yield place
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in pairs:
        yield from _objects(one, (*place, key))


def _values(value: Any, place: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        yield place, value
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in pairs:
        yield from _values(one, (*place, key))


def _at(value: Any, place: tuple[Any, ...]) -> Any:
    for step in place:
        value = value[step]
    return value


def _covers(path: str, place: tuple[Any, ...]) -> bool:
    """Whether a listed path is that of the place, or of what holds it."""
    steps = "".join("[]" if isinstance(step, int) else f".{noting.shown_key(step)}" for step in place)
    bare = "." + path.partition("=")[0]
    bare = bare.rpartition(".")[0] if "=" in path else bare
    return (steps + ".").startswith(bare + ".") or steps.startswith(bare + "[]")
