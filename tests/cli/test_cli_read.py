"""`labelaudit read`: a file is tried before it is delivered; nothing is guessed under a contract."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest
import typer
from conftest import GOOD
from typer.testing import CliRunner

from labelaudit.cli.read import ALL_READ, REJECTED, read
from tests.readers.valid_files import LABELS, label_studio, valid_files

pytestmark = pytest.mark.parsers

app = typer.Typer()
app.command()(read)
BAD = GOOD + "i1,ann\ni2,ann,[red]dog,\n"


@pytest.fixture
def tried(tmp_path: Path) -> Callable[..., dict]:
    """What `read --json` says of a file with this content."""

    def run(content: str | bytes, *arguments: str, code: int = ALL_READ, name: str = "labels.csv") -> dict:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        done = CliRunner().invoke(app, [str(path), "--json", "--contracts", str(tmp_path / "contracts"), *arguments])
        assert done.exit_code == code, done.output
        return json.loads(done.stdout)

    return run


@pytest.mark.parametrize(
    "name", ["csv", "csv.zip", "tsv", "json", "excel", "arrow", "coco", "label_studio_min", "rubric"]
)
def test_a_sound_file_of_any_format_is_read_to_its_end(tried, name):
    options = ("--question", "kind") if name == "label_studio_min" else ()
    said = tried(valid_files()[name].content, *options, name="a.xlsx" if name == "excel" else f"a.{name}")
    assert (said["rows"], said["records"]) == (len(valid_files()[name].labels), len(LABELS))
    assert said["terms"]["format"] == name.partition(".")[0]
    assert (said["rejected_rows"], said["refusal"], said["all_read"]) == (0, None, True)


def test_every_reject_is_counted_and_the_first_are_told_with_their_place(tried, tmp_path):
    said = tried(BAD + "x\n" * 20, "--rejects", str(tmp_path / "rejects.csv"), code=REJECTED)
    assert (said["rows"], said["records"], said["rejected_rows"]) == (36, 58, 22)
    assert [(reject["code"], reject["rows"]) for reject in said["rejects"]] == [("wrong_width", 22)]
    assert len(said["first_rejects"]) == 10
    first = said["first_rejects"][0]
    assert (first["line"], first["text"]) == (38, "i1,ann")
    assert first["advice"].startswith("Quote fields")
    with (tmp_path / "rejects.csv").open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [int(line["line"]) for line in lines] == list(range(38, 60))


def test_people_are_told_what_to_do(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text(BAD)
    done = CliRunner().invoke(app, [str(path)])
    assert done.exit_code == REJECTED
    assert "rows 36, records 38, rejects 2" in done.output
    assert "line 38: 2 fields, the header has 3" in done.output
    assert "Quote fields that hold the delimiter" in done.output


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        ("", "a.csv", "empty"),
        ("item,label\n", "a.csv", "holds no rows"),
        ('[{"a": 1}, {"a"', "a.json", "line 1, column"),
        ("version https://git-lfs.github.com/spec/v1\n", "a.csv", "Git LFS"),
        ("plain words\n", "a.txt", "no format can be told"),
    ],
)
def test_a_file_that_can_not_be_read_to_its_end_is_refused(tried, content, name, said):
    answer = tried(content, code=REJECTED, name=name)
    assert said in answer["refusal"]["message"]
    assert not answer["all_read"]


def test_what_was_skipped_is_no_fault(tried):
    tasks = [label_studio(n, "cat") for n in range(3)]
    tasks[1]["annotations"][0]["was_cancelled"] = True
    said = tried(json.dumps(tasks))
    assert (said["rows"], said["records"]) == (2, 3)
    assert [reject["code"] for reject in said["rejects"]] == ["skipped"]


def test_a_format_can_be_said(tried):
    spans = valid_files()["spans"].content
    assert tried(spans, "--as", "jsonl")["terms"] == {"format": "jsonl"}
    assert tried("item,label\ni1\n", "--as", "csv", code=REJECTED)["rejects"][0]["code"] == "wrong_width"


def test_with_a_contract_it_is_read_as_its_delivery_would_be(tried, make_contract):
    columns = {"item": {}, "annotator": {"trim": True}, "label": {"case": "lower"}, "n": {"type": "integer"}}
    make_contract(columns=columns, vendors={"alder": {"format": "csv"}})
    text = "item,annotator,label,n,other\ni1, ann ,CAT,1,x\ni2,ann,dog,one,x\ni3, ,dog,1,x\n"
    said = tried(text, "--contract", "acme/pets", code=REJECTED)
    assert (said["rows"], said["records"], said["rejected_rows"]) == (1, 3, 2)
    codes = {(reject["code"], reject["column"]) for reject in said["rejects"]}
    assert codes == {("wrong_type", "n"), ("empty", "annotator")}
    assert said["cleanups"][-1] == {"column": "label", "kind": "case", "rows": 1}
    assert said["undeclared"] == ["other"]
    assert {reject["line"] for reject in said["first_rejects"]} == {3, 4}


def test_the_contracts_terms_hold_and_are_not_guessed(tried, make_contract):
    make_contract()
    said = tried(GOOD.replace(",", ";"), "--contract", "acme/pets", "--vendor", "alder", code=REJECTED)
    assert said["refusal"]["code"] == "missing_column"


@pytest.mark.parametrize("format", ["csv", "excel"])
def test_a_title_above_the_header_is_said_with_what_to_declare(tried, make_contract, format):
    rows = [["Labels of May"], ["item", "annotator", "label"], *[[f"i{n}", "ann", "cat"] for n in range(3)]]
    content = "".join(",".join(row) + "\n" for row in rows).encode()
    if format == "excel":
        book, target = openpyxl.Workbook(), io.BytesIO()
        for row in rows:
            book.active.append(row)
        book.save(target)
        content = target.getvalue()
    make_contract(vendors={"alder": {"format": format}})
    refusal = tried(content, "--contract", "acme/pets", code=REJECTED)["refusal"]
    assert refusal["code"] == "missing_column"
    assert " 2 has them: with `dialect: {skip_lines: 1}` it is the header" in refusal["message"]
    make_contract(vendors={"alder": {"format": format, "dialect": {"skip_lines": 1}}})
    assert tried(content, "--contract", "acme/pets")["rows"] == 3


def test_a_guideline_is_asked_for_where_the_contract_does(tried, make_contract):
    make_contract(guidelines=["v2"], vendors={"alder": {"format": "csv"}})
    assert tried(GOOD, "--contract", "acme/pets", code=REJECTED)["refusal"]["code"] == "unknown_guideline"
    assert tried(GOOD, "--contract", "acme/pets", "--guideline", "v2")["rows"] == 36


def test_predictions_of_a_second_file_are_not_asked_for(tried, make_contract):
    make_contract(predictions={"source": "delivered", "file": "p.csv"}, vendors={"alder": {"format": "csv"}})
    assert tried(GOOD, "--contract", "acme/pets")["rows"] == 36


def test_options_that_contradict_each_other_are_said(tmp_path, make_contract):
    make_contract()
    path = tmp_path / "a.csv"
    path.write_text(GOOD)
    contracts = ["--contracts", str(tmp_path / "contracts")]
    for options, said in (
        (["--vendor", "alder"], "belong to a contract"),
        (["--contract", "acme/pets", "--as", "csv"], "leave them out"),
        (["--contract", "acme/pets"], "Say --vendor with one of alder, birch"),
        (["--contract", "acme/pets", "--vendor", "cedar"], "has no vendor 'cedar'"),
        (["--as", "xml"], "there is no format 'xml'"),
    ):
        done = CliRunner().invoke(app, [str(path), *contracts, *options])
        assert said in str(done.exception)
