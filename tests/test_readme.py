"""Every example of the README is what it says: contracts are read, commands and code are run."""

from __future__ import annotations

import csv
import json
import re
import shlex
from pathlib import Path
from typing import Any

import click
import jsonschema
import numpy as np
import pytest
import typer.main
from conftest import GOOD, PROJECT

import labelaudit
from labelaudit import cli, contract_yaml, manifest_file, steps, store, tables
from labelaudit.contracts import json_schema, read_contract
from labelaudit.expectations import validate_checks
from labelaudit_airflow.audit_dags import require_dag

README = (PROJECT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
INLINE = [
    " ".join(text.split()) for text in re.findall(r"(?<!`)`([^`]+)`(?!`)", re.sub(r"```.*?```", "", README, flags=re.S))
]


def blocks(language: str) -> list[str]:
    return [text for found, text in BLOCKS if found == language]


def lines(language: str) -> list[str]:
    """The lines of all blocks of a language that are commands, without their comments."""
    found = [line for text in blocks(language) for line in text.replace("\\\n", "").splitlines()]
    return [line.partition(" #")[0].strip() for line in found if line.strip()]


def test_every_block_is_of_a_kind_that_a_test_here_runs():
    assert {language for language, _ in BLOCKS} == {"sh", "yaml", "json", "python", ""}
    assert {len(blocks(language)) for language in ("yaml", "json", "python", "")} == {1}
    (tree,) = blocks("")
    assert all(line.startswith("<store>/inbox/<vendor>/<customer>/<dataset>/<delivery>/") for line in tree.splitlines())


def test_the_contract_is_sound_and_airflow_takes_it(tmp_path: Path):
    """It was refused: YAML 1.1 read its `on:` as True."""
    (text,) = blocks("yaml")
    path = tmp_path / "acme" / "pets.yaml"
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    contract = read_contract(path)
    assert contract.alerts[0].on == ("digest", "rejection")
    assert validate_checks(contract) == []
    require_dag(contract)
    jsonschema.validate(contract_yaml.parse(text, "README").value, json.loads(json_schema()))


@pytest.mark.parametrize("text", [text for text in INLINE if re.match(r"[a-z_]+: \S", text)])
def test_terms_in_the_text_are_yaml_of_a_contract(text: str):
    (field,) = contract_yaml.parse(text, "README").value
    assert f'"{field}"' in json_schema() or field in ("label",), "a field of a contract, or a column"


def test_the_manifest_is_taken():
    (text,) = blocks("json")
    given = json.loads(text.replace("9f2c…", "9f2c" * 16))
    assert set(given) == set(manifest_file.Manifest.model_fields), "all that a manifest can say is shown"
    manifest_file.Manifest.model_validate_json(json.dumps(given))


def command(arguments: list[str]) -> None:
    """Parse a command line, without running it."""
    found: Any = typer.main.get_command(cli.app)
    name, *given = arguments
    chosen = found.get_command(click.Context(found), name)
    assert chosen is not None, f"labelaudit {name} is no command"
    known = {option for one in chosen.params for option in (*one.opts, *one.secondary_opts)}
    assert {one for one in given if one.startswith("--")} <= known, f"labelaudit {name} has {sorted(known)}"


@pytest.mark.parametrize("text", [text for text in INLINE if text.startswith("labelaudit ")])
def test_commands_in_the_text_have_these_options(text: str):
    command(shlex.split(text)[1:])


@pytest.mark.parametrize("line", [line for line in lines("sh") if not line.startswith("labelaudit ")])
def test_what_the_shell_runs_is_there(line: str):
    program, *arguments = shlex.split(line)
    if program == "make":
        assert re.search(rf"^{arguments[0]}:", (PROJECT / "Makefile").read_text(), re.MULTILINE)
    elif program == "docker":
        assert arguments[:2] == ["compose", "up"]
        services = contract_yaml.parse((PROJECT / "docker-compose.yaml").read_text().replace("<<: ", "merged: "), "x")
        assert arguments[-1].partition("=")[0] in services.value["services"]
    elif program == "airflow":
        assert arguments[0] in ("roles", "users"), "tests/test_page_users.py runs these"
    else:
        assert (program, arguments) == (".", [".venv/bin/activate"])


def fill_in(path: Path) -> None:
    """What people do between two commands: answer the tasks."""
    rows = list(csv.DictReader(path.read_text("utf-8-sig").splitlines()))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(row | {"answer": "cat"} for row in rows)


def test_the_commands_do_what_they_say(tmp_path: Path, monkeypatch, capsys):
    """All of them, in the README's order, in a folder with nothing but a sample."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LABELAUDIT_STORE", f"file://{tmp_path / 'store'}")
    monkeypatch.setenv("LABELAUDIT_CONTRACTS", "include/contracts")
    Path("sample.csv").write_text(GOOD)
    done = []
    for line in (line for line in lines("sh") if line.startswith("labelaudit ")):
        monkeypatch.setattr("sys.argv", shlex.split(line))
        if "answers" in line:
            fill_in(Path("tasks.csv"))
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code in (0, None), line + capsys.readouterr().err
        done.append(line.split()[1])
        if done[-1] == "new":  # "Read it, correct it": a sample of people's is part of it
            with Path("include/contracts/acme/pets.yaml").open("a") as file:
                file.write("human_audit: {rows: 6}\n")
    assert done == ["new", "contracts", "deliver", "run", "releases", "verify", "plan", "answers", "defects"]
    contract = read_contract(Path("include/contracts/acme/pets.yaml"))
    (release,) = tables.log(steps.open_destination(contract, store.open_store(f"file://{tmp_path / 'store'}")))
    assert set(release.deliveries) == {"alder/2026-11-24"}


def test_the_code_runs():
    """Line by line; what a name stands for follows from the function that it is given to."""
    (text,) = blocks("python")
    random = np.random.default_rng(0)
    truth = random.integers(0, 10, 400)
    labels = np.where(random.random(400) < 0.1, (truth + 1) % 10, truth)
    probs = np.full((400, 10), 0.02)
    probs[np.arange(400), truth] = 0.82
    items = np.repeat(np.arange(400), 3)
    people = np.tile(["ann", "bob", "cyd"], 400)
    alone = {"labels": labels, "pred_probs": probs, "probs_a": probs, "probs_b": probs, "embedding": probs}
    several = {"items": items, "annotators": people, "labels": np.repeat(labels, 3), "classes": range(10)}
    several |= {"pred_probs": probs, "known": {0: int(truth[0])}}
    given = {
        "found": alone,
        "best": alone,
        "far": {"shards": lambda: [(labels[:200], probs[:200]), (labels[200:], probs[200:])]},
        "made": several,
        "vast": several | {"shards": lambda: [(items, people, several["labels"])]},
    }
    namespace: dict[str, Any] = {}
    for line in filter(None, text.splitlines()):
        exec(line, namespace | given.get(line.split()[0], {}), namespace)  # noqa: S102 # our own README
    assert namespace["labelaudit"] is labelaudit
    assert namespace["found"].is_issue.sum() > 20
    assert len(namespace["made"].label) == 400
    assert set(given) <= set(namespace)
