"""`labelaudit show`: the findings of a release, for people and for programs; texts of vendors take no effect."""

from __future__ import annotations

import json

import pytest
from conftest import audit
from typer.testing import CliRunner

from labelaudit.cli import output
from labelaudit.cli.app import app
from labelaudit.errors import InvalidInput
from labelaudit.run import steps
from labelaudit.storage import layout

pytestmark = pytest.mark.runs

HOSTILE = "i[red]x[/red]\x1b[2J\u202egpj"
NAMES = {"item", "label", "given", "suggested", "vendor", "vendors", "name", "release", "most_frequent"}


def rows() -> str:
    """Sixty items by three annotators, one of whom is wrong on every fourth; and six of which two disagree."""
    lines = ["item,annotator,label"]
    for n in range(60):
        true, other = ("cat", "dog") if n % 2 else ("dog", "cat")
        lines += [f"i{n:02d},annabel,{other if n % 4 == 0 else true}", f"i{n:02d},bob,{true}", f"i{n:02d},cyd,{true}"]
    lines += [f"z{n},annabel,{('cat', 'dog')[n % 2]}\nz{n},bob,dog" for n in range(6)]
    return "\n".join(lines) + "\n"


@pytest.fixture
def show(folder_store, tmp_path, monkeypatch):
    monkeypatch.setattr(output.out, "_width", 200)  # it was made before the test

    def run(*arguments: str):
        places = ["--store", folder_store.uri, "--contracts", str(tmp_path / "contracts")]
        return CliRunner().invoke(app, ["show", "acme/pets", *arguments, *places])

    return run


def test_show_prints_what_the_last_release_found_and_which_view_it_is(show, folder_store, make_contract, put):
    contract = make_contract()
    put(folder_store, contract, rows())
    first = audit(contract, folder_store, "one").release
    put(folder_store, contract, rows().replace("\ni", "\nj").replace("\nz", "\ny"), delivery="d2")
    last = audit(contract, folder_store, "two").release
    said = show()
    assert said.exit_code == 0
    assert last.release in said.output
    assert first.release not in said.output
    assert "customer view, annotators are hashed" in said.output
    assert "annabel" not in said.output
    for title in ("Classes, the worst first", "Vendors", "Annotators, the worst first", "Agreement"):
        assert title in said.output
    assert first.release in show(first.release).output


def test_json_is_what_the_release_says_of_itself(show, folder_store, make_contract, put):
    """The numbers are those of its report.json; --worst cuts, and only the worst items."""
    contract = make_contract()
    put(folder_store, contract, rows())
    release = audit(contract, folder_store).release
    destination = steps.open_destination(contract, folder_store)
    published = json.loads(destination.read(layout.release(release.release) + "report.json"))
    said = json.loads(show("--json", "--worst", "60").output)
    for name in ("classes", "pairs", "vendors", "annotators", "agreement", "dataset_findings", "worst"):
        assert said[name] == published[name], name
    assert (said["release"], said["view"], said["annotators_are"]) == (release.release, "customer", "hashed")
    cut = json.loads(show("--json", "--worst", "1").output)
    assert len(published["worst"]) > 1
    assert cut["worst"] == published["worst"][:1]
    assert cut["classes"] == published["classes"]


def hostile(value, key: str = ""):
    """A report's JSON with every name in it as a vendor may have meant it."""
    if isinstance(value, dict):
        return {name: hostile(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [hostile(inner, key) for inner in value]
    return HOSTILE if key in NAMES and isinstance(value, str) else value


def test_a_vendors_text_takes_no_effect_in_the_terminal(show, folder_store, make_contract, put):
    """No escape sequence, no reversed text, no markup of rich's: it is shown as what it is. The report's file lies with
    the customer, where anybody may have written into it."""
    contract = make_contract()
    put(folder_store, contract, rows())
    release = audit(contract, folder_store).release.release
    destination = steps.open_destination(contract, folder_store)
    key = layout.release(release) + "report.json"
    report = hostile(json.loads(destination.read(key)))
    finding = {"item": HOSTILE, "label": HOSTILE, "likely": HOSTILE, "or_else": HOSTILE, "value": 1, "group": 1}
    report["further"] = {"next_labels": {"pending": 1, "items": [finding], "groups": []}}
    report["dataset_findings"] |= {"outliers": [HOSTILE]}
    destination.write(key, json.dumps(report).encode())
    for arguments in ((), ("--json",)):
        done = show(*arguments)
        assert done.exit_code == 0, done.exception
        assert "\x1b" not in done.output
        assert "\u202e" not in done.output
        assert done.output.count("[red]x[/red]\\u001b[2J\\u202egpj") > 10
    assert "What to label next" in show().output


def test_a_release_that_is_not_there_is_said_with_those_that_are(show, folder_store, make_contract, put):
    contract = make_contract()
    assert isinstance(show().exception, InvalidInput)
    assert "there are: none" in str(show().exception)
    put(folder_store, contract, rows())
    release = audit(contract, folder_store).release.release
    assert release in str(show("r0009-ffffffff").exception)


def test_a_report_that_is_gone_or_of_another_version_is_no_traceback(show, folder_store, make_contract, put):
    contract = make_contract()
    put(folder_store, contract, rows())
    release = audit(contract, folder_store).release.release
    destination = steps.open_destination(contract, folder_store)
    key = layout.release(release) + "report.json"
    destination.write(key, b'{"format": 2}')
    assert "of another version" in str(show().exception)
    destination.delete(key)
    assert "is missing" in str(show().exception)
