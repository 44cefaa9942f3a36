"""Preference data as it is published: each judgement is one row, and what is none of them is a reject."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from labelaudit.readers.documents import nested
from labelaudit.readers.terms import Field, Terms

FIELDS = (
    Field("item", "item"),
    Field("label", "label"),
    Field("annotator", "annotator", required=False, nullable=True),
)


def read(path: Path, kind: str, records: list[Any], *more: Field) -> tuple[list[dict[str, Any]], list[tuple], int]:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    terms = Terms(name="f", format=kind, fields=(*FIELDS, *more), container="jsonl")
    batches = list(nested.read(path, terms))
    rows = [row for batch in batches for row in batch.rows.to_pylist()]
    rejects = [(reject.line, reject.place, reject.code) for batch in batches for reject in batch.rejects]
    return rows, rejects, sum(batch.records for batch in batches)


def test_helpsteer_2_and_3_name_the_score_differently(tmp_path: Path):
    """HelpSteer2 has `strength` and `justification`, and -100 for "neither"; HelpSteer3 has `score` and `reasoning`."""
    two = {"prompt": "p", "response_1": "x", "response_2": "y", "preference_strength": 1}
    two["all_preferences_unprocessed"] = [
        {"strength": 1, "justification": "longer"},
        {"strength": -100, "justification": "both are bad"},
    ]
    three = {"context": [{"role": "user", "content": "p"}], "response1": "x", "response2": "y"}
    three["individual_preference"] = [{"score": -3, "reasoning": "shorter"}, {"score": None, "reasoning": "?"}]
    more = [Field(name, name, required=False, nullable=True) for name in ("justification", "reasoning")]
    rows, rejects, records = read(tmp_path / "f", "helpsteer", [two, three], *more)
    assert [(row["annotator"], row["label"], row["justification"], row["reasoning"]) for row in rows] == [
        ("1", "1", "longer", None),
        ("2", "-100", "both are bad", None),
        ("1", "-3", None, "shorter"),
    ]
    assert rows[0]["item"] == rows[1]["item"] != rows[2]["item"]
    assert rejects == [(2, "$.individual_preference[1].score", "wrong_nesting")]
    assert records == 2


def test_an_annotators_own_keys_never_replace_the_pairs(tmp_path: Path):
    """What one annotator's object says of `item` or `prompt` is not what the record says."""
    record = {"id": "r", "prompt": "p", "response1": "x", "response2": "y"}
    record["individual_preference"] = [{"score": 2, "item": "other", "prompt": "q"}]
    rows, rejects, _ = read(tmp_path / "f", "helpsteer", [record], Field("prompt", "prompt"))
    assert [(row["item"], row["prompt"], row["label"]) for row in rows] == [("r", "p", "2")]
    assert rejects == []


def test_two_judgements_of_a_pair_are_one_item_in_a_file(tmp_path: Path):
    pairs = [("x", "y", "ann"), ("y", "x", "bob"), ("x", "x", "cat"), (None, "y", "dan")]
    records = [{"prompt": "p", "chosen": one, "rejected": two, "annotator": who} for one, two, who in pairs]
    responses = (Field("response_a", "response_a"), Field("response_b", "response_b"))
    rows, rejects, records_count = read(tmp_path / "f", "preference", [*records, None], *responses)
    assert [row["annotator"] for row in rows] == ["ann", "bob"]
    assert rows[0]["item"] == rows[1]["item"]
    assert [row[f"response_{row['label']}"] for row in rows] == ["x", "y"]
    assert rejects == [(3, "$", "several_labels"), (4, "$.chosen", "wrong_nesting"), (5, "$", "wrong_nesting")]
    assert records_count == 5


def test_each_criterion_is_a_row_or_a_reject(tmp_path: Path):
    """A null is no grade; a grade too many leaves open which criterion it is for, so none is taken."""
    rubrics = [{"criterion": "polite", "points": 5, "tags": []}, {"criterion": "short", "points": -2}]
    records = [
        {"id": "r", "prompt": "p", "rubrics": rubrics, "criteria_met": [True, None]},
        {"id": "s", "prompt": "p", "rubrics": rubrics, "criteria_met": [True, False, True]},
        {"id": "t", "prompt": "p", "rubrics": [], "criteria_met": []},
    ]
    rows, rejects, _ = read(tmp_path / "f", "rubric", records, Field("points", "points", "number"))
    assert [(row["item"], row["label"], row["points"]) for row in rows] == [("r#0", "true", 5.0)]
    assert rejects == [
        (1, "$.criteria_met[1]", "wrong_nesting"),
        (2, "$.criteria_met", "wrong_length"),
        (3, "$.rubrics", "unlabelled"),
    ]


def test_a_kto_label_is_true_or_false_only(tmp_path: Path):
    records = [{"prompt": "p", "completion": "c", "label": label} for label in (True, False, 1, "true", None)]
    rows, rejects, _ = read(tmp_path / "f", "kto", records)
    assert [row["label"] for row in rows] == ["true", "false"]
    assert rejects == [(line, "$.label", "wrong_nesting") for line in (3, 4, 5)]
