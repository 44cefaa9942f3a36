"""The command line: what it prints, and what its exit codes say."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import GOOD, PROJECT, TERMS

from labelaudit.cli import app as cli
from labelaudit.cli import output

pytestmark = pytest.mark.runs

ACCEPTED, FAILED, HELD, REJECTED = 0, 1, 2, 3


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    """The environment of an empty folder, with its contracts and store there."""
    return {
        "LABELAUDIT_STORE": f"file://{tmp_path / 'store'}",
        "LABELAUDIT_CONTRACTS": str(tmp_path / "contracts"),
        "COLUMNS": "200",
        "HOME": str(tmp_path),
    }


@pytest.fixture
def process(settings, tmp_path: Path):
    """Runs Python with these arguments there, as its own process; gives its exit code and what it said."""

    def run(*arguments: str, **more: str) -> tuple[int, str]:
        environment = settings | more | {"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT / "include")}
        done = subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.fixture
def labelaudit(settings, tmp_path: Path, monkeypatch, capfd):
    """Runs the command there, in this process: none of its tests waits for imports."""

    def run(*arguments: str, code: int = ACCEPTED, **environment: str) -> str:
        with monkeypatch.context() as patch:
            patch.chdir(tmp_path)
            patch.setattr("sys.argv", ["labelaudit", *arguments])
            for name, value in (settings | environment).items():
                patch.setenv(name, value)
            for console in (output.out, output.err):  # they were made before COLUMNS was set
                patch.setattr(console, "_width", 200)
            capfd.readouterr()
            with pytest.raises(SystemExit) as ended:
                cli.main()
        out, err = capfd.readouterr()
        assert (ended.value.code or ACCEPTED) == code, out + err
        return out + err

    return run


def sample(folder: Path, text: str = GOOD) -> Path:
    path = folder / "sample.csv"
    path.write_text(text.replace("item,annotator,label", "task_id,worker,answer"))
    return path


def test_from_a_sample_to_a_verified_release(labelaudit, tmp_path):
    """What the README tells a new user to do."""
    path = sample(tmp_path)
    labelaudit("new", "acme/pets", "--from", str(path), "--vendor", "alder")
    assert "good" in labelaudit("contracts")
    labelaudit("deliver", str(path), "--vendor", "alder", "--to", "acme/pets", "--id", "d1")
    said = labelaudit("run", "acme/pets")
    assert "r0001-" in said
    assert "36 rows accepted, 0 rejected" in said
    assert "r0001-" in labelaudit("releases", "acme/pets")
    assert "is whole" in labelaudit("verify", "acme/pets")
    assert "is whole" in labelaudit("verify", f"file://{tmp_path}/store/published/acme/pets")
    assert "Nothing waits" in labelaudit("run", "acme/pets")
    assert "Removed 0 files" in labelaudit("expire", "acme/pets")


def test_a_run_says_what_it_did_not_look_into_and_why(labelaudit, tmp_path):
    """Also when it is taken; and which of the vendor's folders is no folder."""
    path = tmp_path / "contracts" / "acme" / "pets.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump(TERMS | {"vendors": {"alder": {"format": "csv", "settled_minutes": 30}}}))
    inbox = tmp_path / "store/inbox/alder/acme/pets"
    (inbox / "d1").mkdir(parents=True)
    (inbox / "d1" / "labels.csv").write_text(GOOD)
    (inbox / "d2").symlink_to(tmp_path)
    said = labelaudit("run", "acme/pets")
    assert "Nothing can be taken for acme/pets" in said
    assert "waits alder/d1: no manifest.json: first seen as it is at 20" in said
    assert "waits alder/d2: it is a symbolic link" in said
    waits = json.loads(labelaudit("run", "acme/pets", "--json"))["incomplete"]
    assert [delivery["name"] for delivery in waits] == ["alder/d1", "alder/d2"]


def test_json_is_all_that_programs_read(labelaudit, tmp_path):
    path = sample(tmp_path)
    labelaudit("new", "acme/pets", "--from", str(path), "--vendor", "alder", "--json")
    assert json.loads(labelaudit("contracts", "--json")) == {"contracts": ["acme/pets"], "problems": {}}
    labelaudit("deliver", str(path), "--vendor", "alder", "--to", "acme/pets", "--id", "d1", "--json")
    outcome = json.loads(labelaudit("run", "acme/pets", "--json"))
    assert outcome["status"] == "published"
    assert [release["release"] for release in json.loads(labelaudit("releases", "acme/pets", "--json"))] == [
        outcome["release"]["release"]
    ]
    assert json.loads(labelaudit("verify", "acme/pets", "--json"))["rows"] == 12


def test_exit_codes_say_held_rejected_and_failed(labelaudit, tmp_path):
    path = sample(tmp_path)
    labelaudit("new", "acme/pets", "--from", str(path), "--vendor", "alder")
    bad = tmp_path / "bad.csv"
    bad.write_text("task_id,worker,answer\n1,ann,cow\n")
    labelaudit("deliver", str(bad), "--vendor", "alder", "--to", "acme/pets", "--id", "bad")
    said = labelaudit("run", "acme/pets", code=REJECTED)
    assert "rejected alder/bad" in said
    report = next(word for word in said.split() if word.endswith("rejection.html"))
    assert Path(report.removeprefix("file://")).is_file()
    labelaudit("deliver", str(path), "--vendor", "alder", "--to", "acme/pets", "--id", "good")
    assert "nothing is published" in labelaudit("run", "acme/pets", "--hold", code=HELD)
    assert "is published" in labelaudit("run", "acme/pets", "--hold", "--publish-held", "looked at it")
    (release,) = (tmp_path / "store" / "published" / "acme" / "pets" / "releases").iterdir()
    (release / "issues.csv").write_text("changed")
    assert "issues.csv was changed" in labelaudit("verify", "acme/pets", code=FAILED)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "acme/dogs"], "there are: acme/pets"),
        (["run", "acme"], "is not CUSTOMER/DATASET"),
        (["run", "../../etc/passwd"], "is not below"),
        (["run", "acme/pets", "--delivery", "gone"], "there are: none"),
        (["run", "acme/pets", "--store", "ftp://x"], "file:///folder"),
        (["verify", "acme/pets"], "has no release"),
        (["new", "acme/pets", "--from", "sample.csv"], "is there already"),
        (["deliver", "sample.csv", "--vendor", "elm", "--to", "acme/pets", "--id", "d1"], "has no vendor 'elm'"),
        (["deliver", "sample.csv", "--vendor", "alder", "--to", "acme/pets", "--id", "../d1"], "'../d1'"),
    ],
)
def test_a_mistake_is_one_sentence_that_says_what_to_do(labelaudit, tmp_path, arguments, said):
    labelaudit("new", "acme/pets", "--from", str(sample(tmp_path)), "--vendor", "alder")
    assert said in labelaudit(*arguments, code=FAILED)
    if arguments[0] != "deliver":
        assert json.loads(labelaudit(*arguments, "--json", code=FAILED).splitlines()[0])["status"] == "failed"


def test_a_broken_contract_is_told_with_field_and_nearest_name(labelaudit, tmp_path):
    """And stops nobody else's."""
    path = sample(tmp_path)
    labelaudit("new", "acme/pets", "--from", str(path), "--vendor", "alder")
    terms = yaml.safe_load((tmp_path / "contracts" / "acme" / "pets.yaml").read_text())
    (tmp_path / "contracts" / "other").mkdir()
    broken = tmp_path / "contracts" / "other" / "cats.yaml"
    broken.write_text(yaml.safe_dump(terms | {"toleranse": {}}))
    said = labelaudit("contracts", code=FAILED)
    assert "toleranse" in said
    assert "tolerance" in said
    wrong = {"type": "expect_column_values_to_be_beetween", "kwargs": {"column": "label"}}
    broken.write_text(yaml.safe_dump(terms | {"checks": [wrong]}))
    assert "the nearest is expect_column_values_to_be_between" in labelaudit("contracts", code=FAILED)
    labelaudit("deliver", str(path), "--vendor", "alder", "--to", "acme/pets", "--id", "d1")
    labelaudit("run", "acme/pets")


def test_what_airflow_has_against_a_sound_contract_is_told(labelaudit, process, tmp_path):
    """The domain knows no Airflow; a process that does is asked, and takes nothing of ours for its home."""
    labelaudit("new", "acme/pets", "--from", str(sample(tmp_path)), "--vendor", "alder")
    code, said = process("-m", "labelaudit", "contracts", "--json", LABELAUDIT_STEP_MINUTES="soon")
    assert code == FAILED
    assert "acme/pets.yaml: Airflow can't make its DAG: InvalidInput: LABELAUDIT_STEP_MINUTES is 'soon'" in said
    assert not (tmp_path / "airflow").exists()


DIES = """
import os, sys
from pathlib import PurePath
from labelaudit.cli.app import main
from labelaudit.storage.opening import open_store

folder_store, sign = type(open_store("file:///tmp")), sys.argv.pop(1)

def dying(write):
    def written(self, *arguments):
        taken = write(self, *arguments)
        if any(isinstance(one, str) and PurePath(one).match(sign) for one in arguments):
            os.kill(os.getpid(), 9)
        return taken
    return written

for name in ("write", "put_if_absent", "upload"):
    setattr(folder_store, name, dying(getattr(folder_store, name)))
main()
"""
"""The command, killed as soon as a file of this name is written."""


def test_a_process_that_is_killed_leaves_nothing_half(labelaudit, process, tmp_path):
    """SIGKILL when a delivery is staged, checked, audited, and its report written; the next run publishes, once."""
    path = sample(tmp_path)
    labelaudit("new", "acme/pets", "--from", str(path), "--vendor", "alder")
    labelaudit("deliver", str(path), "--vendor", "alder", "--to", "acme/pets", "--id", "d1")
    for sign in ("staged.parquet", "accepted.parquet", "labels.parquet", "releases/*/report.html"):
        code, said = process("-c", DIES, sign, "run", "acme/pets")
        assert code == -signal.SIGKILL, f"{sign}: {said}"
    labelaudit("run", "acme/pets")
    assert len(json.loads(labelaudit("releases", "acme/pets", "--json"))) == 1
    assert json.loads(labelaudit("verify", "acme/pets", "--json"))["rows"] == 12


def test_a_command_that_judges_nothing_starts_without_what_judges():
    """Every call of `labelaudit` would wait for it; a detector of a run is imported when it is asked."""
    heavy = ("pandas", "sklearn", "numba", "great_expectations", "airflow")
    program = f"import sys, labelaudit.cli.app; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
