"""`make up` for tests and benchmarks: Airflow standalone as processes of its own on loopback, and its REST API."""

from __future__ import annotations

import json
import os
import re
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from benchmarks.processes import PATIENCE_SECONDS, running, wait
from labelaudit_airflow import local, standalone
from labelaudit_airflow.local import free_port

FINAL = ("success", "failed")
TRIES = 10
READY = re.compile(r"(?P<url>http://localhost:\d+)\s+user (?P<user>\S+), password (?P<password>\S+)\s*$")


@dataclass
class Airflow:
    """A running instance: where it is, who may log in, and calls of its REST API as that user."""

    url: str
    user: str
    password: str
    home: Path
    token: str = field(default="", repr=False)

    def call(self, method: str, path: str, body: Any = None, anonymous: bool = False) -> tuple[int, Any]:
        """Status and answer (JSON, or text) of one request; asked again where SQLite was locked (status 500)."""
        for _ in range(TRIES):
            status, content = self._called(method, path, body, anonymous)
            if status != 500:
                break
            time.sleep(1)
        try:
            return status, json.loads(content)
        except ValueError:
            return status, content.decode(errors="replace")

    def _called(self, method: str, path: str, body: Any, anonymous: bool) -> tuple[int, bytes]:
        headers = {"Content-Type": "application/json"}
        if not anonymous and self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.url + path, data=data, method=method, headers=headers)  # noqa: S310 - our own address
        try:
            with urlopen(request, timeout=PATIENCE_SECONDS) as response:  # noqa: S310
                return response.status, response.read()
        except HTTPError as error:
            return error.code, error.read()

    def log_in(self) -> None:
        self.token = self.call("POST", "/auth/token", {"username": self.user, "password": self.password})[1][
            "access_token"
        ]

    def trigger(self, dag_id: str, **conf: Any) -> str:
        """Trigger a run; gives its id."""
        run_id = f"manual__{uuid.uuid4()}"
        body = {"logical_date": None, "dag_run_id": run_id, "conf": conf}
        status, answer = self.call("POST", f"/api/v2/dags/{dag_id}/dagRuns", body)
        if status not in (200, 409):  # 409: one that was answered with 500 went through after all
            raise RuntimeError(f"{dag_id} could not be triggered: {answer}")
        return run_id

    def run_state(self, dag_id: str, run_id: str) -> str:
        return self.call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")[1]["state"]

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        return self.call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances")[1]["task_instances"]

    def question(self, dag_id: str, run_id: str, task_id: str = "approve") -> dict[str, Any]:
        """Wait until a run asks, and until the scheduler has heard that the task's process ended: an answer before that
        makes Airflow ask again."""
        heard = (
            f"state success for task instance TaskInstanceKey(dag_id='{dag_id}', task_id='{task_id}', run_id='{run_id}'"
        )

        def asks() -> bool:
            assert self.run_state(dag_id, run_id) not in FINAL, self.tasks(dag_id, run_id)
            task = next(task for task in self.tasks(dag_id, run_id) if task["task_id"] == task_id)
            return task["state"] == "awaiting_input"

        wait(asks, "the question")
        wait(lambda: heard in (self.home / standalone.LOG).read_text(errors="replace"), "the scheduler to know of it")
        return self.call("GET", self._question(dag_id, run_id, task_id))[1]

    def answer(self, dag_id: str, run_id: str, choice: str, note: str = "", task_id: str = "approve") -> None:
        """Answer the question of a run."""
        body = {"chosen_options": [choice], "params_input": {"note": note, "deliveries": []}}
        status, said = self.call("PATCH", self._question(dag_id, run_id, task_id), body)
        assert status in (200, 409), said  # 409: one that was answered with 500 went through after all

    def _question(self, dag_id: str, run_id: str, task_id: str) -> str:
        return f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/-1/hitlDetails"

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
        wait(lambda: standalone.health(made.url), "the api-server", process, log)
        yield made.url


@contextmanager
def airflow_server(
    home: Path, environment: dict[str, str], dag_ids: list[str], demo_days: int = 0
) -> Iterator[Airflow]:
    """Start it, wait until it has the DAGs, and end its processes afterwards."""
    port = free_port()
    settings = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW__", "AIRFLOW_HOME"))}
    settings |= environment
    home.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "labelaudit_airflow.standalone", str(home), str(port), str(demo_days)]
    said = home / "standalone.log"
    with running(command, said, env=settings) as process:
        shown = wait(lambda: READY.search(said.read_text()), "Airflow to be ready", process, said)
        made = Airflow(shown["url"], shown["user"], shown["password"], home)
        made.log_in()
        wait(lambda: set(dag_ids) <= set(_dags(made)), f"the DAGs {dag_ids}")
        yield made


def _dags(made: Airflow) -> list[str]:
    return [dag["dag_id"] for dag in made.call("GET", "/api/v2/dags")[1]["dags"]]
