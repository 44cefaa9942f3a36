"""The scaled-out stack as docker-compose.yaml describes it, without an engine: its environment and its commands, with
Debian's Postgres and Redis, a Celery worker, and moto in SeaweedFS's place."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import yaml
from conftest import GOOD, PROJECT, TERMS

from benchmarks.airflow_server import Airflow
from benchmarks.processes import finished, running, wait
from benchmarks.s3_server import s3_server
from labelaudit.publish import verifying
from labelaudit.receive import delivering
from labelaudit.storage import release_log
from labelaudit.storage.opening import open_store
from labelaudit_airflow import standalone
from labelaudit_airflow.local import free_port
from labelaudit_airflow.scaled_out import write_secrets
from tests.labelaudit_airflow.test_compose import resolved

DAG = "audit__acme__pets"
POSTGRES = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"))), None)
pytestmark = [
    pytest.mark.airflow,
    pytest.mark.server,
    pytest.mark.skipif(
        POSTGRES is None or shutil.which("redis-server") is None, reason="needs Debian's postgresql and redis-server"
    ),
]


@contextmanager
def postgres(password: str):
    """A database cluster on a free port; as the user postgres, since the server refuses to run as root."""
    folder = Path(tempfile.mkdtemp(prefix="labelaudit-postgres-"))
    as_user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    if as_user:
        shutil.chown(folder, "postgres")
    (folder / "password").write_text(password)
    (folder / "password").chmod(0o644)
    port = free_port()
    initdb = [str(POSTGRES / "initdb"), "-U", "airflow", "--auth=scram-sha-256", f"--pwfile={folder / 'password'}"]
    data = str(folder / "data")
    done = subprocess.run([*as_user, *initdb, data], capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, done.stderr
    server = [str(POSTGRES / "postgres"), "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", str(folder)]
    with running([*as_user, *server], folder / "postgres.log", cwd="/"):
        access = os.environ | {"PGPASSWORD": password}
        ready = [str(POSTGRES / "psql"), "-h", "127.0.0.1", "-p", str(port), "-U", "airflow", "-d", "postgres"]

        def create() -> bool:
            command = [*ready, "-c", "create database airflow"]
            return subprocess.run(command, env=access, capture_output=True).returncode == 0

        wait(create, "Postgres")
        yield port
    shutil.rmtree(folder, ignore_errors=True)


def settings(home: Path, made: dict[str, str], ports: dict[str, str]) -> dict[str, str]:
    """The environment of compose's services, with this machine's places and addresses."""
    found = dict(resolved(made)["services"]["worker"]["environment"])
    for inside, outside in ports.items():
        found = {name: str(value).replace(inside, outside) for name, value in found.items()}
    found |= {"LABELAUDIT_CONTRACTS": str(home / "contracts"), "PYTHONPATH": str(PROJECT / "include")}
    found |= {"AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port())}
    found |= {"AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()), "C_FORCE_ROOT": "1"}
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "LABELAUDIT", "AWS"))}
    return plain | found | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def test_a_delivery_goes_through_postgres_redis_celery_and_s3(tmp_path):
    write_secrets(PROJECT / ".env.example", tmp_path / ".env")
    lines = (tmp_path / ".env").read_text().splitlines()
    made = dict(line.split("=", 1) for line in lines if "=" in line and line[0] != "#")
    (tmp_path / "contracts" / "acme").mkdir(parents=True)
    (tmp_path / "contracts" / "acme" / "pets.yaml").write_text(yaml.safe_dump(TERMS))
    api_port, redis_port = free_port(), free_port()
    commands = {name: service.get("command") for name, service in resolved(made)["services"].items()}
    with ExitStack() as stack:
        s3 = stack.enter_context(s3_server())
        postgres_port = stack.enter_context(postgres(made["POSTGRES_PASSWORD"]))
        redis = ["redis-server", "--port", str(redis_port), "--bind", "127.0.0.1", "--save", ""]
        redis += ["--requirepass", made["REDIS_PASSWORD"]]
        stack.enter_context(running(redis, tmp_path / "redis.log"))
        ports = {
            "postgres:5432": f"127.0.0.1:{postgres_port}",
            "redis:6379": f"127.0.0.1:{redis_port}",
            "http://seaweedfs:8333": s3["AWS_ENDPOINT_URL"],
            "http://api-server:8080": f"http://127.0.0.1:{api_port}",
            "/opt/airflow": str(tmp_path / "airflow"),
            "/opt/labelaudit": str(PROJECT),
        }
        environment = settings(tmp_path, made, ports)
        initial = environment | {"AIRFLOW_ADMIN_PASSWORD": made["AIRFLOW_ADMIN_PASSWORD"]}
        for _ in range(2):  # safe to run twice
            init = [sys.executable, *commands["init"][1:]]
            done = subprocess.run(init, env=initial, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr[-2000:]
        processes = {}
        for name in ("api-server", "scheduler", "dag-processor", "triggerer", "worker"):
            command = [part.replace("8080", str(api_port)) for part in commands[name]]
            command += ["--host", "127.0.0.1"] if name == "api-server" else []
            log = tmp_path / f"{name}.log"
            processes[name] = stack.enter_context(running(command, log, env=environment, cwd=tmp_path))
        airflow = Airflow(f"http://127.0.0.1:{api_port}", "admin", made["AIRFLOW_ADMIN_PASSWORD"], tmp_path)
        wait(
            lambda: standalone.health(airflow.url),
            "the api-server",
            processes["api-server"],
            tmp_path / "api-server.log",
        )
        airflow.log_in()
        wait(lambda: airflow.call("GET", f"/api/v2/dags/{DAG}")[0] == 200, "the DAG")
        credentials = {
            "aws_access_key_id": made["S3_ACCESS_KEY"],
            "aws_secret_access_key": made["S3_SECRET_KEY"],
            "endpoint_url": s3["AWS_ENDPOINT_URL"],
            "region_name": "us-east-1",
        }
        store = open_store("s3://labelaudit", credentials)
        (tmp_path / "labels.csv").write_text(GOOD)
        delivering.deliver(store, "acme", "pets", "alder", "d1", [tmp_path / "labels.csv"])
        run = airflow.trigger(DAG)
        assert airflow.finished(DAG, run) == "success", [
            (task["task_id"], task["state"]) for task in airflow.tasks(DAG, run)
        ]
        destination = store.below("published/acme/pets")
        assert len(release_log.log(destination)) == 1
        assert verifying.verify(destination).rows == 12
        ping = ["celery", "--app", "airflow.providers.celery.executors.celery_executor.app", "inspect", "ping"]
        wait(lambda: "pong" in finished(ping, env=environment).stdout, "the worker's healthcheck")
        executors = {task["executor"] or "CeleryExecutor" for task in airflow.tasks(DAG, run)}
        assert executors == {"CeleryExecutor"}
