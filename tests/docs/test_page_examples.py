"""Every example of every page is what it says: contracts are read, commands are executed, Python is doctested."""

from __future__ import annotations

import csv
import doctest
import json
import re
import shlex
import shutil
import tomllib
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
import typer.main
import yaml
from conftest import GOOD, PROJECT
from pydantic import TypeAdapter

from labelaudit.check.expectations import validate_checks
from labelaudit.cli.app import app, main
from labelaudit.contracts import plain_yaml
from labelaudit.contracts.quality import AlertRoute
from labelaudit.contracts.reading import json_schema, read_contract
from labelaudit.judge.past import read_counts
from labelaudit.receive import manifest_file
from labelaudit.run import steps
from labelaudit.storage import layout, opening, release_log
from labelaudit_airflow import connections
from tests.docs.pages import PAGES, blocks, commands, every_block, inline, text_of

pytestmark = pytest.mark.airflow

CONTRACT = Path("include/contracts/acme/pets.yaml")
README = [line for block in blocks(PROJECT / "README.md") if block.language == "sh" for line in commands(block.text)]


def test_every_block_is_of_a_kind_that_a_test_here_runs():
    assert {block.language for page in PAGES for block in blocks(page)} == {"sh", "yaml", "json", "python", "", "text"}


def is_whole(terms: str) -> bool:
    """Whether a block is a contract, and not some terms of one."""
    return re.search("^task:", terms, re.MULTILINE) is not None


@pytest.mark.parametrize("block", [block for block in every_block("yaml") if is_whole(block.values[0].text)])
def test_a_contract_is_sound_and_airflow_takes_it(block, tmp_path: Path):
    """It was refused: YAML 1.1 read its `on:` as True."""
    path = tmp_path / "acme" / "pets.yaml"
    path.parent.mkdir()
    path.write_text(block.text, encoding="utf-8")
    from labelaudit_airflow.audit_dags import require_dag  # not above: it takes seconds, of every process of tests

    contract = read_contract(path)
    assert validate_checks(contract) == []
    require_dag(contract)
    jsonschema.validate(plain_yaml.parse(block.text, block.page).value, json.loads(json_schema()))


@pytest.mark.parametrize("text", inline(r"(?!(?:parser|store): )[a-z_]+: \S"))
def test_terms_in_the_text_are_yaml_of_a_contract(text: str):
    (field,) = plain_yaml.parse(text, "a page").value
    assert f'"{field}"' in json_schema() or field in ("label",), "a field of a contract, or a column"


@pytest.mark.parametrize("block", every_block("json"))
def test_json_is_what_reads_it(block):
    """A manifest with all that it can say, routes of our own, or a Connection's extra."""
    given = json.loads(block.text.replace("9f2c…", "9f2c" * 16))
    if isinstance(given, list):
        assert TypeAdapter(list[AlertRoute]).validate_python(given)
    elif "files" in given:
        assert set(given) == set(manifest_file.Manifest.model_fields), "all that a manifest can say is shown"
        manifest_file.Manifest.model_validate_json(json.dumps(given))
    else:
        assert set(given) == {connections.CUSTOMERS}


@pytest.mark.parametrize("block", every_block(""))
def test_a_tree_is_of_deliveries(block):
    prefix = "<store>/" + layout.delivery("<vendor>", "<customer>", "<dataset>", "<delivery>")
    assert [line for line in block.text.splitlines() if not line.startswith(prefix)] == []


@pytest.mark.parametrize("text", inline(r"labelaudit [a-z]"))
def test_commands_in_the_text_have_these_options(text: str):
    group: Any = typer.main.get_command(app)
    name, *given = shlex.split(text)[1:]
    chosen = group.get_command(click.Context(group), name)
    assert chosen is not None, f"labelaudit {name} is no command"
    known = {option for parameter in chosen.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {argument for argument in given if argument.startswith("--")} <= known, (
        f"labelaudit {name} has {sorted(known)}"
    )


@pytest.mark.parametrize("text", inline(r"make [a-z]"))
def test_targets_in_the_text_are_there(text: str):
    assert_is_there(text)


def assert_is_there(line: str) -> None:
    """Hold a command that no test runs here against what it would call."""
    program, *arguments = shlex.split(line)
    if program == "make":
        assert re.search(rf"^{arguments[0]}:", (PROJECT / "Makefile").read_text(), re.MULTILINE)
    elif program == "docker":
        assert arguments[:2] == ["compose", "up"]
        services = yaml.safe_load((PROJECT / "docker-compose.yaml").read_text())["services"]
        assert arguments[-1].partition("=")[0] in services
    elif program == "pip":
        extras = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
        assert arguments in (["install", "."], *(["install", f".[{extra}]"] for extra in extras))
    elif program == "airflow":
        assert arguments[0] in ("roles", "users"), "tests/test_page_users.py runs these"
    else:
        assert (program, arguments) == (".", [".venv/bin/activate"])


def run(line: str, monkeypatch) -> None:
    """Execute one line of a page."""
    program, *arguments = shlex.split(line)
    if program != "labelaudit":
        assert_is_there(line)
        return
    if arguments[0] == "answers":
        answer(Path(arguments[1]))
    monkeypatch.setattr("sys.argv", [program, *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    good = (0, None, 1) if arguments[0] == "doctor" else (0, None)  # what is missing is this machine's
    assert ended.value.code in good, line


def answer(path: Path) -> None:
    """What people do between two commands: answer the tasks."""
    rows = list(csv.DictReader(path.read_text("utf-8-sig").splitlines()))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(row | {"answer": "cat"} for row in rows)


def agree(terms: str) -> None:
    """What people do with terms that a page shows: write them into the contract; it must be sound with them."""
    changed = plain_yaml.parse(CONTRACT.read_text(), "before").value | plain_yaml.parse(terms, "a page").value
    CONTRACT.write_text(yaml.safe_dump(changed, allow_unicode=True))
    read_contract(CONTRACT)


def enter(folder: Path, monkeypatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("LABELAUDIT_STORE", f"file://{folder / 'labelaudit-store'}")
    monkeypatch.setenv("LABELAUDIT_CONTRACTS", "include/contracts")


@pytest.fixture(scope="module")
def first_day(tmp_path_factory) -> Path:
    """A folder in which somebody did all that the README says, with nothing but a sample."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "sample.csv").write_text(GOOD)
    (folder / "known.csv").write_text("item,label\ni1,cat\n")
    with pytest.MonkeyPatch.context() as monkeypatch:
        enter(folder, monkeypatch)
        for line in README:
            run(line, monkeypatch)
    return folder


def test_the_readme_ends_with_a_verified_release(first_day: Path):
    done = [line.split()[1] for line in README if line.startswith("labelaudit ")]
    assert done == ["new", "contracts", "deliver", "run", "releases", "verify"]
    contract = read_contract(first_day / CONTRACT)
    opened = opening.open_store(f"file://{first_day / 'labelaudit-store'}")
    (release,) = release_log.log(steps.open_destination(contract, opened))
    assert set(release.deliveries) == {"alder/2026-11-24"}


def test_every_file_and_metric_of_a_release_is_explained(first_day: Path):
    destination = opening.open_store(f"file://{first_day / 'labelaudit-store/published/acme/pets'}")
    (release,) = release_log.log(destination)
    files = [key.removeprefix(release.files) for key in destination.list(release.files)]
    metrics = {count.metric for count in read_counts(destination)[release.release]}
    assert len(files) >= 4
    assert len(metrics) >= 5
    assert [name for name in (*files, *metrics) if f"`{name}`" not in text_of("reports")] == []


@pytest.mark.parametrize("page", PAGES[1:], ids=lambda page: page.stem)
def test_the_examples_of_a_page_do_what_they_say(page: Path, first_day: Path, tmp_path: Path, monkeypatch):
    """All of them, from the top, on the day after the README: terms are agreed, commands and Python are executed."""
    folder = shutil.copytree(first_day, tmp_path / "day")
    enter(folder, monkeypatch)
    names: dict[str, Any] = {}
    for block in blocks(page):
        if block.language == "yaml" and not is_whole(block.text):
            agree(block.text)
        for line in commands(block.text) if block.language == "sh" else ():
            run(line, monkeypatch)
        if block.language == "python":
            test = doctest.DocTestParser().get_doctest(block.text, names, page.name, None, 0)
            assert test.examples, "an example says what comes out"
            said: list[str] = []
            runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
            assert runner.run(test, out=said.append, clear_globs=False).failed == 0, "".join(said)
            names = test.globs
