"""Items without a text or vector are told apart; long texts cost their own length; a contract's classes may change."""

from __future__ import annotations

import json
import tracemalloc

import numpy as np
import pandas as pd
import pytest

from labelaudit.detect import models
from labelaudit.detect.features import features_of
from labelaudit.detect.findings_file import read_findings
from labelaudit.detectors.agreement import agreement
from labelaudit.detectors.consensus import aggregate_labels
from labelaudit.human_audit.task_files import contents
from labelaudit.storage import layout
from labelaudit.storage.parquet import read_table
from tests.conftest import audit

pytestmark = pytest.mark.runs

WORDS = {"cat": ["purr", "whisker", "meow"], "dog": ["bark", "fetch", "woof"]}
IDS = {"item": {}, "label": {}}
VENDOR = {"alder": {"format": "jsonl"}}


def as_lines(rows) -> str:
    return "\n".join(json.dumps(row) for row in rows) + "\n"


def texts(n: int, start: int = 0) -> list[dict]:
    rng = np.random.default_rng(start)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz "))
    made = []
    for place in range(start, start + n):
        label = ("dog", "cat")[place % 2]
        text = f"{' '.join(rng.choice(WORDS[label], 3))} {''.join(rng.choice(letters, 60))}"
        made.append({"item": f"i{place}", "label": label, "text": text})
    return made


def text_contract(make_contract, **changed):
    text = {"nullable": True}
    source = {"source": "text", "column": "text"}
    return make_contract(**{"columns": {**IDS, "text": text}, "vendors": VENDOR, "predictions": source} | changed)


@pytest.mark.parametrize("blank", [None, "", "  \t"])
def test_items_without_a_text_are_no_copies_and_are_named(make_contract, folder_store, put, blank):
    """They have nothing to compare: neither copies of each other nor outliers, and the report says how many."""
    contract = text_contract(make_contract)
    rows = texts(120)
    for place in (3, 40, 77, 90):
        rows[place]["text"] = blank
    put(folder_store, contract, as_lines(rows), name="labels.jsonl")
    outcome = audit(contract, folder_store)
    findings = read_findings(folder_store, outcome.audit)
    assert findings.dataset.looked_for_copies
    assert findings.dataset.copied_items == 0
    assert not {"i3", "i40", "i77", "i90"} & set(findings.dataset.outliers)
    assert any(
        line.startswith("4 items without text were judged by their annotators only") for line in findings.not_checked
    )
    assert "nan" not in {item.text for item in findings.worst}


def test_an_item_without_a_text_teaches_no_model(make_contract):
    """A hundred blank items labelled "dog" don't make a text about cats a dog's."""
    contract = text_contract(make_contract)
    rows = pd.DataFrame(texts(60) + [{"item": f"x{number}", "label": "dog", "text": None} for number in range(100)])
    features_there = features_of(contract, rows, np.arange(160), 160)
    assert features_there.present.tolist() == [True] * 60 + [False] * 100
    assert features_there.of(features_there.present) == rows["text"][:60].tolist()


@pytest.mark.parametrize(
    ("column", "source", "value"),
    [
        ({"type": "vector", "length": 3, "nullable": True}, {"source": "embedding", "column": "seen"}, [1.0, 2.0, 3.0]),
        (
            {"type": "vector", "length": 4, "nullable": True},
            {"source": "pixels", "column": "seen", "shape": [2, 2]},
            [0, 9, 9, 0],
        ),
        ({"type": "number", "nullable": True}, {"source": "tabular", "columns": ["seen"]}, 3.5),
        ({"nullable": True}, {"source": "text", "column": "seen"}, "a cat"),
    ],
)
def test_a_column_for_predictions_may_come_later(make_contract, folder_store, put, column, source, value):
    """A dataset with a history gets the column: old items lack it, and items of now may; the run goes on."""
    first = make_contract(columns={**IDS, "annotator": {}}, vendors=VENDOR)
    rows = [
        {"item": f"i{number}", "label": "cat" if number % 2 else "dog", "annotator": who}
        for number in range(40)
        for who in "ab"
    ]
    put(folder_store, first, as_lines(rows), name="labels.jsonl")
    assert audit(first, folder_store, "one").release
    second = make_contract(columns={**IDS, "annotator": {}, "seen": column}, vendors=VENDOR, predictions=source)
    more = [{**row, "annotator": "c", "seen": value if place % 3 else None} for place, row in enumerate(rows)]
    put(folder_store, second, as_lines(more), delivery="d2", name="labels.jsonl")
    outcome = audit(second, folder_store, "two")
    assert outcome.release
    assert any("without seen" in line for line in read_findings(folder_store, outcome.audit).not_checked)


def test_a_vector_of_another_length_is_another_model_s(make_contract, folder_store, put):
    """The contract's vectors got longer: those of the history are left out, not cut or filled."""

    def contract(length: int):
        columns = {**IDS, "v": {"type": "vector", "length": length}}
        return make_contract(columns=columns, vendors=VENDOR, predictions={"source": "embedding", "column": "v"})

    for run, length in enumerate((3, 5)):
        rng = np.random.default_rng(run)
        rows = [
            {
                "item": f"{run}-{number}",
                "label": ("dog", "cat")[number % 2],
                "v": (rng.normal(size=length) + number % 2).tolist(),
            }
            for number in range(60)
        ]
        put(folder_store, contract(length), as_lines(rows), delivery=f"d{run}", name="labels.jsonl")
        outcome = audit(contract(length), folder_store, f"run{run}")
        assert outcome.release
    assert "on 60 items" in outcome.audit.predictions_note


def test_a_task_without_a_picture_is_empty(make_contract):
    """A person looks the item up; the plan does not fail."""
    columns = {**IDS, "image": {"type": "vector", "length": 4, "nullable": True}}
    source = {"source": "pixels", "column": "image", "shape": [2, 2]}
    contract = make_contract(columns=columns, vendors=VENDOR, predictions=source)
    shown = contents(contract, pd.DataFrame({"image": [[0.0, 9, 9, 0], None, float("nan")]}))
    assert shown[0].startswith("data:image/png")
    assert shown[1:] == ["", ""]


def test_classes_in_another_order_keep_their_probabilities(make_contract, folder_store, put):
    """The history's probabilities are by class, not by place: a contract may reorder or add classes."""
    rows = [{"item": f"i{number}", "label": "cat", "cat": 0.9, "dog": 0.1} for number in range(20)]
    columns = {"source": "delivered"}
    first = make_contract(columns=IDS, vendors=VENDOR, predictions=columns)
    put(folder_store, first, as_lines(rows), name="labels.jsonl")
    assert audit(first, folder_store, "one").release
    second = make_contract(columns=IDS, vendors=VENDOR, predictions=columns, classes=["eel", "dog", "cat"])
    again = [{"item": f"i{number}", "label": "cat", "eel": 0, "dog": 0.1, "cat": 0.9} for number in range(19, 40)]
    put(folder_store, second, as_lines(again), delivery="d2", name="labels.jsonl")
    outcome = audit(second, folder_store, "two")
    assert outcome.release
    assert outcome.audit.issues == 0
    history = layout.history(second.customer, second.dataset)
    kept = read_table(folder_store, f"{history}{outcome.release.release}.parquet")
    assert np.allclose(kept["pred_probs"].to_pylist(), [[0, 0.1, 0.9]] * kept.num_rows, atol=1e-6)


def peak(call) -> int:
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


LONG = "x" * 200_000


def test_one_long_text_costs_its_own_length(make_contract):
    """Of 400 texts one has 200,000 letters: an array of texts would take 320 MB."""
    contract = text_contract(make_contract)
    rows = texts(400)
    rows[7]["text"] = LONG
    features_there = features_of(contract, pd.DataFrame(rows), np.arange(400), 400)
    labels = np.array([row["label"] == "cat" for row in rows], int)
    assert peak(lambda: models.predict(contract, features_there.values, labels, np.ones(400, bool))) < 80 << 20


def test_one_long_name_costs_its_own_length():
    """The public functions too: items and annotators as lists of texts."""
    items = [LONG, LONG, *(f"i{number // 2}" for number in range(398))]
    people, labels = ["ann", "bob"] * 200, ["cat", "dog"] * 200
    assert peak(lambda: aggregate_labels(items, people, labels)) < 40 << 20
    assert peak(lambda: agreement(items, people, labels)) < 40 << 20


def test_names_as_a_list_or_as_an_array_are_the_same():
    """Text arrays, objects and lists give one answer, in one order; "é" sorts behind "z" as numpy has it."""
    items = ["z", "é", "a", "z", "é", "a"]
    people, labels = list("pppqqq"), list("ccdccc")
    made = [
        aggregate_labels(kind(items), kind(people), labels) for kind in (list, np.array, lambda x: np.array(x, object))
    ]
    for opened in made:
        assert opened.items.tolist() == ["a", "z", "é"]
        assert np.array_equal(opened.quality, made[0].quality)
        assert opened.label.tolist() == made[0].label.tolist()
