"""`make up` for tests and benchmarks: Airflow standalone as processes of its own on loopback, and its REST API."""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from benchmarks.processes import PATIENCE_SECONDS, free_port, running, wait
from labelaudit_airflow import local, standalone

FINAL = ("success", "failed")
TRIES = 5


@dataclass
class Airflow:
    """A running instance: where it is, who may log in, and calls of its REST API as that user."""

    url: str
    user: str
    password: str
    home: Path
    token: str = field(default="", repr=False)

    def call(self, method: str, path: str, body: Any = None, anonymous: bool = False) -> tuple[int, Any]:
        """Status and answer (JSON, or text) of one request."""
        headers = {"Content-Type": "application/json"}
        if not anonymous and self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.url + path, data=data, method=method, headers=headers)  # noqa: S310 - our own address
        try:
            with urlopen(request, timeout=PATIENCE_SECONDS) as response:  # noqa: S310
                status, content = response.status, response.read()
        except HTTPError as error:
            status, content = error.code, error.read()
        try:
            return status, json.loads(content)
        except ValueError:
            return status, content.decode(errors="replace")

    def log_in(self) -> None:
        self.token = self.call("POST", "/auth/token", {"username": self.user, "password": self.password})[1][
            "access_token"
        ]

    def trigger(self, dag_id: str, **conf: Any) -> str:
        """Trigger a run; gives its id. On a busy machine SQLite may be locked (seen, as status 500): asked again."""
        run_id = f"manual__{uuid.uuid4()}"
        for attempt in range(TRIES):
            body = {"logical_date": None, "dag_run_id": run_id, "conf": conf}
            status, answer = self.call("POST", f"/api/v2/dags/{dag_id}/dagRuns", body)
            if status == 200 or (status == 409 and attempt):  # 409: the one before went through after all
                return run_id
            if status != 500:
                break
            time.sleep(2)
        raise RuntimeError(f"{dag_id} could not be triggered: {answer}")

    def run_state(self, dag_id: str, run_id: str) -> str:
        return self.call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")[1]["state"]

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        return self.call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances")[1]["task_instances"]

    def finished(self, dag_id: str, run_id: str) -> str:
        """The final state of a run."""
        wait(lambda: self.run_state(dag_id, run_id) in FINAL, f"{dag_id} {run_id} to end")
        return self.run_state(dag_id, run_id)


@contextmanager
def api_server(home: Path, environment: dict[str, str]) -> Iterator[str]:
    """Airflow's api-server alone, on the database that is in `home`; gives its address."""
    port = free_port()
    settings = environment | local.addresses(port)
    log = home / f"api-server-{port}.log"
    with running([str(Path(sys.executable).with_name("airflow")), "api-server"], log, env=settings) as process:
        made = Airflow(f"http://localhost:{port}", "", "", home)
        wait(lambda: _health(made), "the api-server", process, log)
        yield made.url


@contextmanager
def airflow_server(
    home: Path, environment: dict[str, str], dag_ids: list[str], demo_days: int = 0
) -> Iterator[Airflow]:
    """Start it, wait until it has the DAGs, and end its processes afterwards."""
    port = free_port()
    settings = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW__", "AIRFLOW_HOME"))}
    settings |= environment | {
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
    }
    home.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "labelaudit_airflow.standalone", str(home), str(port), str(demo_days)]
    with running(command, home / "standalone.log", env=settings) as process:
        made = Airflow(f"http://localhost:{port}", standalone.USER, "", home)
        wait(lambda: _healthy(made), "Airflow to start", process, home / "standalone.log")
        made.password = json.loads((home / "airflow" / standalone.PASSWORDS).read_text())[standalone.USER]
        made.log_in()
        wait(lambda: set(dag_ids) <= set(_dags(made)), f"the DAGs {dag_ids}")
        yield made


def _health(made: Airflow) -> dict[str, Any]:
    """What Airflow says of its components; nothing while it does not answer."""
    try:
        status, answer = made.call("GET", "/api/v2/monitor/health", anonymous=True)
    except (URLError, OSError):
        return {}
    return answer if status == 200 else {}


def _healthy(made: Airflow) -> bool:
    found = _health(made)
    return bool(found) and all(found[one]["status"] == "healthy" for one in ("scheduler", "dag_processor"))


def _dags(made: Airflow) -> list[str]:
    return [one["dag_id"] for one in made.call("GET", "/api/v2/dags")[1]["dags"]]
