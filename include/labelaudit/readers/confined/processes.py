"""Starting and ending the processes that parse: what they inherit, how a file is handed to them, and the spare one.

A process gets no environment but PATH, no open file but its pipe and its socket, and then the files that it is to
parse, one after another, as open descriptors.
"""

from __future__ import annotations

import array  # noqa: F401 - socket.recv_fds imports it when it is called, which is too late
import atexit
import fcntl
import os
import socket
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import BinaryIO

import labelaudit

# Arrow's own allocator reserves a gigabyte at once, which is all that the limit allows; Landlock holds one thread only
ENVIRONMENT = {
    "LC_ALL": "C.UTF-8",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}
JOB = struct.Struct("<I")
"""The length of a job, before it."""

PIPE_BYTES = 1 << 20  # what Linux allows everybody
START = "import sys; sys.path[:0] = {path!r}; from labelaudit.readers.confined import {module}; {module}.main()"


def receive(jobs: socket.socket) -> tuple[bytes, list[int]]:
    """The next job that was sent, and its files; empty where there are no more."""
    # the kernel never joins what came with files to what came after
    said, files, _, _ = socket.recv_fds(jobs, 1 << 16, 2)
    while len(said) < JOB.size or len(said) < JOB.size + JOB.unpack_from(said)[0]:
        wanted = JOB.size - len(said) if len(said) < JOB.size else JOB.size + JOB.unpack_from(said)[0] - len(said)
        more = jobs.recvmsg(min(wanted, 1 << 20))[0]  # the one call that is left to a confined process
        if not more:
            return b"", files
        said += more
    return said[JOB.size :], files


class Process:
    """One process of ours that runs `main` of a module of `readers`. `started` counts those of this process."""

    started = 0

    def __init__(self, module: str = "worker"):
        path = [str(Path(labelaudit.__file__).parents[1]), *filter(None, sys.path)]
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and code
                [sys.executable, "-I", "-c", START.format(path=path, module=module)],
                stdin=theirs,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=ENVIRONMENT | {"PATH": os.environ.get("PATH", "")},
                cwd="/",
                bufsize=0,
                start_new_session=True,
            )
        Process.started += 1
        self._jobs, self._scratch = ours, None
        self.is_confined = False
        self.pid, self.answers = self._process.pid, self._process.stdout
        fcntl.fcntl(self.answers, fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    def send(self, job: bytes, files: list[int], seconds: float) -> None:
        """A job, and open files with it. Raises TimeoutError, or another OSError where the process has ended."""
        self._jobs.settimeout(seconds)
        said = JOB.pack(len(job)) + job
        sent = socket.send_fds(self._jobs, [said], files)
        self._jobs.sendall(said[sent:])

    def scratch(self) -> BinaryIO:
        """A file without a name that the process may write to."""
        if self._scratch is None:
            self._scratch = tempfile.TemporaryFile()  # noqa: SIM115 - until the process ends
        return self._scratch

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def code(self) -> int:
        """Its exit code, or minus the signal that ended it; waits for its end."""
        return self._process.wait()

    def end(self) -> None:
        self._process.kill()
        self._jobs.close()
        self.answers.close()
        if self._scratch is not None:
            self._scratch.close()
        self._process.wait()


_spare: tuple[int, Process] | None = None


def prepare() -> None:
    """Start a process for the next delivery now, so that nobody waits for it later; it ends with this process."""
    global _spare
    # after a fork, the spare is the parent's; and one that somebody ended is none
    if _spare is None or _spare[0] != os.getpid() or _spare[1].has_ended():
        _spare = os.getpid(), Process()


def take() -> Process:
    """A process that has seen nothing yet."""
    global _spare
    prepare()
    process, _spare = _spare[1], None
    return process


@atexit.register
def _dismiss() -> None:
    if _spare is not None and _spare[0] == os.getpid():
        _spare[1].end()
