"""Processes that tests and benchmarks start, and the waiting for what they do: for states, never for seconds.

The limits are there to end what hangs. A machine that does something else at the same time keeps them.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATIENCE_SECONDS = 900
GRACE_SECONDS = 180
BROWSER_MILLISECONDS = 1000 * PATIENCE_SECONDS // 3


def wait(ready: Callable[[], Any], what: str, process: subprocess.Popen | None = None, log: Path | None = None) -> Any:
    """Ask `ready` until it gives something true, and give that.

    RuntimeError where `process` ends meanwhile, TimeoutError after PATIENCE_SECONDS; both with the end of its log.
    """
    end = time.monotonic() + PATIENCE_SECONDS
    while not (found := ready()):
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"waiting for {what}: the process ended with {process.returncode}{_end_of(log)}")
        if time.monotonic() > end:
            raise TimeoutError(f"waited {PATIENCE_SECONDS} s for {what}{_end_of(log)}")
        time.sleep(0.2)
    return found


@contextmanager
def running(command: list[str], log: Path, **arguments: Any) -> Iterator[subprocess.Popen]:
    """A process in a group of its own, ended with all its children."""
    with log.open("w") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True, **arguments
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def finished(command: list[str], **arguments: Any) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; what it printed is text."""
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, **arguments)


def listens(port: int) -> bool:
    """Whether something answers on this port of the loopback interface."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _end_of(log: Path | None) -> str:
    return f"\n{log.read_text(errors='replace')[-3000:]}" if log and log.exists() else ""
