"""A parsing process that is confined as all are, and then tries what it must not be able to do: `labelaudit doctor`.

It parses nothing: no file ever comes here. One job on the socket at stdin, one line of JSON on stdout.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from labelaudit.readers.confined.processes import Process, receive
from labelaudit.readers.confined.seccomp import LIBC
from labelaudit.readers.confined.worker import begin, confined
from labelaudit.readers.terms import Terms

PTRACE_SEIZE = 0x4206  # does not stop whom it traces
SECONDS = 60


def try_all(port: int, secret: Path, folder: Path) -> dict[str, Any]:
    """Start such a process and let it try. `port` listens on loopback; `secret` is a file of ours; `folder` is too.

    Gives `confinement`, and `possible` as `tried`.
    Raises OSError where the process ends without an answer.
    """
    process = Process("trial")
    try:
        job = {"port": port, "secret": str(secret), "folder": str(folder), "parent": os.getpid()}
        process.send(json.dumps(job).encode(), [], SECONDS)
        said = b"".join(iter(lambda: process.answers.read(1 << 16), b""))
        if not said:
            raise OSError(f"the parsing process ended (exit {process.code()}) before it tried anything")
        return json.loads(said)
    finally:
        process.end()


def main() -> None:
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    begin()
    job = json.loads(receive(socket.socket(fileno=0))[0])
    confinement = confined(Terms("trial.csv", "csv"))
    said = tried(job["port"], Path(job["secret"]), Path(job["folder"]), job["parent"])
    answer.write(json.dumps({"confinement": asdict(confinement), "possible": said}).encode())
    answer.flush()
    os._exit(0)


def tried(port: int, secret: Path, folder: Path, parent: int) -> dict[str, list[str]]:
    """By protection, what of the forbidden things this process is able to do."""
    possible: dict[str, list[str]] = {}
    for protection, what, attempt in _attempts(port, secret, folder, parent):
        try:
            attempt()
        except OSError:
            continue
        possible.setdefault(protection, []).append(what)
    return possible


def _attempts(port: int, secret: Path, folder: Path, parent: int) -> list[tuple[str, str, Callable[[], Any]]]:
    there = ("127.0.0.1", port)
    return [
        ("network", "connect to a server", lambda: socket.socket().connect(there)),
        ("network", "send a datagram", lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"", there)),
        ("network", "open a local socket", lambda: socket.socket(socket.AF_UNIX)),
        ("reading", "read the environment of the process that started it", Path(f"/proc/{parent}/environ").read_bytes),
        ("reading", "read a file of the store", secret.read_bytes),
        ("reading", "read /etc/passwd", Path("/etc/passwd").read_bytes),
        ("writing", "append to a file of the store", lambda: secret.open("ab").close()),
        ("writing", "change a file's mode", lambda: secret.chmod(0o666)),
        ("writing", "make a file in the store", lambda: (folder / "made").write_bytes(b"")),
        ("writing", "make a file in /tmp", lambda: tempfile.TemporaryFile(dir="/tmp")),
        ("writing", "delete a file of the store", secret.unlink),
        ("others", "signal the process that started it", lambda: os.kill(parent, 0)),
        ("others", "trace the process that started it", lambda: _traced(parent)),
        ("programs", "start a process", lambda: os.fork() or os._exit(0)),
        ("programs", "start a program", lambda: os.posix_spawn(sys.executable, [sys.executable, "-V"], {})),
    ]


def _traced(process: int) -> None:
    if LIBC.ptrace(PTRACE_SEIZE, process, None, None):
        raise OSError(ctypes.get_errno(), "ptrace")
