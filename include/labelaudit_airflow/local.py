"""Airflow on one machine with embedded defaults: SQLite, LocalExecutor, a folder as object store.

Imports nothing of Airflow: what is set here must be in the environment before Airflow is first imported.
"""

from __future__ import annotations

import os
import random
import socket
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
PORTS = (20_000, 32_000)
"""Below those that Linux and macOS give to whoever asks for any."""
HELD: list[socket.socket] = []
"""The signs of the ports that this process took."""
PATIENCE = {
    "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "120",
    "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "300",
    "AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": "600",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "120",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "900",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "120",
    "AIRFLOW__TRIGGERER__RUNNER_HEALTH_CHECK_THRESHOLD": "120",
}
"""One machine does everything here, and perhaps something else besides: by Airflow's own 5 s for an answer, or 30 s for
an import, a task fails for nothing but another's work, and its retry waits for minutes."""


def environment(home: Path, port: int = 8080) -> dict[str, str]:
    """The settings with which this project runs from `home` (database, logs, store), for a process to start with."""
    include = str(PROJECT / "include")
    return (
        addresses(port)
        | PATIENCE
        | {
            "AIRFLOW_HOME": str(home / "airflow"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__ALLOWED_DESERIALIZATION_CLASSES": r"airflow\..* labelaudit\..*",
            "AIRFLOW__CORE__ALLOWED_DESERIALIZATION_CLASSES_REGEXP": r"labelaudit\..*",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__PARALLELISM": str(2 * (os.cpu_count() or 1)),
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow' / 'airflow.db'}?timeout=120",
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
            "PYTHONPATH": os.pathsep.join(filter(None, [include, os.environ.get("PYTHONPATH", "")])),
            "LABELAUDIT_STORE": os.environ.get("LABELAUDIT_STORE") or f"file://{home / 'store'}",
            "LABELAUDIT_CONTRACTS": os.environ.get("LABELAUDIT_CONTRACTS") or str(PROJECT / "include" / "contracts"),
        }
    )


def addresses(port: int) -> dict[str, str]:
    """Where the api-server listens, and where tasks ask for it."""
    api = f"http://localhost:{port}"
    return {
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{api}/execution/",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__BASE_URL": api,
    }


def enter(home: Path, **settings: str) -> None:
    """Set the environment for this process; Airflow must not have been imported yet."""
    if "airflow.configuration" in sys.modules:
        raise RuntimeError("Airflow is imported already; its settings can't change any more")
    home.mkdir(parents=True, exist_ok=True)
    os.environ.update(environment(home.resolve()) | settings)


def free_port() -> int:
    """A port of the loopback interface that nobody uses, and that no other call gives while this process lives.

    The port of the same number is held for UDP as the sign that it is taken: between our looking and the start of the
    server another process might be given the same. Ports that the system gives out by itself are left alone.
    """
    while True:
        port = random.randrange(*PORTS)  # noqa: S311 - any will do
        taken = socket.socket(type=socket.SOCK_DGRAM)
        try:
            taken.bind(("127.0.0.1", port))
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
        except OSError:
            taken.close()
            continue
        HELD.append(taken)
        return port
