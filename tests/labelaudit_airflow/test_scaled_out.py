"""`make stack`: the services of docker-compose.yaml, with its environments, its commands and its healthchecks, as
processes of this machine; Debian's Postgres and Redis, and Ceph's radosgw where compose has SeaweedFS."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from conftest import GOOD, PROJECT, TERMS

from benchmarks.airflow_server import Airflow
from benchmarks.processes import finished, wait
from labelaudit.publish import verifying
from labelaudit.receive import delivering
from labelaudit.storage import release_log
from labelaudit.storage.opening import open_store
from labelaudit.storage.store import Store
from labelaudit_airflow.local import free_port
from labelaudit_airflow.scaled_out import write_secrets
from labelaudit_airflow.stack import servers
from labelaudit_airflow.stack.compose import variables
from labelaudit_airflow.stack.processes import Services
from tests.labelaudit_airflow.test_compose import SECRET

DAG = "audit__acme__pets"
pytestmark = [
    pytest.mark.airflow,
    pytest.mark.server,
    pytest.mark.skipif(bool(servers.missing()), reason=f"needs Debian's {', '.join(servers.missing())}"),
]


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that the user postgres can reach, which pytest's own is not; what runs from it is ended afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="labelaudit-stack-"))
    folder.chmod(0o755)
    write_secrets(PROJECT / ".env.example", folder / ".env")
    terms = TERMS | {"schedule": "* * * * *"}
    (folder / "contracts" / "acme").mkdir(parents=True)
    (folder / "contracts" / "acme" / "pets.yaml").write_text(yaml.safe_dump(terms))
    yield folder
    Services(folder / "stack").end()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def command(home: Path) -> Callable[..., list[str]]:
    port = free_port()

    def of(what: str) -> list[str]:
        options = ["--home", str(home / "stack"), "--env-file", str(home / ".env"), "--port", str(port)]
        module = [sys.executable, "-m", "labelaudit_airflow.stack"]
        return [*module, what, *options, "--contracts", str(home / "contracts")]

    return of


def left(home: Path) -> list[str]:
    """Every process of this machine that knows the folder: by its command, its environment or its place."""
    there = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            said = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            place = os.readlink(entry / "cwd")
        except OSError:
            continue
        if entry.name != str(os.getpid()) and (str(home).encode() in said or place.startswith(str(home))):
            there.append(f"{entry.name} {said[:200]}")
    return there


def outside(home: Path) -> dict[str, str]:
    """What the file says that a user sources."""
    shell = f". {home / 'stack' / 'environment'} && env -0"
    said = finished(["env", "-i", "sh", "-c", shell]).stdout
    return dict(pair.split("=", 1) for pair in said.split("\0") if pair)


def opened(home: Path) -> Store:
    said = outside(home)
    credentials = {
        "aws_access_key_id": said["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": said["AWS_SECRET_ACCESS_KEY"],
        "endpoint_url": said["AWS_ENDPOINT_URL"],
        "region_name": said["AWS_DEFAULT_REGION"],
    }
    return open_store(said["LABELAUDIT_STORE"], credentials)


def deliver(home: Path, delivery: str) -> None:
    """Twelve items of its own."""
    (home / "labels.csv").write_text(GOOD.replace("\ni", f"\n{delivery}-i"))
    delivering.deliver(opened(home), "acme", "pets", "alder", delivery, [home / "labels.csv"])


def released(home: Path, airflow: Airflow, number: int) -> dict:
    """Wait for the release of this number, and give the run that made it."""
    destination = opened(home).below("published/acme/pets")
    wait(lambda: len(release_log.log(destination)) == number, f"release {number}")
    assert verifying.verify(destination).rows == 12
    return wait(lambda: published(airflow, number), f"run {number} to end")


def published(airflow: Airflow, number: int) -> dict:
    """The last run that has published, once as many have; nothing before."""
    runs = []
    for run in airflow.call("GET", f"/api/v2/dags/{DAG}/dagRuns?limit=1000&order_by=run_after")[1]["dag_runs"]:
        publish = next(task for task in airflow.tasks(DAG, run["dag_run_id"]) if task["task_id"] == "publish")
        runs += [run | {"publish": publish}] if publish["state"] == run["state"] == "success" else []
    return runs[-1] if len(runs) == number else {}


def environments(home: Path, name: str) -> list[str]:
    """Of a service and all that it started; what has ended meanwhile is left out."""
    service = next(started for started in Services(home / "stack").started() if started.name == name)
    texts = []
    for pid in service.processes():
        try:
            texts.append(Path(f"/proc/{pid}/environ").read_text(errors="replace"))
        except OSError:
            continue
    return texts


def test_the_schedule_audits_a_delivery_and_a_second_start_goes_on(home, command):
    """Up, healthy, a delivery audited by the schedule, down, and nothing runs; up again with releases, runs and
    secrets as they were. A worker has no secret but those of broker and store."""
    made = variables(home / ".env")
    up = finished(command("up"))
    assert up.returncode == 0, up.stdout + up.stderr
    url = next(word for word in up.stdout.split() if word.startswith("http://localhost:"))
    airflow = Airflow(url, "admin", made["AIRFLOW_ADMIN_PASSWORD"], home)
    airflow.log_in()
    deliver(home, "d1")
    first = released(home, airflow, 1)
    assert (first["run_type"], first["publish"]["executor"] or "CeleryExecutor") == ("scheduled", "CeleryExecutor")
    log = airflow.call("GET", f"/api/v2/dags/{DAG}/dagRuns/{first['dag_run_id']}/taskInstances/publish/logs/1")
    assert log[0] == 200
    assert "publish" in json.dumps(log[1]["content"])

    held = {
        name
        for name, value in made.items()
        if SECRET.search(name)
        for said in environments(home, "worker")
        if value in said
    }
    assert held == {"REDIS_PASSWORD", "S3_ACCESS_KEY", "S3_SECRET_KEY"}

    before = Services(home / "stack").started()
    again = finished(command("up"))
    assert (again.returncode, url in again.stdout) == (0, True)
    assert Services(home / "stack").started() == before

    down = finished(command("down"))
    assert (down.returncode, "worker" in down.stdout) == (0, True)
    assert left(home / "stack") == []

    up = finished(command("up"))
    assert up.returncode == 0, up.stdout + up.stderr
    airflow.log_in()
    assert airflow.run_state(DAG, first["dag_run_id"]) == "success"
    deliver(home, "d2")
    assert released(home, airflow, 2)["run_type"] == "scheduled"
    assert finished(command("down")).returncode == 0
    assert left(home / "stack") == []


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_start_leaves_nothing_running(home, command, signum):
    """Ctrl-C ends what was started; after a kill, `make stack-down` does."""
    with subprocess.Popen(command("up"), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as starting:
        wait(lambda: (home / "stack" / "pids" / "objects-monitor").exists(), "the first servers", starting)
        assert left(home / "stack") != []
        starting.send_signal(signum)
    if signum == signal.SIGKILL:
        assert Services(home / "stack").started() != []
        down = finished(command("down"))
        assert (down.returncode, "objects-monitor" in down.stdout) == (0, True)
    assert left(home / "stack") == []
    assert Services(home / "stack").started() == []


def test_a_pid_that_is_another_s_by_now_is_left_alone(home, command):
    """After a restart of the machine the files name processes that are none of ours."""
    services = Services(home / "stack")
    services.start("redis", ["sleep", "1000"], os.environ, 0)
    entry = home / "stack" / "pids" / "redis"
    with subprocess.Popen(["sleep", "1000"], start_new_session=True) as stranger:
        ours = entry.read_text()
        _pid, began, *rest = ours.split()
        entry.write_text(" ".join([str(stranger.pid), began, *rest]) + "\n")
        assert "nothing runs" in finished(command("down")).stdout
        assert stranger.poll() is None
        stranger.kill()
    entry.write_text(ours)
    assert "ended: redis" in finished(command("down")).stdout


def test_a_service_that_ends_by_itself_ends_the_start_and_its_log_is_shown(home, command):
    """Nothing waits for what is gone, and nothing else stays."""
    kept = home / "stack" / "volumes"
    (kept / "postgres").mkdir(parents=True)
    (kept / "postgres.made").touch()
    up = finished(command("up"))
    assert up.returncode == 1
    assert "postgres ended" in up.stderr
    assert "postgresql.conf" in up.stderr
    assert left(home / "stack") == []


def test_two_commands_do_not_work_in_one_folder(home, command):
    (home / "stack").mkdir()
    with subprocess.Popen(["flock", str(home / "stack" / "lock"), "sleep", "1000"], start_new_session=True) as other:
        wait(lambda: finished(command("down")).returncode == 1, "the lock", other)
        assert "is at work" in finished(command("up")).stderr
        os.killpg(other.pid, signal.SIGKILL)
