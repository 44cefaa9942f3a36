"""`make up`: Airflow with its UI on this machine, the demo customers scheduled and triggerable.

    python -m labelaudit_airflow.standalone HOME [PORT] [DEMO_DAYS]

Quiet: what Airflow says goes to HOME/airflow.log. Address and password are the last lines, once everything is ready.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from rich.console import Console

from labelaudit import demo
from labelaudit.contracts.reading import read_contracts
from labelaudit.storage.opening import open_store
from labelaudit_airflow import components, local

PORT = 8080
DEMO_DAYS = 3
USER = "admin"
PASSWORDS = "simple_auth_manager_passwords.json.generated"
LOG = "airflow.log"
HEALTHY = ("metadatabase", "scheduler", "dag_processor", "triggerer")


def main(home: Path, port: int = PORT, demo_days: int = DEMO_DAYS) -> None:
    """Start everything, say where it is, and stay until Ctrl-C, SIGTERM, or the end of a component."""
    console = Console(highlight=False, soft_wrap=True)
    lock = components.take(home)
    require_free(port)
    settings, password = prepare(home, port)
    url = f"http://localhost:{port}"
    components.note(lock, url=url, processes=[os.getpid()])
    log = home / LOG
    console.print(f"Airflow starts from {home}. What it says goes to {log}")
    made = components.Components(os.environ | settings, log, lock)
    on_signals(signal.default_int_handler)
    try:
        start(made, url, password, demo_days, console)
        console.print("\nThe audits of what waits have begun.")
        console.print("Ctrl-C ends Airflow; `make up` goes on where it was.\n")
        console.print(f"  [bold]{url}[/bold]\n  user [bold]{USER}[/bold], password [bold]{password}[/bold]")
        made.until(lambda: False)
    except KeyboardInterrupt:
        console.print("\nAirflow ends …")
    finally:
        on_signals(signal.SIG_IGN)  # a second Ctrl-C leaves no component behind
        made.end()
    console.print("Airflow has ended.")


def on_signals(handler: Any) -> None:
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, handler)


def start(made: components.Components, url: str, password: str, demo_days: int, console: Console) -> None:
    """Every component in its turn, each step with its line."""
    folder = Path(made.environment["LABELAUDIT_CONTRACTS"])
    good, broken = read_contracts(folder)
    if demo_days:
        with step(console, f"demo deliveries, days 1 to {demo_days}"):
            for day in range(1, demo_days + 1):
                demo.deliver_day(open_store(made.environment["LABELAUDIT_STORE"]), day)
    with step(console, "database"):
        migrate(made)
    with step(console, "api-server"):
        made.start("api-server")
        made.until(lambda: bool(health(url)))
    with step(console, ", ".join(components.AFTER_API_SERVER)):
        made.start(*components.AFTER_API_SERVER)
        made.until(lambda: all(health(url).get(component, {}).get("status") == "healthy" for component in HEALTHY))
    with step(console, f"DAGs of {len(good)} contracts" + (f"; {len(broken)} are broken" if broken else "")):
        made.until(lambda: has_dags(url, password, audits=bool(good)))


def prepare(home: Path, port: int) -> tuple[dict[str, str], str]:
    """The environment to start Airflow with, and the password of `admin`, made once and kept readable to us only."""
    home = home.resolve()
    settings = local.environment(home, port) | {"AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin"}
    for name in ("AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT", "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT"):
        settings[name] = os.environ.get(name) or str(local.free_port())  # another Airflow may have the usual ones
    folder = home / "airflow"
    folder.mkdir(parents=True, exist_ok=True)
    passwords = folder / PASSWORDS
    if not passwords.exists():
        with os.fdopen(os.open(passwords, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            json.dump({USER: secrets.token_urlsafe(12)}, file)
    return settings, json.loads(passwords.read_text())[USER]


def require_free(port: int) -> None:
    """SystemExit where something else listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise SystemExit(f"Port {port}: {error.strerror}. Take another one: make up PORT={port + 1}") from None


def migrate(made: components.Components) -> None:
    airflow = str(Path(sys.executable).with_name("airflow"))
    with made.log.open("ab") as output:
        command = [airflow, "db", "migrate"]
        done = subprocess.run(command, env=made.environment, stdout=output, stderr=output)  # noqa: S603 - our own
    if done.returncode:
        raise SystemExit(f"Airflow's database can't be made. {components.last_lines(made.log)}")


def health(url: str) -> dict[str, Any]:
    """What Airflow says of its components; nothing while it does not answer."""
    return ask(f"{url}/api/v2/monitor/health")


def has_dags(url: str, password: str, audits: bool) -> bool:
    """Whether the DAGs are there; those of the contracts come all at once."""
    token = ask(f"{url}/auth/token", body={"username": USER, "password": password}).get("access_token", "")
    dags = [dag["dag_id"] for dag in ask(f"{url}/api/v2/dags?limit=1000", token=token).get("dags", ())]
    return "labelaudit__upkeep" in dags and (not audits or any(dag.startswith("audit__") for dag in dags))


def ask(address: str, token: str = "", body: dict[str, str] | None = None) -> dict[str, Any]:
    """The JSON that an address answers; nothing where it does not."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = Request(address, headers=headers, data=json.dumps(body).encode() if body else None)  # noqa: S310 - ours
    try:
        with urlopen(request, timeout=60) as response:  # noqa: S310
            return json.loads(response.read())
    except (URLError, OSError, ValueError):
        return {}


@contextmanager
def step(console: Console, what: str) -> Iterator[None]:
    """A line for what is under way; with its seconds once it is done."""
    started = time.monotonic()
    with console.status(f"{what} …"):
        yield
    console.print(f"  {what:42} {time.monotonic() - started:3.0f} s")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
