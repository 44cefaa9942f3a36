"""A first contract from a vendor's sample: what is guessed, and what a person is asked instead."""

from __future__ import annotations

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from conftest import GOOD

from labelaudit.errors import InvalidInput
from labelaudit.sampling import contract_from

NOBODY = {"item": None, "annotator": None, "label": None}


def made(path, **names) -> dict:
    return yaml.safe_load(contract_from(path, "acme", "pets", "alder", NOBODY | names))


@pytest.mark.parametrize("kind", ["csv", "tsv", "csv.gz", "jsonl", "parquet"])
def test_the_same_rows_in_any_format_give_the_same_terms(tmp_path, kind: str):
    path = tmp_path / f"sample.{kind}"
    header, *lines = [line.split(",") for line in GOOD.split()]
    if kind == "parquet":
        pq.write_table(pa.table({name: [row[n] for row in lines] for n, name in enumerate(header)}), path)
    elif kind == "jsonl":
        path.write_text("".join(json.dumps(dict(zip(header, row, strict=True))) + "\n" for row in lines))
    else:
        content = GOOD.replace(",", "\t") if kind == "tsv" else GOOD
        path.write_bytes(gzip.compress(content.encode()) if kind.endswith("gz") else content.encode())
    contract = made(path)
    assert contract["classes"] == ["cat", "dog"]
    assert contract["predictions"] == {"source": "none"}
    assert contract["vendors"]["alder"]["format"] == kind.removesuffix(".gz")


@pytest.mark.parametrize(
    ("header", "row", "source"),
    [
        ("uid,who,choice", "{n},ann,{label}", "none"),
        ("id,label,text", "{n},{label},a text of several words {n}", "text"),
        ("id,label,height,width", "{n},{label},{n},1.5", "tabular"),
        ("id,label,vector", '{n},{label},"[1, 2, {n}]"', "embedding"),
        ("id,label,cat,dog", "{n},{label},.5,.5", "delivered"),
    ],
)
def test_predictions_follow_from_the_columns(tmp_path, header, row, source):
    path = tmp_path / "sample.csv"
    rows = [row.format(n=n, label="cat" if n % 2 else "dog") for n in range(8)]
    path.write_text("\n".join([header, *rows]))
    assert made(path)["predictions"]["source"] == source


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"", "no rows"),
        ("a.csv", b"foo,bar\n1,2\n", "which column is the item"),
        ("a.csv", b"item,label\n1,cat\n2,dog\n", "nothing to judge the labels by"),
        ("a.csv", b"item,label\n1,cat\n", "1 labels"),
        ("a.csv", b"item,label\n1,c\xff\n", "can't be read as csv"),
        ("a.csv.gz", b"item,label\n", "can't be read"),
        ("a.csv.gz", gzip.compress(b"item,label\n" * 99)[:-12], "can't be read"),
        ("a.jsonl", b"{", "can't be read as jsonl"),
        ("a.jsonl", b"[1, 2]\n", "named columns"),
        ("a.parquet", b"PAR1", "can't be read as parquet"),
        ("a.xlsx", b"", "must end in"),
    ],
)
def test_what_no_contract_can_be_learnt_from_is_said(tmp_path, name, content, said):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=said):
        made(path)


def test_a_name_that_can_not_be_a_path_is_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(GOOD)
    with pytest.raises(InvalidInput, match="Acme Inc/pets"):
        contract_from(path, "Acme Inc", "pets", "alder", NOBODY)


def test_a_column_that_a_person_names_wins_and_must_exist(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(GOOD.replace("annotator", "hand"))
    assert made(path, annotator="hand")["vendors"]["alder"]["columns"] == {"annotator": "hand"}
    with pytest.raises(InvalidInput, match="no column 'arm' for --annotator; it has item, hand, label"):
        made(path, annotator="arm")
