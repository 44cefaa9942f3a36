"""Airflow's components as processes of their own on this machine: started in order, watched, and ended with all that
they started. One folder has one Airflow at a time.

Imports nothing of Airflow.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

AFTER_API_SERVER = ("scheduler", "dag-processor", "triggerer")
"""Start when the api-server listens: a task that finds it closed fails, and its retry waits for minutes."""
GRACE_SECONDS = 60
SHOWN_LINES = 15


class Components:
    """What runs for one folder; `log` gets all that it prints."""

    def __init__(self, environment: dict[str, str], log: Path, lock: IO[str]):
        self.environment, self.log, self.lock = environment, log, lock
        self.processes: dict[str, subprocess.Popen] = {}

    def start(self, *names: str) -> None:
        """Start components, each in a group of its own: Ctrl-C is for us, who end them in order."""
        airflow = str(Path(sys.executable).with_name("airflow"))
        with self.log.open("ab") as output:
            for name in names:
                self.processes[name] = subprocess.Popen(  # noqa: S603 - our own environment's program
                    [airflow, name],
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=[self.lock.fileno()],  # the folder stays taken while any of them lives
                )
        note(self.lock, processes=[os.getpid(), *(process.pid for process in self.processes.values())])

    def until(self, ready: Callable[[], bool]) -> None:
        """Wait for `ready`, without limit. SystemExit with the log's end where a component ends meanwhile."""
        while not ready():
            for name, process in self.processes.items():
                if process.poll() is not None:
                    raise SystemExit(f"{name} ended with code {process.returncode}. {last_lines(self.log)}")
            time.sleep(0.3)

    def end(self) -> None:
        """End all of them; the api-server last, to which the others still report."""
        others = [process for name, process in self.processes.items() if name != "api-server"]
        for group in (others, list(self.processes.values())):
            for process in group:
                _send(process, signal.SIGTERM)
            end = time.monotonic() + GRACE_SECONDS
            for process in group:
                try:
                    process.wait(max(0.0, end - time.monotonic()))
                except subprocess.TimeoutExpired:
                    _send(process, signal.SIGKILL)
                    process.wait()


def take(home: Path) -> IO[str]:
    """Take the folder for this process. SystemExit with the processes that have it."""
    home.mkdir(parents=True, exist_ok=True)
    lock = (home / "up.lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        said = json.loads(lock.read() or "{}")
        there = " ".join(str(pid) for pid in said.get("processes", ()) if _lives(pid))
        raise SystemExit(
            f"Airflow runs from {home} already: {said.get('url', 'it starts')}\n"
            f"End it with Ctrl-C where it was started{f', or: kill {there}' if there else ''}"
        ) from None
    return lock


def note(lock: IO[str], **facts: object) -> None:
    """Add to what the next one is told who finds the folder taken."""
    lock.seek(0)
    said = json.loads(lock.read() or "{}") | facts
    lock.truncate(0)
    lock.write(json.dumps(said))
    lock.flush()


def last_lines(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()[-SHOWN_LINES:]
    return f"The end of its log, {log}:\n" + "\n".join(lines)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _send(process: subprocess.Popen, signum: int) -> None:
    """To the process and what it started; some of it may live on where the process itself has ended."""
    try:
        os.killpg(process.pid, signum)
    except ProcessLookupError:
        return
