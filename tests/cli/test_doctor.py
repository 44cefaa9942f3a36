"""`labelaudit doctor` says what this machine gives, and what it does not: by trying, never by belief."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from urllib.parse import unquote

import pytest

from labelaudit.cli import machine, store_trial
from labelaudit.cli.finding import Finding
from labelaudit.storage.folder import FolderStore
from tests.readers.deployment import run_as

pytestmark = pytest.mark.parsers

NOBODY = 65_534
TRIALS = (
    "store: lists",
    "store: put if absent",
    "store: put if unchanged",
    "store: tables",
    "store: deletes",
    "clock",
)

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
    monkeypatch.setattr(machine, "parsers", list)
    findings = {finding.about: finding for finding in machine.examine(folder_store.uri, tmp_path / "contracts")}
    assert findings["store: put if absent"].good is False
    assert "If-None-Match" in findings["store: put if absent"].advice
    assert folder_store.list("") == []


def test_the_store_is_left_as_it_was(store, tmp_path, monkeypatch: pytest.MonkeyPatch):
    store.write("inbox/there", b"1")
    monkeypatch.setattr(machine, "parsers", list)
    findings = {finding.about: finding.good for finding in machine.examine(store.uri, tmp_path)}
    wanted = (f"store {store.uri}", *TRIALS)
    assert {name: findings[name] for name in wanted} == dict.fromkeys(wanted, True)
    assert store.list("") == ["inbox/there"]
    assert store.folders("") == ["inbox"]


@pytest.mark.parametrize("uri", ["ftp://nowhere", "file:///proc/nowhere/store"])
def test_a_store_that_is_not_there_is_said(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(machine, "parsers", list)
    findings = {finding.about.split()[0]: finding for finding in machine.examine(uri, tmp_path)}
    assert findings["store"].good is False


def test_a_broken_contract_is_named(make_contract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    make_contract("acme/pets")
    (tmp_path / "contracts" / "acme" / "cars.yaml").write_text("task: [")
    monkeypatch.setattr(machine, "parsers", list)
    said = machine.examine(f"file://{tmp_path}/store", tmp_path / "contracts")
    findings = {finding.about.split()[0]: finding for finding in said}
    assert findings["contracts"].good is False
    assert "cars" in findings["contracts"].said


def tried(store) -> dict[str, Finding]:
    return {finding.about.replace(store.uri, "").strip(): finding for finding in store_trial.try_store(store)}


@pytest.mark.parametrize(
    ("header", "about", "advice"),
    [("If-None-Match", "store: put if absent", "If-None-Match"), ("If-Match", "store: put if unchanged", "If-Match")],
)
def test_a_bucket_that_overlooks_conditions_is_found(bucket, proxy, header: str, about: str, advice: str):
    """It answers 200 to every put, as old versions of S3-compatible servers do."""
    proxy.lie(drops=[header])
    findings = tried(bucket())
    assert findings[about].good is False
    assert f"`{advice}`" in findings[about].advice
    other = {"store", "store: lists", "store: deletes", "clock", *TRIALS} - {about, "store: tables"}
    assert {name for name in other if findings[name].good is not True} == set()


def test_a_race_that_several_win_is_found(folder_store, monkeypatch: pytest.MonkeyPatch):
    """One after the other all is well; at once, each looks before any has written (SeaweedFS up to 4.16)."""
    barrier, put = threading.Barrier(store_trial.RACERS, timeout=60), FolderStore.put_if_absent

    def together(self: FolderStore, key: str, content: bytes) -> bool:
        if not key.endswith("/raced"):
            return put(self, key, content)
        free = not self.exists(key)
        barrier.wait()
        if free:
            self.write(key, content)
        return free

    monkeypatch.setattr(FolderStore, "put_if_absent", together)
    assert "8 were told they won" in tried(folder_store)["store: put if absent"].said


@pytest.mark.parametrize(
    ("method", "about", "right"),
    [
        ("PUT", "store", "s3:PutObject"),
        ("GET", "store", "s3:GetObject"),
        ("DELETE", "store: deletes", "s3:DeleteObject"),
    ],
)
def test_a_right_that_is_missing_is_named(bucket, proxy, method: str, about: str, right: str):
    proxy.lie(denies=(method, ""))
    findings = tried(bucket())
    assert findings[about].good is False
    assert right in findings[about].advice
    assert findings["store"].good is not True or findings["store: put if absent"].good is True


def test_a_list_that_is_refused_is_named(bucket, proxy):
    proxy.lie(denies=("GET", "list-type=2"))
    findings = tried(bucket())
    assert findings["store"].good is True
    assert "s3:ListBucket" in findings["store: lists"].advice


def test_nothing_is_asked_but_what_runs_ask_and_nothing_beside_the_root(bucket, proxy):
    """So that a user who may put, get, delete and list below the root is called good."""
    store = bucket()
    proxy.lie()
    assert all(finding.good for finding in tried(store).values())
    asked = proxy.asked
    root = store.prefix.rstrip("/")
    assert {method for method, _ in asked} <= {"PUT", "GET", "HEAD", "DELETE"}
    outside = [path for _, path in asked if root not in unquote(path)]
    assert outside == []


@pytest.mark.parametrize(("ahead", "said"), [(600, "ahead of"), (-600, "behind"), (20, "agree")])
def test_a_clock_that_is_wrong_is_found(bucket, proxy, ahead: int, said: str):
    proxy.lie(ahead_seconds=ahead)
    clock = tried(bucket())["clock"]
    assert said in clock.said
    assert clock.good is (said == "agree")


def test_what_can_not_be_deleted_or_is_not_listed_is_found(folder_store, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as patched:
        patched.setattr(FolderStore, "delete", lambda self, key: None)
        assert tried(folder_store)["store: deletes"].good is False
    monkeypatch.setattr(FolderStore, "list", lambda self, prefix: [])
    assert "inconsistent" not in tried(folder_store)["store: lists"].said
    assert tried(folder_store)["store: lists"].good is False


def test_a_destination_is_tried_as_the_store_is(make_contract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Two contracts: one leads to a good folder, the other below a file."""
    (tmp_path / "file").write_text("no folder")
    make_contract("acme/pets", destination={"uri": f"file://{tmp_path}/customer"})
    make_contract("acme/cars", destination={"uri": f"file://{tmp_path}/file/customer"})
    monkeypatch.setattr(machine, "parsers", list)
    said = machine.examine(f"file://{tmp_path}/store", tmp_path / "contracts")
    findings = {finding.about: finding for finding in said}
    assert findings["destination acme/pets"].good is True
    assert findings["destination acme/cars"].good is False
    assert findings["destination acme/cars"].advice


@pytest.mark.airflow
def test_connections_of_contracts_are_tried_where_airflow_is(make_contract, tmp_path: Path, monkeypatch):
    """One is there and the customer's, one is another's, one is nowhere."""
    routes = [{"via": "slack", "connection": name} for name in ("good", "others", "nowhere")]
    make_contract("acme/pets", alerts=routes)
    for name, customer in (("GOOD", "acme"), ("OTHERS", "globex")):
        connection = {"conn_type": "slackwebhook", "password": "x", "extra": {"labelaudit_customers": [customer]}}
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps(connection))
    monkeypatch.setattr(machine, "parsers", list)
    said = machine.examine(f"file://{tmp_path}/store", tmp_path / "contracts")
    findings = {finding.about: finding for finding in said}
    told = {name: findings[f"connection {name} of acme/pets"] for name in ("good", "others", "nowhere")}
    assert {name: finding.good for name, finding in told.items()} == {"good": True, "others": False, "nowhere": False}
    assert "labelaudit_customers" in told["others"].said
    assert all(finding.advice for finding in told.values() if not finding.good)
