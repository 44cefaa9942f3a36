"""`labelaudit new`: what can't be told is asked or said, and what is in doubt is said before a contract is agreed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
import yaml
from click.testing import Result
from conftest import GOOD
from typer.testing import CliRunner

from labelaudit import readers
from labelaudit.cli import new as cli_new
from labelaudit.errors import InvalidInput, Undecided
from labelaudit.readers.formats import read_here, rows_here
from tests.readers import valid_files

app = typer.Typer()
app.command()(cli_new.new)


@pytest.fixture(autouse=True)
def parsed_here(monkeypatch):
    monkeypatch.setattr(readers, "rows", rows_here)
    monkeypatch.setattr(readers, "read", read_here)


@pytest.fixture
def new(tmp_path: Path) -> Callable[..., Result]:
    """The command on a sample with this content."""

    def run(content: str | bytes, *options: str, name: str = "sample.csv", typed: str | None = None) -> Result:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        contracts = str(tmp_path / "contracts")
        return CliRunner().invoke(
            app, ["acme/pets", "--from", str(path), "--contracts", contracts, *options], input=typed
        )

    return run


def contract(tmp_path: Path) -> dict:
    return yaml.safe_load((tmp_path / "contracts/acme/pets.yaml").read_text("utf-8"))


def checks(done: Result) -> str:
    """What a program is told to check."""
    assert done.exit_code == 0, done.exception
    return "\n".join(json.loads(done.stdout)["check"])


@pytest.fixture
def person(monkeypatch):
    """Somebody sits at the terminal."""
    monkeypatch.setattr(cli_new, "is_terminal", lambda: True)


def test_a_sound_sample_gives_a_contract_and_no_doubt(new, tmp_path):
    assert checks(new(GOOD, "--json")) == ""
    assert contract(tmp_path)["classes"] == ["cat", "dog"]


def test_a_person_is_asked_which_column_is_what(new, tmp_path, person):
    lines = "".join(f"{n},x{n % 3},{'yn'[n % 2]}\n" for n in range(9))
    done = new("a,b,c\n" + lines, typed="9\nnope\n1\nc\nb\ny\n")
    assert done.exit_code == 0, done.output
    assert "which column is the item?" in done.output
    assert "There is no 9." in done.output
    assert "There is no nope." in done.output
    names = contract(tmp_path)["vendors"]["vendor"]["columns"]
    assert names == {"item": "a", "annotator": "b", "label": "c"}


def test_a_program_is_told_what_to_say(new):
    done = new("a,b,c\n" + "".join(f"{n},x,{'yn'[n % 2]}\n" for n in range(9)))
    assert isinstance(done.exception, Undecided)
    assert str(done.exception).endswith("which column is the item? Say --item with one of a, b, c")


def test_a_person_who_says_no_gets_no_contract(new, tmp_path, person):
    """Half of the answers are of several choices: that is said, and asked, before anything is written."""
    records = [{"id": n, "text": f"a text of words, {n}", "label": ["cat", "dog"][: 1 + n % 2]} for n in range(10)]
    for n, record in enumerate(records):
        record["label"] = record["label"] if n % 2 else [["cat", "dog"][n % 4 // 2]]
    content = valid_files.as_lines(records)
    done = new(content, typed="n\n")
    assert done.exit_code == 1
    assert "5 of 10 rows (50%) would be `several_labels`" in done.output
    assert "and with them each such delivery as a whole" in done.output
    assert not (tmp_path / "contracts").exists()
    assert new(content, typed="y\n").exit_code == 0
    assert contract(tmp_path)["classes"] == ["cat", "dog"]


def test_predictions_from_half_of_a_pair_are_doubted(new):
    lines = "".join(f"i{n},a premise of words {n},some hypothesis of words,{'yn'[n % 2]}\n" for n in range(9))
    assert "'premise' and 'hypothesis' together" in checks(new("item,premise,hypothesis,label\n" + lines, "--json"))


def test_texts_called_like_the_classes_are_no_probabilities(new, tmp_path):
    lines = "".join(f"i{n},one text of words {n},another text of words {n},{'ab'[n % 2]}\n" for n in range(9))
    said = checks(new("item,a,b,label\n" + lines, "--json"))
    assert contract(tmp_path)["predictions"] == {"source": "text", "column": "a"}
    assert "know half of it" in said


def test_labels_that_nothing_can_judge_are_doubted(new):
    lines = "".join(f"i{n},ann,{'yn'[n % 2]}\n" for n in range(9))
    assert "most items have one label (1.0 on average)" in checks(new("item,annotator,label\n" + lines, "--json"))


def test_boxes_of_one_class_are_no_contract(new):
    document = valid_files.coco()
    for annotation in document["annotations"]:
        annotation["category_id"] = 1
    done = new(json.dumps(document), name="boxes.json")
    assert isinstance(done.exception, InvalidInput)
    assert "all 12 regions have the class 'cat': there are no classes to audit" in str(done.exception)


def test_of_boxes_is_said_what_is_not_audited(new):
    said = checks(new(json.dumps(valid_files.coco()), "--json", name="boxes.json"))
    assert "whether it lies right, and which are missing, is not" in said
    assert "nothing but the place of each region" in said


def test_what_no_column_has_is_said(new):
    rows = [valid_files.label_studio(n, "cat" if n % 2 else "dog") for n in range(6)]
    for row in rows:
        row["annotations"][0]["result"].append({"type": "relation", "from_id": "a", "to_id": "b"})
    assert "annotations[].result[].type=relation (6)" in checks(new(json.dumps(rows), "--json", name="a.json"))


def test_an_encoding_in_doubt_is_said_and_can_be_named(new, tmp_path):
    text = GOOD.replace("cat", "chât").encode("cp1252")
    assert "`encoding`" in checks(new(text, "--json"))
    (tmp_path / "contracts/acme/pets.yaml").unlink()
    done = new(text, "--json", "--encoding", "latin-1")
    assert "`encoding`" not in checks(done)
    assert contract(tmp_path)["vendors"]["vendor"]["encoding"] == "latin-1"
    (tmp_path / "contracts/acme/pets.yaml").unlink()
    assert "there is no encoding 'klingon'" in str(new(text, "--encoding", "klingon").exception)


def test_a_format_can_be_said_where_it_can_not_be_told(new, tmp_path):
    plain = "word\n" * 5
    assert "say what it is: --format with one of csv, tsv" in str(new(plain).exception)
    assert "no format can be told" not in str(new(plain, "--format", "csv").exception)
    assert "there is no format 'xml'" in str(new(plain, "--format", "xml").exception)


def test_a_folder_is_called_a_folder(new, tmp_path):
    (tmp_path / "inside").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "inside")
    for name in ("inside", "link"):
        done = CliRunner().invoke(app, ["acme/pets", "--from", str(tmp_path / name)])
        assert "it is a folder. Name a file in it" in str(done.exception)


def test_nested_records_of_no_known_tool_are_called_so(new):
    done = new(json.dumps([{"metadata": {"id": 1}, "instances": [{"class": "cat"}]}] * 3), name="a.json")
    assert "nested as in no format that is known ('metadata' is an object, 'instances' is a list)" in str(
        done.exception
    )
