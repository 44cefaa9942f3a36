"""Each tool's export becomes rows of item, annotator and label; what holds no label is a reject that says why."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelaudit.contracts.formats import FORMATS
from labelaudit.errors import DeliveryRejected
from labelaudit.readers.documents import nested
from labelaudit.readers.exports import coco
from labelaudit.readers.records import Part, Row
from labelaudit.readers.terms import Field, Terms
from labelaudit.rejects.records import Reject
from tests.readers.valid_files import valid_files

NESTED = sorted(name for name, entry in FORMATS.items() if entry.kind == "records")


def labels(format: str, record: Any, question: str | None = None):
    """Cells of the labels, and path and code of what can't be taken."""
    terms = Terms("f", format, question=question)
    parts = list(nested.Parts(nested.Record(record, 1, "$", ""), nested.labels_of(terms), terms))
    return [part.cells for part in parts if isinstance(part, Part)], [
        (part.path, part.code) for part in parts if not isinstance(part, Part)
    ]


def choice(value: str, name: str = "animal") -> dict[str, Any]:
    return {"from_name": name, "to_name": "image", "type": "choices", "value": {"choices": [value]}}


def test_label_studio_gives_one_row_for_each_annotation():
    task = {
        "id": 7,
        "data": {"text": "Rex", "url": None},
        "annotations": [
            {"id": 1, "completed_by": {"id": 3, "email": "ann@x"}, "result": [choice("dog")], "lead_time": 2.5},
            {"id": 2, "completed_by": 4, "result": [], "was_cancelled": True},
            {"id": 3, "completed_by": 5, "result": [choice("cat"), choice("old", "age")]},
            {"id": 4, "completed_by": 6, "result": [{**choice("cat"), "value": {"choices": ["cat", "dog"]}}]},
            {"id": 5, "result": {}},
            {"id": 6, "completed_by": 8, "ground_truth": True, "result": [choice("cat")], "updated_at": "2026-01-02"},
        ],
        "predictions": [{"result": [choice("horse")]}],
    }
    rows, unfit = labels("label_studio", task)
    assert [(row["item"], row["annotator"], row["label"]) for row in rows] == [
        ("7", "ann@x", "dog"),
        ("7", "8", "cat"),
    ]
    assert rows[0]["seconds"] == 2.5
    assert rows[0]["data.text"] == "Rex"
    assert (rows[1]["gold"], rows[1]["timestamp"]) == (True, "2026-01-02")
    assert unfit == [
        (".annotations[1]", "skipped"),
        (".annotations[2]", "several_labels"),
        (".annotations[3].result[0].value.choices", "several_labels"),
        (".annotations[4].result", "wrong_nesting"),
    ]
    named, _ = labels("label_studio", task, question="age")
    assert [(row["annotator"], row["label"]) for row in named] == [("5", "old")]
    assert labels("label_studio", {"id": 1, "annotations": []}) == ([], [(".annotations", "unlabelled")])


def test_label_studio_regions_are_items_of_their_own():
    span = {"from_name": "ner", "type": "labels", "id": "r1", "value": {"start": 2, "end": 5, "labels": ["ORG"]}}
    value = {"x": 1.5, "y": 2, "width": 3, "height": 4, "rectanglelabels": ["car"]}
    box = {"from_name": "box", "type": "rectanglelabels", "id": "r2", "value": value}
    for result, item, label in ((span, "7#2-5", "ORG"), (box, "7#r2", "car")):
        (cells,), unfit = labels("label_studio", {"id": 7, "annotations": [{"completed_by": 1, "result": [result]}]})
        assert (cells["item"], cells["label"], unfit) == (item, label, [])
    assert cells["x"] == 1.5


def test_label_studio_min_needs_the_control_where_it_is_plain_text():
    record = {"id": 7, "annotator": 2, "annotation_id": 5, "animal": "dog", "text": "Rex", "lead_time": 3}
    assert labels("label_studio_min", record) == ([], [("", "unlabelled")])
    (cells,), _ = labels("label_studio_min", record, question="animal")
    assert (cells["item"], cells["annotator"], cells["label"], cells["seconds"]) == ("7", "2", "dog", 3)
    (cells,), _ = labels("label_studio_min", record | {"animal": [{"start": 0, "end": 3, "labels": ["NAME"]}]})
    assert (cells["item"], cells["label"]) == ("7#0-3", "NAME")


def labelbox(annotations: dict[str, Any], **details: Any) -> dict[str, Any]:
    label = {"id": "L1", "label_details": {"created_by": "ann@x", **details}, "annotations": annotations}
    label["performance_details"] = {"seconds_to_create": 4}
    return {"data_row": {"id": "d1", "global_key": "k"}, "projects": {"p1": {"name": "Pets", "labels": [label]}}}


def test_labelbox_answers_and_objects():
    radio = {"name": "Animal", "value": "animal", "radio_answer": {"name": "Dog", "value": "dog"}}
    (cells,), unfit = labels("labelbox", labelbox({"classifications": [radio], "objects": []}))
    assert (cells["item"], cells["annotator"], cells["label"], cells["seconds"], unfit) == ("d1", "ann@x", "Dog", 4, [])
    assert (cells["project.name"], cells["data_row.global_key"]) == ("Pets", "k")
    box = {"feature_id": "f1", "name": "car", "bounding_box": {"top": 1, "left": 2, "height": 3, "width": 4}}
    both = labelbox({"classifications": [radio], "objects": [box, {"name": "car"}]})
    assert labels("labelbox", both)[1] == [(".projects.p1.labels[0].annotations", "several_labels")]
    (cells,), unfit = labels("labelbox", both, question="objects")
    assert (cells["item"], cells["label"], cells["bounding_box.left"]) == ("d1#f1", "car", 2)
    assert unfit == [(".projects.p1.labels[0].annotations.objects[1]", "missing_key")]
    several = {"name": "Animal", "checklist_answers": [{"name": "cat"}, {"name": "dog"}]}
    assert labels("labelbox", labelbox({"classifications": [several]}))[1][0][1] == "several_labels"
    text = {"name": "Animal", "text_answer": {"content": "a dog"}}
    assert labels("labelbox", labelbox({"classifications": [text]}))[1][0][1] == "unlabelled"
    empty = {"data_row": {"id": "d1"}, "projects": {"p": {"labels": []}}}
    assert labels("labelbox", empty) == ([], [(".projects", "unlabelled")])


def test_labelbox_before_data_rows():
    old = {"ID": "L", "DataRow ID": "d", "Created By": "ann", "Seconds to Label": 2.5}
    old["Label"] = {
        "classifications": [{"title": "Animal", "value": "animal", "answer": {"title": "Dog", "value": "dog"}}]
    }
    (cells,), unfit = labels("labelbox", old)
    assert (cells["item"], cells["annotator"], cells["label"], unfit) == ("d", "ann", "Dog", [])
    assert labels("labelbox", old | {"Label": "Skip"})[1] == [(".Label", "skipped")]


def test_scale_categories_fields_and_regions():
    task = {
        "task_id": "t",
        "status": "completed",
        "completed_at": "2026-01-01T00:00:00Z",
        "params": {"attachment": "u"},
    }
    assert labels("scale", task | {"response": {"category": "dog"}})[0][0]["label"] == "dog"
    assert labels("scale", task | {"response": {"category": ["dog", "cat"]}})[1][0][1] == "several_labels"
    fields = {"annotations": {"animal": {"type": "category", "response": [["dog"]]}, "age": {"response": [["old"]]}}}
    assert labels("scale", task | {"response": fields})[1] == [(".response", "several_labels")]
    assert labels("scale", task | {"response": fields}, question="age")[0][0]["label"] == "old"
    box = {"label": "car", "uuid": "u1", "left": 1, "top": 2, "width": 3, "height": 4}
    rows, unfit = labels("scale", task | {"response": {"annotations": [box, {"uuid": "u2"}]}})
    assert [(row["item"], row["label"]) for row in rows] == [("t#u1", "car")]
    assert unfit == [(".response.annotations[1]", "missing_key")]
    assert labels("scale", task | {"status": "canceled"})[1] == [(".status", "skipped")]
    assert labels("scale", task | {"status": "pending"})[1] == [(".status", "unlabelled")]


def test_doccano_names_spans_and_users():
    assert labels("doccano", {"id": 1, "text": "x", "label": ["pos"]})[0][0]["label"] == "pos"
    assert labels("doccano", {"id": 1, "text": "x", "label": ["pos", "neg"]})[1][0][1] == "several_labels"
    assert labels("doccano", {"id": 1, "text": "x", "label": []})[1] == [("", "unlabelled")]
    (cells,), unfit = labels("doccano", {"id": 1, "text": "Rex barks", "label": [[0, 3, "NAME"], [5, 99, "X"]]})
    assert (cells["item"], cells["span"], cells["label"]) == ("1#0-3", "Rex", "NAME")
    assert unfit == [(".label[1]", "wrong_nesting")]
    rows, _ = labels(
        "doccano", {"id": 1, "text": "x", "annotations": [{"label": 2, "user": 7}, {"label": 1, "user": 8}]}
    )
    assert [(row["annotator"], row["label"]) for row in rows] == [("7", "2"), ("8", "1")]
    same = [labels("doccano", {"text": "x", "label": [name]})[0][0]["item"] for name in ("pos", "neg")]
    assert same[0] == same[1], "a text without an id is named by its content, whatever its label"


def test_prodigy_answers_choices_and_spans():
    example = {"text": "Rex barks", "_input_hash": 5, "_annotator_id": "ann", "_timestamp": 0}
    (cells,), _ = labels("prodigy", example | {"label": "PET", "answer": "reject"})
    assert (cells["item"], cells["annotator"], cells["label"], cells["question"]) == ("5", "ann", "reject", "PET")
    assert cells["timestamp"] == "1970-01-01T00:00:00+00:00"
    assert labels("prodigy", example | {"accept": ["dog"], "answer": "accept"})[0][0]["label"] == "dog"
    assert labels("prodigy", example | {"accept": [], "answer": "accept"})[1][0][1] == "unlabelled"
    assert labels("prodigy", example | {"label": "PET", "answer": "ignore"})[1] == [(".answer", "skipped")]
    drawn = [{"start": 0, "end": 3, "label": "NAME"}]
    assert labels("prodigy", example | {"spans": drawn, "answer": "accept"})[0][0]["item"] == "5#0-3"
    assert labels("prodigy", example | {"spans": drawn, "answer": "reject"})[1] == [(".spans[0]", "skipped")]
    asked = [{"start": 0, "end": 3, "label": "NAME", "answer": "reject"}]
    (cells,), _ = labels("prodigy", example | {"spans": asked, "answer": "reject"})
    assert (cells["label"], cells["question"]) == ("reject", "NAME")


def test_ground_truth_classes_boxes_and_entities():
    image = {"source-ref": "s3://b/1.jpg", "pet": 1}
    about = {"class-name": "dog", "confidence": 0.9, "type": "groundtruth/image-classification"}
    (cells,), _ = labels("ground_truth", image | {"pet-metadata": about})
    assert (cells["item"], cells["label"], cells["confidence"]) == ("s3://b/1.jpg", "dog", 0.9)
    boxes = {"annotations": [{"class_id": 0, "left": 1, "top": 2, "width": 3, "height": 4}, {"class_id": 9}]}
    about = {"class-map": {"0": "car"}, "objects": [{"confidence": 0.5}], "type": "groundtruth/object-detection"}
    rows, unfit = labels("ground_truth", {"source-ref": "s", "box": boxes, "box-metadata": about})
    assert [(row["item"], row["label"], row["confidence"]) for row in rows] == [("s#0", "car", 0.5)]
    assert unfit == [(".box.annotations[1]", "unknown_reference")]
    failed = {"failure-reason": "timed out"}
    assert labels("ground_truth", image | {"pet-metadata": failed})[1] == [(".pet-metadata", "unlabelled")]
    assert (
        labels("ground_truth", image | {"pet-metadata": {}, "age": 1, "age-metadata": {}})[1][0][1] == "several_labels"
    )


def test_spans_lie_in_their_text():
    record = {"id": "d", "text": "Rex barks", "annotator": "ann"}
    spans = [{"start": 0, "end": 3, "label": "NAME", "text": "Rex"}, [4, 9, "VERB"], [3, 3, "X"]]
    spans += [{"start": 0, "end": 3, "label": "NAME", "text": "Max"}, [0, 3], {"start": True, "end": 3, "label": "X"}]
    rows, unfit = labels("spans", record | {"spans": spans})
    assert [(row["item"], row["label"], row["annotator"]) for row in rows] == [
        ("d#0-3", "NAME", "ann"),
        ("d#4-9", "VERB", "ann"),
    ]
    assert [path for path, _ in unfit] == [".spans[2]", ".spans[3]", ".spans[4]", ".spans[5].start"]


def test_a_pair_is_one_item_whichever_was_chosen():
    first, _ = labels("preference", {"prompt": "p", "chosen": "x", "rejected": "y", "annotator": "ann"})
    second, _ = labels("preference", {"prompt": "p", "chosen": "y", "rejected": "x", "annotator": "bob"})
    assert first[0]["item"] == second[0]["item"]
    assert (first[0]["response_a"], first[0]["response_b"]) == (second[0]["response_a"], second[0]["response_b"])
    assert {first[0]["label"], second[0]["label"]} == {"a", "b"}
    user = {"role": "user", "content": "p"}
    good, bad = ({"role": "assistant", "content": content} for content in "xy")
    (implicit,), _ = labels("preference", {"chosen": [user, good], "rejected": [user, bad]})
    (explicit,), _ = labels("preference", {"prompt": [user], "chosen": [good], "rejected": [bad]})
    assert implicit == explicit
    assert json.loads(implicit["prompt"]) == [user]
    assert labels("preference", {"prompt": "p", "chosen": "x", "rejected": "x"})[1][0][1] == "several_labels"
    for wrong in ({"chosen": None}, {"chosen": []}, {"chosen": [{"role": "user"}]}, {"chosen": 7}, {"prompt": {}}):
        assert labels("preference", {"prompt": "p", "chosen": "x", "rejected": "y"} | wrong)[0] == []


def test_kto_helpsteer_and_rubrics():
    (cells,), _ = labels("kto", {"prompt": "p", "completion": "c", "label": False})
    assert cells["label"] == "false"
    assert labels("kto", {"prompt": "p", "completion": "c", "label": 1})[1] == [(".label", "wrong_nesting")]
    record = {"context": [{"role": "user", "content": "p"}], "response1": "x", "response2": "y", "domain": "code"}
    record["individual_preference"] = [{"score": -2, "reasoning": "short"}, {"score": 1}, {"score": "1"}]
    rows, unfit = labels("helpsteer", record)
    assert [(row["annotator"], row["label"]) for row in rows] == [("1", "-2"), ("2", "1")]
    assert (rows[0]["reasoning"], rows[0]["domain"]) == ("short", "code")
    assert rows[0]["item"] == rows[1]["item"]
    assert unfit == [(".individual_preference[2].score", "wrong_nesting")]
    rubric = {
        "prompt_id": "r",
        "rubrics": [{"criterion": "polite", "points": 2, "tags": ["x"]}, {"criterion": "short"}],
    }
    rows, _ = labels("rubric", rubric | {"criteria_met": [True, False], "grader": "g"})
    assert [(row["item"], row["label"], row["annotator"]) for row in rows] == [
        ("r#0", "true", "g"),
        ("r#1", "false", "g"),
    ]
    assert labels("rubric", rubric | {"criteria_met": [True]})[1] == [(".criteria_met", "wrong_length")]


def scene(**changed: Any) -> dict[str, Any]:
    return {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 10, "height": 10}],
        "categories": [{"id": 3, "name": "car"}],
        "annotations": [{"id": 5, "image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4], "iscrowd": 0}],
    } | changed


def read_coco(tmp_path: Path, document: Any):
    path = tmp_path / "f"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    fields = (Field("item", "item"), Field("label", "label"), Field("image", "image", "string", False, True))
    rows, rejects, records = [], [], 0
    for batch in coco.read(path, Terms("f", "coco", fields, container="json")):
        rows += [(row["item"], row["label"], row["image"]) for row in batch.rows.to_pylist()]
        rejects += [(reject.place, reject.column, reject.code) for reject in batch.rejects]
        records += batch.records
    return rows, rejects, records


def test_coco_annotations_are_items(tmp_path: Path):
    assert read_coco(tmp_path, scene()) == ([("1#5", "car", "a.jpg")], [], 1)
    turned = {key: scene()[key] for key in ("annotations", "info", "categories", "images") if key in scene()}
    assert read_coco(tmp_path, turned) == ([("1#5", "car", "a.jpg")], [], 1)
    assert read_coco(tmp_path, scene(annotations=[])) == ([], [], 0)
    panoptic = [{"image_id": 1, "file_name": "a.png", "segments_info": [{"id": 8, "category_id": 3}]}]
    assert read_coco(tmp_path, scene(annotations=panoptic))[0] == [("1#8", "car", "a.jpg")]


@pytest.mark.parametrize(
    ("changed", "column", "code"),
    [
        ({"image_id": 2}, "image_id", "unknown_reference"),
        ({"image_id": "1"}, "image_id", "unknown_reference"),
        ({"category_id": 4}, "category_id", "unknown_reference"),
        ({"category_id": True}, "category_id", "wrong_nesting"),
        ({"bbox": [1, 2, 3]}, "bbox", "wrong_length"),
        ({"bbox": [1, 2, 0, 4]}, "bbox", "wrong_type"),
        ({"bbox": [1, 2, "3", 4]}, "bbox", "wrong_nesting"),
        ({"id": None}, "id", "wrong_nesting"),
        ({"iscrowd": 2}, "iscrowd", "wrong_type"),
    ],
)
def test_a_wrong_annotation_is_one_reject(tmp_path: Path, changed: dict, column: str, code: str):
    wrong = scene()["annotations"][0] | {"id": 6} | changed
    rows, rejects, records = read_coco(tmp_path, scene(annotations=[*scene()["annotations"], wrong]))
    assert (len(rows), records) == (1, 2)
    assert [(where, why) for _, where, why in rejects] == [(column, code)]
    assert rejects[0][0].startswith("$.annotations[1]")


def test_an_annotation_twice_is_a_reject(tmp_path: Path):
    assert read_coco(tmp_path, scene(annotations=scene()["annotations"] * 2))[1] == [
        ("$.annotations[1].id", "id", "duplicate_key")
    ]


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (scene(categories=[{"id": 3, "name": "car"}, {"id": 3, "name": "dog"}]), "$.categories[1].id: category 3"),
        (scene(images=scene()["images"] * 2), "$.images[1].id: two images have the id 1"),
        (scene(images={}), "$.images: found an object"),
        ({"annotations": []}, "no list categories, images"),
        ([{"image_id": 1, "category_id": 3}], "found a list at the top"),
        (json.dumps(scene())[:-20], "line 1, column 192, $.annotations[0]: found what is no JSON"),
    ],
)
def test_what_is_ambiguous_for_all_refuses_the_file(tmp_path: Path, document: Any, said: str):
    with pytest.raises(DeliveryRejected) as caught:
        read_coco(tmp_path, document)
    assert said in str(caught.value)


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@pytest.mark.parametrize("name", NESTED)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_a_record_holds_nothing_is_raised_and_nothing_is_lost(name: str, data: st.DataObject):
    """Any JSON value, and valid records with any part replaced by any value."""
    function = import_module(f"labelaudit.readers.exports.{name}").labels
    record = data.draw(ANY | _damaged(name))
    terms = Terms("f", name)
    found = list(function(record, terms))
    assert all(part.reason for part in found if not isinstance(part, Part))
    driven = list(nested.Parts(nested.Record(record, 1, "$", ""), function, terms))
    assert len(driven) == max(len(found), 1)


def _damaged(name: str) -> st.SearchStrategy[Any]:
    records = _valid(name)
    return st.tuples(st.sampled_from(records), ANY, st.integers(0, 30)).map(lambda given: _replaced(*given))


def _valid(name: str) -> list[Any]:
    file = valid_files()[name]
    text = file.content.decode()
    return (
        json.loads(text) if file.terms.container == "json" else [json.loads(line) for line in text.splitlines() if line]
    )


def _replaced(record: Any, value: Any, place: int) -> Any:
    """The record with its `place`th value, counted from the top, replaced."""
    left = [place]

    def walk(one: Any) -> Any:
        left[0] -= 1
        if left[0] == -1:
            return value
        if isinstance(one, dict):
            return {key: walk(inner) for key, inner in one.items()}
        return [walk(inner) for inner in one] if isinstance(one, list) else one

    return walk(record)


def test_records_lie_in_lines_arrays_or_parquet(tmp_path: Path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    record = {"id": "d", "text": "Rex barks", "spans": [{"start": 0, "end": 3, "label": "NAME"}]}
    (tmp_path / "jsonl").write_text("\n" + json.dumps(record) + "\n")
    (tmp_path / "json").write_text(json.dumps([record], indent=1))
    pq.write_table(pa.Table.from_pylist([record]), tmp_path / "parquet")
    with pa.ipc.new_file(str(tmp_path / "arrow"), pa.Table.from_pylist([record]).schema) as writer:
        writer.write_table(pa.Table.from_pylist([record]))
    places = {"jsonl": (2, "$.spans[0]"), "json": (2, "$[0].spans[0]")}
    places |= {"parquet": (1, "row group 1, row 1.spans[0]"), "arrow": (1, "record batch 1, row 1.spans[0]")}
    for container, place in places.items():
        (row,) = nested.rows(tmp_path / container, Terms("f", "spans", container=container))
        assert isinstance(row, Row), row
        assert (row.cells["item"], row.cells["label"]) == ("d#0-3", "NAME")
        assert (row.line, row.place) == place


def test_a_record_without_a_label_is_a_reject(tmp_path: Path):
    (tmp_path / "f").write_text('{"text": "x", "spans": []}\nnull\n')
    rows = list(nested.rows(tmp_path / "f", Terms("f", "spans", container="jsonl")))
    assert [(type(row), row.line, row.code) for row in rows] == [
        (Reject, 1, "unlabelled"),
        (Reject, 2, "wrong_nesting"),
    ]
