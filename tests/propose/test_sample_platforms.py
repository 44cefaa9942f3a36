"""A first contract from crowd platforms' files and from raters in columns: proposed right, and run on the file."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from conftest import audit

from labelaudit import readers
from labelaudit.contracts.model import Contract
from labelaudit.errors import InvalidInput, Undecided
from labelaudit.propose.proposal import Proposal, contract_from
from labelaudit.readers.formats import read_here, rows_here
from labelaudit.receive.delivering import deliver
from labelaudit.run.steps import find, open_destination
from labelaudit.stage.staging import stage

pytestmark = pytest.mark.parsers


@pytest.fixture(autouse=True)
def parsed_here(monkeypatch):
    """Files of the sample are parsed in this process, which takes less time."""
    monkeypatch.setattr(readers, "rows", rows_here)
    monkeypatch.setattr(readers, "read", read_here)


def proposed(folder: Path, content: str, name: str = "sample.csv", **said: str) -> tuple[dict[str, Any], Proposal]:
    (folder / name).write_text(content, newline="")
    proposal = contract_from(folder / name, "acme", "pets", "alder", said)
    return yaml.safe_load(proposal.text), proposal


def table(rows: list[dict[str, Any]], delimiter: str = ",") -> str:
    target = io.StringIO()
    writer = csv.DictWriter(target, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return target.getvalue()


def audited(store, terms: dict[str, Any], path: Path):
    """The sample itself, delivered under the contract that was made of it."""
    contract = Contract(customer="acme", dataset="pets", **terms | {"tolerance": {"rejected_rows_rate": 0.5}})
    deliver(store, "acme", "pets", "alder", "d1", [path])
    return audit(contract, store)


def labels_of(store, terms: dict[str, Any], path: Path) -> list[tuple[str, str, str]]:
    """The sample's labels as they are staged under the contract that was made of it: item, annotator, label."""
    contract = Contract(customer="acme", dataset="pets", **terms)
    deliver(store, "acme", "pets", "alder", "d1", [path])
    (delivery,) = find(contract, store, open_destination(contract, store), "run").deliveries
    staged = stage(contract, delivery, store, "run")
    assert staged.refusal is None
    with store.local(staged.table) as file:
        rows = pq.read_table(file).to_pylist()
    return [(row["item"], row["annotator"], row["label"]) for row in rows]


def turk(number: int, worker: str, label: str, status: str = "Approved") -> dict[str, Any]:
    return {
        "HITId": f"H{number}",
        "HITTypeId": "T1",
        "Title": "Which animal is it that you see?",
        "Description": "Look at a picture and say which animal",
        "Reward": "$0.05",
        "AssignmentId": f"A{number}{worker}",
        "WorkerId": worker,
        "AssignmentStatus": status,
        "SubmitTime": "Tue Nov 03 10:11:12 PST 2026",
        "WorkTimeInSeconds": "12",
        "Input.image_url": f"https://x/{number}.jpg",
        "Answer.category.label": label,
        "Approve": "",
        "Reject": "",
    }


def answers(number: int) -> list[tuple[str, str]]:
    return [("W1", "cat" if number % 2 else "dog"), ("W2", "cat" if number % 2 else "dog"), ("W3", "cat")]


def test_a_batch_of_mechanical_turk(tmp_path, folder_store):
    """The picture is the item, the worker the annotator; rejected assignments are no labels, and a title no text."""
    rows = [
        turk(n, who, label, "Rejected" if (n, who) == (0, "W3") else "Approved")
        for n in range(12)
        for who, label in answers(n)
    ]
    terms, proposal = proposed(tmp_path, table(rows))
    names = {"item": "Input.image_url", "annotator": "WorkerId", "label": "Answer.category.label"}
    assert terms["vendors"]["alder"]["columns"] == names | {"seconds": "WorkTimeInSeconds"}
    assert [*terms["columns"]] == ["item", "annotator", "label", "AssignmentStatus", "seconds"]
    assert terms["predictions"] == {"source": "none"}
    assert "1 of 36 rows (3%) are rejected assignments" in "".join(proposal.notes)
    done = audited(folder_store, terms, tmp_path / "sample.csv")
    assert (done.release.items, done.release.accepted_rows, done.release.rejected_rows) == (12, 35, 1)


def test_a_text_that_was_asked_about_is_no_name(tmp_path):
    rows = [
        turk(n, who, label) | {"Input.text": f"the {n}. text of several words"}
        for n in range(8)
        for who, label in answers(n)
    ]
    for row in rows:
        del row["Input.image_url"]
    terms, _ = proposed(tmp_path, table(rows))
    assert terms["vendors"]["alder"]["columns"]["item"] == "HITId"
    assert terms["predictions"] == {"source": "text", "column": "Input_text"}


def test_of_several_answers_a_person_chooses(tmp_path):
    rows = [turk(n, who, label) | {"Answer.why": "so"} for n in range(4) for who, label in answers(n)]
    with pytest.raises(Undecided, match=r"Say --label with one of Answer\.category\.label, Answer\.why"):
        proposed(tmp_path, table(rows))
    terms, _ = proposed(tmp_path, table(rows), label="Answer.category.label")
    assert terms["classes"] == ["cat", "dog"]


def test_a_question_in_one_column_a_choice_is_said(tmp_path):
    rows = []
    for n in range(4):
        row = turk(n, "W1", "") | {"Answer.q.cat": str(bool(n % 2)).lower(), "Answer.q.dog": str(not n % 2).lower()}
        rows.append(row)
    with pytest.raises(InvalidInput, match=r"Answer\.q is answered in one column for each choice"):
        proposed(tmp_path, table(rows))


def test_a_file_of_toloka(tmp_path, folder_store):
    rows = [
        {"INPUT:image": f"/{n}.jpg", "OUTPUT:result": label, "GOLDEN:result": "cat" if n == 1 else "", "HINT:x": ""}
        | {"ASSIGNMENT:link": "https://x", "ASSIGNMENT:task_id": f"t{n}", "ASSIGNMENT:assignment_id": f"a{n}{who}"}
        | {
            "ASSIGNMENT:worker_id": who,
            "ASSIGNMENT:status": "APPROVED",
            "ASSIGNMENT:started": "2026-01-02T03:04:05.678",
        }
        for n in range(12)
        for who, label in answers(n)
    ]
    terms, proposal = proposed(tmp_path, table(rows, "\t"), "assignments.tsv")
    vendor = terms["vendors"]["alder"]
    assert vendor["format"] == "tsv"
    assert vendor["columns"]["item"] == "INPUT:image"
    assert (vendor["columns"]["annotator"], vendor["columns"]["label"]) == ("ASSIGNMENT:worker_id", "OUTPUT:result")
    assert "GOLDEN:result: known labels are no column" in "".join(proposal.notes)
    done = audited(folder_store, terms, tmp_path / "assignments.tsv")
    assert (done.release.items, done.release.accepted_rows, done.release.rejected_rows) == (12, 36, 0)


@pytest.mark.parametrize(
    "names",
    [
        ("rater_1", "rater_2", "rater_3"),
        ("annotator_1_label", "annotator_2_label", "annotator_3_label"),
        ("label_a", "label_b", "label_c"),
        ("coder1", "coder2", "coder3"),
        ("Judge A", "Judge B", "Judge C"),
        ("RaterA", "RaterB", "RaterC"),
        ("label_annotator1", "label_annotator2", "label_annotator3"),
    ],
)
def test_raters_in_columns_are_proposed(tmp_path, folder_store, names: tuple[str, ...]):
    values = [[label for _, label in answers(n)] for n in range(12)]
    values[5][1] = ""
    rows = [{"id": f"i{n}", **dict(zip(names, cells, strict=True)), "age": n} for n, cells in enumerate(values)]
    terms, proposal = proposed(tmp_path, table(rows))
    assert terms["vendors"]["alder"] == {"format": "csv", "columns": {"item": "id"}, "raters": [*names]}
    assert terms["columns"]["annotator"] == terms["columns"]["label"] == {}
    assert proposal.notes[0].startswith("`raters`: ")
    expected = [(row["id"], name, row[name]) for row in rows for name in names if row[name]]
    assert labels_of(folder_store, terms, tmp_path / "sample.csv") == expected


def test_numbered_texts_are_no_raters(tmp_path):
    """Two answers of a model to compare are no two raters: their values do not come again."""
    rows = [
        {"id": n, "answer_1": f"text {n} of some words", "answer_2": f"word {n} of some", "label": "12"[n % 2]}
        for n in range(9)
    ]
    terms, proposal = proposed(tmp_path, table(rows))
    assert "raters" not in terms["vendors"]["alder"]
    assert "predictions from 'answer_1' alone know half of it" in "".join(proposal.notes)


def test_a_person_names_the_raters_or_a_label(tmp_path):
    rows = [{"id": n, "x": "ab"[n % 2], "y": "ab"[n % 2], "rater_1": "a", "rater_2": "ab"[n % 2]} for n in range(9)]
    terms, _ = proposed(tmp_path, table(rows), raters="x, y")
    assert terms["vendors"]["alder"]["raters"] == ["x", "y"]
    terms, _ = proposed(tmp_path, table(rows), label="rater_2", annotator="rater_1")
    assert "raters" not in terms["vendors"]["alder"]
    with pytest.raises(InvalidInput, match="no column 'z' for --raters; it has id, x, y"):
        proposed(tmp_path, table(rows), raters="x,z")


@pytest.mark.parametrize(
    ("values", "classes"),
    [([True, False], ["false", "true"]), ([0, 1], ["0", "1"]), ([1, 2.5], ["1", "2.5"]), ([1, 5], ["1", "5"])],
)
def test_truths_and_numbers_are_labels(tmp_path, folder_store, values: list[Any], classes: list[str]):
    rows = [{"item": f"i{n}", "annotator": who, "label": values[n % 2]} for n in range(12) for who in ("ann", "bob")]
    terms, _ = proposed(tmp_path, "".join(json.dumps(row) + "\n" for row in rows), "sample.jsonl")
    assert terms["classes"] == classes
    texts = [label for _, _, label in labels_of(folder_store, terms, tmp_path / "sample.jsonl")]
    assert sorted({*texts}) == classes
    assert len(texts) == 24
