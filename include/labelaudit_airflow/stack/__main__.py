"""`make stack` and `make stack-down`: the services up, healthy and left running; and ended, with all data kept.

    python -m labelaudit_airflow.stack up --home .stack [--env-file .env] [--port 8080] [--workers 1] [--contracts DIR]
    python -m labelaudit_airflow.stack down --home .stack

`up` goes on where the last one stopped. Interrupted, or where a service does not come up, it ends what it started; what
a killed one left is ended by `down`, and by the next `up`. COMPOSE_PROFILES names profiles, as it does for compose.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shlex
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from labelaudit_airflow import local
from labelaudit_airflow.stack import compose, servers
from labelaudit_airflow.stack.native import Native, Standing
from labelaudit_airflow.stack.processes import Services
from labelaudit_airflow.standalone import on_signals, require_free, step

PORTS = ("postgres", "redis", "objects", "monitor")


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="labelaudit_airflow.stack", description=__doc__)
    parser.add_argument("what", choices=("up", "down"))
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--env-file", type=Path, default=local.PROJECT / ".env")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--contracts", type=Path, default=local.PROJECT / "include" / "contracts")
    options = parser.parse_args(given)
    console = Console(highlight=False, soft_wrap=True)
    home = options.home.resolve()
    with taken(home):
        if options.what == "down":
            down(home, console)
        else:
            up(home, options, console)


def up(home: Path, options: argparse.Namespace, console: Console) -> None:
    if absent := servers.missing():
        raise SystemExit(f"these services need Debian's {', '.join(absent)}: .ci/system-packages {' '.join(absent)}")
    variables = compose.variables(options.env_file)
    services = Services(home)
    if (running := services.started()) and (home / "up").exists() and all(service.runs() for service in running):
        console.print((home / "up").read_text(), end="")
        return
    if left := services.end():
        console.print(f"ended what ran of an earlier start: {', '.join(left)}")
    require_free(options.port)
    native = Native(home, variables, {"ui": options.port} | ports(home), options.contracts.resolve())
    on_signals(signal.default_int_handler)
    try:
        start(native, options.workers, console)
    except BaseException:
        on_signals(signal.SIG_IGN)  # a second Ctrl-C leaves nothing behind
        services.end()
        raise
    said = f"\n  {native.url}\n  user admin, password: AIRFLOW_ADMIN_PASSWORD in {options.env_file}\n"
    said += f"  the store, for labelaudit's commands: . {write_outside(native)}\n"
    said += f"  logs: {services.logs}\n  make stack-down ends it; what is in {home} stays\n"
    (home / "up").write_text(said)
    console.print(said, end="")


def start(native: Native, workers: int, console: Console) -> None:
    """Every service after those that it depends on, as compose says it; then wait until all are healthy."""
    profiles = frozenset(filter(None, os.environ.get("COMPOSE_PROFILES", "").split(",")))
    waiting = {}
    for name in native.order(profiles):
        for needed, how in native.said[name].get("depends_on", {}).items():
            if how["condition"] == "service_healthy" and needed in waiting:
                until_healthy(native, waiting.pop(needed), console)
        if "healthcheck" not in native.said[name]:
            with step(console, name):
                native.made(name).run()
            continue
        for number in range(1, 1 + (workers if name == "worker" else 1)):
            service = native.made(name, number)
            service.start()
            waiting[name if number == 1 else service.name] = service
    for service in waiting.values():
        until_healthy(native, service, console)


def until_healthy(native: Native, service: Standing, console: Console) -> None:
    with step(console, service.name):
        while not service.healthy():
            native.services.require(service.name)
            time.sleep(0.3)


def down(home: Path, console: Console) -> None:
    """End everything that was started for this folder, whoever started it."""
    on_signals(signal.SIG_IGN)
    (home / "up").unlink(missing_ok=True)
    ended = Services(home).end()
    console.print(f"ended: {', '.join(ended)}" if ended else "nothing runs", f"What is in {home} stays.", sep="\n")


def ports(home: Path) -> dict[str, int]:
    """The services' own, free ones; those of the last time where nobody else has them by now."""
    path = home / "ports.json"
    last = json.loads(path.read_text()) if path.exists() else {}
    chosen = {name: last[name] if name in last and is_free(last[name]) else local.free_port() for name in PORTS}
    path.write_text(json.dumps(chosen))
    return chosen


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def write_outside(native: Native) -> Path:
    """A file to source: where the store is, with its keys; readable to us only."""
    path = native.home / "environment"
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in native.outside().items()]
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.writelines(lines)
    return path


@contextmanager
def taken(home: Path) -> Iterator[None]:
    """One command at a time; its end gives the folder free, however it ends."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit(f"another `make stack` or `make stack-down` is at work in {home}") from None
        yield


if __name__ == "__main__":
    main()
