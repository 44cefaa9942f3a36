"""`labelaudit doctor` says what this machine gives, and what it does not: by trying, never by belief."""

from __future__ import annotations

from pathlib import Path

import pytest

from labelaudit.cli import machine
from labelaudit.storage.folder import FolderStore
from tests.readers.deployment import run_as

pytestmark = pytest.mark.parsers

NOBODY = 65_534

DOCTOR = """
import json, tempfile
from pathlib import Path
from typer.testing import CliRunner
from labelaudit.cli.app import app
with tempfile.TemporaryDirectory() as folder:
    Path(folder, "contracts").mkdir()
    arguments = ["doctor", "--json", "--store", f"file://{folder}/store", "--contracts", f"{folder}/contracts"]
    done = CliRunner().invoke(app, arguments)
    print(json.dumps([done.exit_code, json.loads(done.stdout)]))
"""


def examined(user: int | None, without: tuple[str, ...] = (), **environment: str) -> tuple[int, dict[str, dict]]:
    code, findings = run_as(DOCTOR, user, without, **environment)
    return code, {finding["about"].split(" file:")[0]: finding for finding in findings}


def test_a_machine_that_gives_everything_is_called_good():
    code, findings = examined(None)
    assert {finding["good"] for name, finding in findings.items() if name.startswith("parser")} == {True}
    assert findings["store"]["good"] is True
    assert "pyarrow" in findings["versions"]["said"]
    assert code == 0


def test_what_is_missing_is_named_with_what_was_possible_and_what_to_do():
    """A user without rights, without seccomp: the network is open, and it says so."""
    code, findings = examined(NOBODY, ("seccomp",))
    assert code == 1
    assert findings["parser: no network"]["good"] is False
    assert "send a datagram" in findings["parser: no network"]["said"]
    assert "seccomp" in findings["parser: no network"]["advice"]
    reading = next(finding for name, finding in findings.items() if name.startswith("parser: reads no file"))
    assert reading["good"] is True
    assert findings["LABELAUDIT_ISOLATION"]["good"] is None
    assert "required" in findings["LABELAUDIT_ISOLATION"]["advice"]


def test_required_where_something_is_missing_is_a_failure_of_the_deployment():
    code, findings = examined(NOBODY, ("seccomp",), LABELAUDIT_ISOLATION="required")
    assert code == 1
    assert findings["LABELAUDIT_ISOLATION"]["good"] is False
    assert findings["parser reads its file"]["good"] is False


def test_a_store_whose_conditional_puts_overwrite_is_found(folder_store, tmp_path, monkeypatch: pytest.MonkeyPatch):
    """Two runs would publish the same release on it, and one would be lost."""

    def overwrite(self: FolderStore, key: str, content: bytes) -> bool:
        self.write(key, content)
        return True

    monkeypatch.setattr(FolderStore, "put_if_absent", overwrite)
    findings = machine.examine(folder_store.uri, tmp_path / "contracts")
    (store,) = (finding for finding in findings if finding.about.startswith("store"))
    assert store.good is False
    assert "If-None-Match" in store.advice
    assert folder_store.list("") == []


def test_the_store_is_left_as_it_was(store, tmp_path, monkeypatch: pytest.MonkeyPatch):
    store.write("inbox/there", b"1")
    monkeypatch.setattr(machine, "parsers", list)
    findings = {finding.about.split()[0]: finding for finding in machine.examine(store.uri, tmp_path)}
    assert findings["store"].good is True
    assert store.list("") == ["inbox/there"]


@pytest.mark.parametrize("uri", ["ftp://nowhere", "file:///proc/nowhere/store"])
def test_a_store_that_is_not_there_is_said(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(machine, "parsers", list)
    findings = {finding.about.split()[0]: finding for finding in machine.examine(uri, tmp_path)}
    assert findings["store"].good is False


def test_a_broken_contract_is_named(make_contract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    make_contract("acme/pets")
    (tmp_path / "contracts" / "acme" / "cars.yaml").write_text("task: [")
    monkeypatch.setattr(machine, "parsers", list)
    findings = {
        finding.about.split()[0]: finding
        for finding in machine.examine(f"file://{tmp_path}/store", tmp_path / "contracts")
    }
    assert findings["contracts"].good is False
    assert "cars" in findings["contracts"].said
