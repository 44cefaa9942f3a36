"""A first contract from a vendor's sample: what is guessed, and what a person is asked instead."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from conftest import GOOD

from labelaudit import readers
from labelaudit.contracts.model import Contract
from labelaudit.errors import InvalidInput
from labelaudit.propose import proposal
from labelaudit.propose.proposal import contract_from
from labelaudit.readers.formats import read_here, rows_here
from labelaudit.stage.staging import stage
from labelaudit.storage.files import sha256_of
from labelaudit.storage.folder import FolderStore
from labelaudit.values.deliveries import DeliveredFile, Delivery, StagedDelivery
from tests.readers.valid_files import as_lines, label_studio, labelbox, valid_files

pytestmark = pytest.mark.parsers

NOBODY = {"item": None, "annotator": None, "label": None, "question": None}
FORMATS = sorted({*valid_files()} - {"csv.gzip", "csv.zstd", "tsv"})


IN_A_PROCESS_OF_ITS_OWN = (
    "test_the_contract_of_a_sample_accepts_every_row_of_it",
    "test_typed_cells_keep_their_types_and_what_no_type_fits_is_left_out",
)


@pytest.fixture(autouse=True)
def parsed_here(monkeypatch, request):
    """Files are parsed in this process, which takes less time; but not where every format is tried."""
    if request.function.__name__ not in IN_A_PROCESS_OF_ITS_OWN:
        monkeypatch.setattr(readers, "rows", rows_here)
        monkeypatch.setattr(readers, "read", read_here)


def made(path: Path, **names) -> dict:
    return yaml.safe_load(contract_from(path, "acme", "pets", "alder", NOBODY | names).text)


def written(folder: Path, content: str | bytes, name: str = "sample.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def staged(path: Path, terms: dict) -> StagedDelivery:
    """The sample, delivered under the contract that was made of it."""
    contract = Contract(customer="acme", dataset="pets", **terms)
    store, digest = FolderStore(path.parent / "store"), sha256_of(path)
    store.upload(path, f"inbox/alder/acme/pets/d1/{path.name}")
    file = DeliveredFile(path=path.name, bytes=path.stat().st_size, sha256=digest)
    delivery = Delivery(customer="acme", dataset="pets", vendor="alder", id="d1", files=(file,), digest=digest)
    return stage(contract, delivery, store, "run")


def sample_of(folder: Path, name: str) -> tuple[Path, dict[str, str]]:
    """A valid file, and what a person must say of it."""
    content, said = valid_files()[name].content, {}
    if name == "scale":
        tasks = json.loads(content)
        content = json.dumps(
            [task | {"params": {"attachment": f"a text of some words, {n}"}} for n, task in enumerate(tasks)]
        ).encode()
    if name == "label_studio_min":
        said = {"question": "kind"}
    return written(folder, content, "sample.xlsx" if name == "excel" else f"sample.{name}"), said


@pytest.mark.parametrize("name", FORMATS)
def test_the_contract_of_a_sample_accepts_every_row_of_it(tmp_path, name):
    path, said = sample_of(tmp_path, name)
    terms = made(path, **said)
    done = staged(path, terms)
    assert done.refusal is None
    assert done.reject_counts == ()
    assert done.staged_rows == len(valid_files()[name].labels)
    assert terms["classes"] == sorted(set(valid_files()[name].labels))


@pytest.mark.parametrize("kind", ["tsv", "csv.gz", "json", "parquet"])
def test_the_same_rows_in_any_format_give_the_same_terms(tmp_path, kind: str):
    path = tmp_path / f"sample.{kind}"
    header, *lines = [line.split(",") for line in GOOD.split()]
    if kind == "parquet":
        pq.write_table(pa.table({name: [row[n] for row in lines] for n, name in enumerate(header)}), path)
    elif kind in ("jsonl", "json"):
        records = [dict(zip(header, row, strict=True)) for row in lines]
        path.write_text(json.dumps(records) if kind == "json" else as_lines(records).decode())
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
    lines = [row.format(n=n, label="cat" if n % 2 else "dog") for n in range(8)]
    path = written(tmp_path, "\n".join([header, *lines]))
    assert made(path)["predictions"]["source"] == source


CELLS = {
    "integer": (["1", "-2"], {"type": "integer"}),
    "number": (["1", ".5"], {"type": "number"}),
    "zero": (["0", "0.5"], {"type": "number"}),
    "gaps": (["1e5", ""], {"type": "number", "nullable": True}),
    "boolean": (["true", "false"], {"type": "boolean"}),
    "padded": (["007", "008"], {"type": "string"}),
    "no_number": (["NaN", "1"], {"type": "string"}),
    "long": (["99999999999999999999", "1"], {"type": "string"}),
    "text": (["NA", " yes"], {"type": "string"}),
    "moment": (["2026-01-02T03:04:05Z", "2026-01-02 03:04"], {"type": "timestamp"}),
    "day": (["2026-01-02", "2026-01-03"], {"type": "string"}),
    "no_moment": (["2026-13-02T03:04:05Z", "2026-01-02 03:04"], {"type": "string"}),
    "vector": (['"[1,2]"', '"[3,4.5]"'], {"type": "vector", "length": 2}),
    "ragged": (['"[1,2]"', '"[3]"'], {"type": "string"}),
    "nothing": (["", ""], None),
}


def test_a_columns_type_is_one_that_its_every_cell_has(tmp_path):
    lines = [
        ",".join([f"i{n}", "ann", label, *(cells[n % 2] for cells, _ in CELLS.values())])
        for n, label in enumerate(["cat", "dog"] * 2)
    ]
    path = written(tmp_path, "\n".join([",".join(["item", "annotator", "label", *CELLS]), *lines]))
    contract = made(path)
    assert {name: contract["columns"].get(name) for name in CELLS} == {
        name: declared for name, (_, declared) in CELLS.items()
    }
    assert staged(path, contract).staged_rows == 4


def test_typed_cells_keep_their_types_and_what_no_type_fits_is_left_out(tmp_path):
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    table = {
        "item": ["a", "b"],
        "annotator": ["x", "y"],
        "label": ["cat", "dog"],
        "when": [moment, moment],
        "vector": [[1.0, 2.0], [3.0, 4.0]],
        "sure": [True, None],
        "day": pa.array([moment.date()] * 2),
        "about": [{"a": 1}, {"a": 2}],
        "money": pa.array([1, 2]).cast(pa.decimal128(38, 2)),
    }
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table(table), path)
    contract = made(path)
    assert contract["columns"] == {
        "item": {},
        "annotator": {},
        "label": {},
        "when": {"type": "timestamp"},
        "vector": {"type": "vector", "length": 2},
        "sure": {"type": "boolean", "nullable": True},
    }
    assert staged(path, contract).staged_rows == 2


def test_names_become_such_that_a_contract_takes_them(tmp_path):
    lines = "i1,ann,cat,1,2,3,4\ni2,ann,dog,1,2,3,4\n"
    path = written(tmp_path, f"item,annotator,label,größe in cm,1st,file,{'x' * 90}\n{lines}")
    contract = made(path)
    names = contract["vendors"]["alder"]["columns"]
    assert names == {"gr__e_in_cm": "größe in cm", "_1st": "1st", "_file": "file", "x" * 50: "x" * 90}
    assert staged(path, contract).staged_rows == 2


def test_a_key_that_some_records_lack_is_optional(tmp_path):
    records = [{"item": n, "annotator": "ann", "label": "cat" if n else "dog"} for n in range(4)]
    records[3]["x"] = 1
    path = written(tmp_path, as_lines(records), "a.jsonl")
    contract = made(path)
    assert contract["columns"]["x"] == {"type": "integer", "required": False, "nullable": True}
    assert staged(path, contract).staged_rows == 4


def test_a_dialect_is_written_into_the_contract(tmp_path):
    text = (
        "Export of 2026\n"
        + "item;annotator;label;score\n"
        + "".join(f"i{n};ann;{'cat' if n % 2 else 'chât'};1,{n}\n" for n in range(8))
    )
    path = written(tmp_path, text.encode("cp1252"))
    text = contract_from(path, "acme", "pets", "alder", NOBODY).text
    contract = yaml.safe_load(text)
    assert contract["vendors"]["alder"] == {
        "format": "csv",
        "encoding": "cp1252",
        "delimiter": ";",
        "dialect": {"skip_lines": 1, "decimal": ","},
    }
    assert contract["columns"]["score"] == {"type": "number"}
    assert "# Check `encoding`: it is not UTF-8" in text
    assert "# Check `skip_lines`: 1 line(s)" in text
    assert staged(path, contract).staged_rows == 8


def test_a_file_without_a_header_needs_a_person_to_say_what_is_what(tmp_path):
    path = written(tmp_path, "1,ann,cat\n2,ann,dog\n3,ann,cat\n")
    with pytest.raises(InvalidInput, match=r"which column is the item.*column_1, column_2, column_3"):
        made(path)
    contract = made(path, item="column_1", annotator="column_2", label="column_3")
    assert contract["vendors"]["alder"]["dialect"] == {"header": ["column_1", "column_2", "column_3"]}
    assert staged(path, contract).staged_rows == 3


def test_of_an_export_the_canonical_columns_and_the_texts_are_kept(tmp_path):
    """Not its bookkeeping; what may be missing from other exports is optional."""
    tasks = [label_studio(n, "cat" if n % 2 else "dog") for n in range(6)]
    for task in tasks:
        task |= {"inner_id": 7, "updated_by": 3, "meta": {"note": "a note of several words"}}
        task["annotations"][0] |= {"updated_at": "2026-01-02T03:04:05.678Z", "ground_truth": False}
    contract = made(written(tmp_path, json.dumps(tasks), "a.json"))
    optional = {"required": False, "nullable": True}
    assert contract["columns"] == {
        "item": {},
        "annotator": {},
        "label": {},
        "data_text": {"type": "string"},
        "meta_note": {"type": "string"},
        "seconds": {"type": "number", **optional},
        "timestamp": {"type": "timestamp", **optional},
        "gold": {"type": "boolean", **optional},
    }
    assert contract["predictions"] == {"source": "text", "column": "data_text"}


def test_of_several_questions_none_is_picked_silently(tmp_path):
    records = [labelbox(n, "cat" if n % 2 else "dog") for n in range(4)]
    for record in records[2:]:  # no record answers both
        record["projects"]["p1"]["labels"][0]["annotations"]["classifications"][0]["name"] = "Mood"
    path = written(tmp_path, as_lines(records))
    with pytest.raises(InvalidInput, match=r"several questions. Say --question with one of Kind, Mood"):
        made(path)
    contract = made(path, question="Mood")
    assert contract["vendors"]["alder"] == {"format": "labelbox", "question": "Mood"}
    assert staged(path, contract).staged_rows == 2
    with pytest.raises(InvalidInput, match=r"no answers to 'Size'\. Say --question with one of Kind, Mood"):
        made(path, question="Size")


def test_an_answer_that_could_be_data_is_asked_for(tmp_path):
    path, _ = sample_of(tmp_path, "label_studio_min")
    with pytest.raises(InvalidInput, match="Say --question with one of text, kind"):
        made(path)


def test_preferences_of_several_annotators_are_judged_by_their_agreement(tmp_path):
    """One response says little of which of the two is preferred."""
    pairs = [
        {"id": n, "prompt": "say", "chosen": "ja"[:: 1 - 2 * (who == n)], "rejected": "aj"[:: 1 - 2 * (who == n)]}
        | {"annotator": who}
        for n in range(4)
        for who in range(3)
    ]
    assert made(written(tmp_path, as_lines(pairs)))["predictions"] == {"source": "none"}
    alone = [pair for pair in pairs if pair["annotator"] == 0]
    assert made(written(tmp_path, as_lines(alone)))["predictions"] == {"source": "text", "column": "response_a"}


def test_what_would_be_a_reject_is_said_in_the_contract(tmp_path):
    path = written(tmp_path, GOOD + "i99,,cat\n")
    text = contract_from(path, "acme", "pets", "alder", NOBODY).text
    assert "# Check `annotator`: it is empty in 1 of the first 37 rows, which will be rejects" in text
    done = staged(path, yaml.safe_load(text))
    assert (done.staged_rows, done.rejected_rows) == (36, 1)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"", "empty"),
        ("a.csv", b"item,label\n", "no rows"),
        ("a.csv", b"foo,bar\n1,2\n", "which column is the item"),
        ("a.csv", b"item,label\n1,cat\n2,dog\n", "nothing to judge the labels by.*Say --annotator"),
        ("a.csv", b"item,label\n1,cat\n", "1 labels"),
        ("a.csv", b"item,item,label\n1,2,cat\n", "the header names"),
        ("a.csv.gz", gzip.compress(b"item,label\n" * 99, mtime=0)[:-12], "can't be read"),
        ("a.jsonl", b"{", "no rows"),
        ("a.jsonl", b"[1, 2]\n[3]\n", "no rows with named columns.*line 1"),
        ("a.json", b"[]", "no rows"),
        ("a.json", b'[{"item": 1, "label": "x"}', "can't be read as json.*line 1, column 27"),
        ("a.jsonl", b'{"item": 1, "label": {"a": 1}, "x": 1}\n' * 3, "0 labels .and values of type dict"),
        (
            "a.jsonl",
            b'{"metadata": {"a": 1}, "instances": [1]}\n' * 3,
            "nested.*'metadata' is an object",
        ),
        ("a.parquet", b"PAR1", "can't be read as parquet"),
        ("a.xlsx", b"PK\x03\x04", "can't be read"),
    ],
)
def test_what_no_contract_can_be_learnt_from_is_said(tmp_path, name, content, said):
    with pytest.raises(InvalidInput, match=said) as caught:
        made(written(tmp_path, content, name))
    assert name in str(caught.value)


def test_an_export_that_nothing_can_judge_is_said(tmp_path):
    path = written(tmp_path, valid_files()["scale"].content)
    with pytest.raises(InvalidInput, match="no annotators in this export"):
        made(path)


def test_a_name_that_can_not_be_a_path_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match="Acme Inc/pets"):
        contract_from(written(tmp_path, GOOD), "Acme Inc", "pets", "alder", NOBODY)


def test_a_column_that_a_person_names_wins_and_must_exist(tmp_path):
    path = written(tmp_path, GOOD.replace("annotator", "hand"))
    assert made(path, annotator="hand")["vendors"]["alder"]["columns"] == {"annotator": "hand"}
    with pytest.raises(InvalidInput, match=r"no column 'arm'.* Say --annotator with one of item, hand, label"):
        made(path, annotator="arm")


def test_a_sample_that_was_not_looked_at_to_its_end_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(proposal, "ROWS", 20)
    assert (
        "the types and classes: only the first 20 rows were looked at"
        in contract_from(written(tmp_path, GOOD), "acme", "pets", "alder", NOBODY).notes
    )


def test_only_the_rows_that_can_be_read_are_learnt_from(tmp_path):
    path = written(tmp_path, GOOD + 'i1,ann\n"open,ann,cat\n')
    done = staged(path, made(path))
    assert (done.staged_rows, done.rejected_rows) == (36, 2)
