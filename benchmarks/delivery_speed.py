"""How long a delivery of 10,000 rows takes, and where the time goes.

    python -m benchmarks.delivery_speed

Ten thousand annotations of scikit-learn's digits with their pixels, from which the run makes its predictions: once by
`labelaudit run` as a process of its own, once through Airflow as `make up` starts it, from trigger to published.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from rich.console import Console
from rich.table import Table

from benchmarks import public_data
from benchmarks.airflow_server import airflow_server
from labelaudit.contracts.reading import read_contract
from labelaudit.receive import delivering
from labelaudit.run import steps
from labelaudit.run.whole_run import whole_run
from labelaudit.storage.opening import open_store

ROWS = 10_000
DAG = "audit__speed__digits"
LIMITS = {"labelaudit run": 10.0, "from trigger to published": 30.0}


def main() -> None:
    home = Path(tempfile.mkdtemp(prefix="labelaudit-speed-"))
    console = Console(width=110)
    try:
        write_contract(home / "contracts")
        write_rows(home / "labels.csv")
        taken = {"labelaudit run": command_line(home), "from trigger to published": through_airflow(home, console)}
        in_process(home, console)
        for what, seconds in taken.items():
            console.print(f"{what}: {seconds:.1f} s (limit {LIMITS[what]:.0f} s)")
    finally:
        shutil.rmtree(home, ignore_errors=True)


def write_contract(folder: Path) -> None:
    terms = {
        "task": "classification",
        "classes": [str(digit) for digit in range(10)],
        "columns": {"item": {}, "annotator": {}, "label": {}, "pixels": {"type": "vector", "length": 64}},
        "vendors": {"alder": {"format": "csv"}},
        "predictions": {"source": "pixels", "column": "pixels", "shape": [8, 8], "maximum": 16},
        "schedule": None,
    }
    (folder / "speed").mkdir(parents=True)
    (folder / "speed" / "digits.yaml").write_text(yaml.safe_dump(terms))


def write_rows(path: Path) -> None:
    """Every digit by five or six of thirty annotators, right nine times in ten."""
    from sklearn.datasets import load_digits

    images, truth = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    items = np.arange(ROWS) % len(truth)
    annotators = (items + 7 * (np.arange(ROWS) // len(truth))) % 30
    labels = np.where(rng.random(ROWS) < 0.9, truth[items], rng.integers(0, 10, ROWS))
    pixels = [str(row.astype(int).tolist()) for row in images]
    rows = {"item": items, "annotator": annotators, "label": labels, "pixels": [pixels[item] for item in items]}
    pd.DataFrame(rows).to_csv(path, index=False)


def deliver(home: Path, store: str) -> None:
    delivering.deliver(open_store(store), "speed", "digits", "alder", "d1", [home / "labels.csv"])


def command_line(home: Path) -> float:
    store = f"file://{home / 'cli'}"
    deliver(home, store)
    command = [sys.executable, "-m", "labelaudit", "run", "speed/digits", "--store", store]
    started = time.perf_counter()
    subprocess.run(
        [*command, "--contracts", str(home / "contracts")],
        check=True,
        env=os.environ | {"PYTHONPATH": str(public_data.PROJECT / "include")},
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - started


def in_process(home: Path, console: Console) -> None:
    """The steps of one run, timed in this process: no imports, no Airflow."""
    store = open_store(f"file://{home / 'steps'}")
    deliver(home, store.uri)
    contract = read_contract(home / "contracts" / "speed" / "digits.yaml")
    table = Table("step", "s", title="where the time goes, in one process")

    @contextmanager
    def timed(step: str) -> Iterator[None]:
        started = time.perf_counter()
        yield None
        table.add_row(step, f"{time.perf_counter() - started:.2f}")

    whole_run(contract, store, steps.open_destination(contract, store), "run", watch=timed)
    console.print(table)


def through_airflow(home: Path, console: Console) -> float:
    environment = {
        "LABELAUDIT_CONTRACTS": str(home / "contracts"),
        "LABELAUDIT_STORE": f"file://{home / 'store'}",
        "PYTHONPATH": str(public_data.PROJECT / "include"),
    }
    with airflow_server(home / "up", environment, [DAG]) as airflow:
        deliver(home, environment["LABELAUDIT_STORE"])
        run = airflow.trigger(DAG)
        state = airflow.finished(DAG, run)
        assert state == "success", f"the run ended as {state}"
        dag_run = airflow.call("GET", f"/api/v2/dags/{DAG}/dagRuns/{run}")[1]
        tasks = [task for task in airflow.tasks(DAG, run) if task["state"] == "success"]
    begun = moment(dag_run["queued_at"])
    table = Table("task", "starts after", "takes", title="where the time goes, through Airflow (s)")
    for task in sorted(tasks, key=lambda entry: entry["start_date"]):
        table.add_row(task["task_id"], f"{moment(task['start_date']) - begun:.1f}", f"{task['duration']:.1f}")
    console.print(table)
    return next(moment(task["end_date"]) for task in tasks if task["task_id"] == "publish") - begun


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


if __name__ == "__main__":
    main()
