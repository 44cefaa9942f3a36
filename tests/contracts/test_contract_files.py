"""Contract files: whatever one holds, it is a contract or a ContractError, and text is what it looks like."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import yaml
from conftest import PROJECT, TERMS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labelaudit.contracts import plain_yaml
from labelaudit.contracts.reading import contract_names, contract_paths, read_contract, read_contracts

GOOD = yaml.safe_dump(TERMS)


def refused(tmp_path: Path, content: str | bytes, name: str = "acme/pets.yaml") -> str:
    """What is said of a file; every file but it is read."""
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    contracts, errors = read_contracts(tmp_path)
    assert contracts == []
    (error,) = errors
    assert error.where == name
    return str(error)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is not a mapping"),
        ("- a\n", "is not a mapping"),
        ("\n\nx: \xff".encode("latin-1"), "line 3: not UTF-8 at byte 5"),
        ("classes: [cat\n", "line 2, column 1: not YAML"),
        ("a: 1\n---\nb: 2\n", "line 2: a second document"),
        ("classes: &a [*a]\n", "line 1: the alias `*a` leads back to itself"),
        ("classes: *a\n", "line 1: the alias `*a` has no anchor"),
        (
            "a: &a [1]\n"
            + "".join(f"b{n}: &b{n} [{', '.join([f'*b{n - 1}' if n else '*a'] * 9)}]\n" for n in range(9)),
            "values",
        ),
        ("a: &a [[[[[[[[[[1]]]]]]]]]]\nb: &b [[[[[[[[[[*a]]]]]]]]]]\nc: [[[[*b]]]]\n", "line 3: is nested deeper"),
        ("[" * 100_000, "line 1: is nested deeper than 24 levels"),
        ("- " * 100_000, "line 1: is nested deeper than 24 levels"),
        ("a: !!python/object/apply:os.system ['echo']\n", "line 1: the tag"),
        ("a: !include x\n", "line 1: the tag"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", "line 3: merge keys"),
        ("? [a]\n: b\n", "line 1: a key must be text"),
        ("a: 1\na: 2\n", "line 2: `a` is given twice (line 1)"),
        ('a: "x\\0y"\n', "line 1: 'x\\x00y' holds a character"),
        ('a: "\\ud800"\n', "line 1"),
        ("a: \0\n", "not YAML"),
        ("seed: " + "9" * 5000 + "\n", "line 1: a number of 5000 characters"),
        ("seed: .inf\n", "line 1: .inf is no finite number"),
        ("seed: .NaN\n", "line 1: .NaN is no finite number"),
        ("seed: 1e999\n", "line 1: 1e999 is no finite number"),
        (GOOD + "seed: 1" + "0" * 300, "`seed`"),
        (GOOD + "x" * 2**20, "is larger than"),
        ("%YAML 9.9\n---\na: 1\n", "line 1"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_every_surprise_of_yaml_is_named_with_its_line(tmp_path: Path, content: str | bytes, said: str):
    """What YAML's own loader raises, unfolds without end, or hands on as something else, took every customer's DAG."""
    began = time.process_time()
    assert said in refused(tmp_path, content)
    assert time.process_time() - began < 20


def test_nothing_but_a_file_of_the_customer_s_own_folder_is_read(tmp_path: Path):
    """A pipe would hang the parser for ever; a link would make another customer's contract this one's."""
    made = tmp_path / "contracts"
    for name, target in (("acme/pets", None), ("evil/link", "../acme/pets.yaml"), ("evil/circle", "circle.yaml")):
        path = made / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target) if target else path.write_text(GOOD)
    os.mkfifo(made / "evil" / "pipe.yaml")
    (made / "evil" / "folder.yaml").mkdir()
    (made / "evil" / "gone.yaml").symlink_to("nowhere")
    (made / "evil" / "short.yml").write_text(GOOD)
    (made / "evil" / ".#draft.yaml").symlink_to("nobody@host")
    (made / "evil" / "bad\udcffname.yaml").write_text(GOOD)
    (made / "kube" / "..data").mkdir(parents=True)
    (made / "kube" / "..data" / "pets.yaml").write_text(GOOD)
    (made / "kube" / "pets.yaml").symlink_to("..data/pets.yaml")
    contracts, errors = read_contracts(made)
    assert [contract.id for contract in contracts] == ["acme/pets", "kube/pets"]
    assert {error.where for error in errors} == {
        "evil/bad\\udcffname.yaml", "evil/circle.yaml", "evil/folder.yaml", "evil/gone.yaml", "evil/link.yaml",
        "evil/pipe.yaml", "evil/short.yml",
    }  # fmt: skip
    assert "\n".join([*map(str, errors), *contract_names(made)]).encode(), "no half characters in what is told"


def test_text_is_what_it_looks_like(tmp_path: Path):
    """YAML 1.1 makes True of `on`, a date of `2026-11-30`, 8 of `010` and 90 of `1:30`."""
    path = tmp_path / "acme" / "pets.yaml"
    path.parent.mkdir()
    path.write_text(
        "\ufefftask: classification\n"
        "classes: [yes, no, on, 007, 2026-02-30, 1:30, 'null', '1e5']\n"
        "columns: {item: {}, annotator: {}, label: {synonyms: {1: yes, off: no, true: on}}}\n"
        "vendors: {alder: {format: csv}}\n"
        "guidelines: [2026-02-30]\n"
        "label_map: {2026-02-30: {y: yes}}\n"
        "predictions: {source: none}\n"
        "alerts: [{via: log, on: [digest]}]\n"
        "limits: {issue_rate: 5e-2}\n"
        "seed: 0x10\n",
        encoding="utf-8",
    )
    contract = read_contract(path)
    assert contract.classes == ("yes", "no", "on", "007", "2026-02-30", "1:30", "null", "1e5")
    assert contract.columns["label"].synonyms == {"1": "yes", "off": "no", "true": "on"}
    assert (contract.guidelines, dict(contract.label_map)) == (("2026-02-30",), {"2026-02-30": {"y": "yes"}})
    assert contract.alerts[0].on == ("digest",)
    assert (contract.limits.issue_rate, contract.seed) == (0.05, 16)


PIECES = ["&a ", "*a", "<<", "!!int ", "? ", "- ", ": ", "{", "}", "[", "]", "'", '"', "|\n", "#", "---\n", "\t", "\0"]
PIECES += ["\ufeff", "9" * 500, "1e400", ".nan", "on", "~", "0 24 * * *", "2026-02-30", "\\ud800", "é", "\u2028", "%"]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_a_file_holds_it_is_a_contract_or_a_contract_error(tmp_path: Path, data: st.DataObject):
    """Good contracts, cut and spliced: one that raises anything else takes every customer's DAG away."""
    folder = PROJECT / "include" / "contracts"
    text = data.draw(st.sampled_from([GOOD, *(path.read_text() for path in contract_paths(folder))]))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 12))
        text = text[:start] + data.draw(st.sampled_from(PIECES) | st.text(max_size=4)) + text[start + cut :]
    path = tmp_path / "acme" / "pets.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    contracts, errors = read_contracts(tmp_path)
    assert len(contracts) + len(errors) == 1
    assert all(str(error).encode() for error in errors)


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(st.dictionaries(TEXT, TEXT | st.integers() | st.booleans() | st.none() | st.lists(TEXT)))
def test_what_is_dumped_is_read_back(terms: dict):
    """`labelaudit new` writes contracts: a class called 1e5 must stay text, though YAML 1.1 would not quote it."""
    assert plain_yaml.parse(plain_yaml.dump(terms), "x").value == terms


def test_the_words_of_yaml_1_2_are_dumped_in_quotes():
    terms = {"1e5": "1e5", "0o7": "0o7", "TRUE": "~"}
    assert plain_yaml.parse(plain_yaml.dump(terms), "x").value == terms


def test_reading_contracts_is_fast(tmp_path: Path):
    """Airflow reads them all whenever it parses the DAG file."""
    (tmp_path / "acme").mkdir()
    for number in range(200):
        (tmp_path / "acme" / f"d{number}.yaml").write_text(GOOD)
    began = time.process_time()
    assert len(read_contracts(tmp_path)[0]) == 200
    assert time.process_time() - began < 4, "0.4 s on an idle machine"
