"""Foreign bytes are parsed in a process of their own, with limits on memory, time and output.

A crash, an endless loop or a bomb ends that process, and is a DeliveryRejected here: too_large, too_slow,
parser_crashed. The process gets no environment but PATH, and no open file but its pipes.
"""

from __future__ import annotations

import atexit
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

import labelaudit
from labelaudit.errors import DeliveryRejected, InternalError
from labelaudit.readers.records import REJECT_SCHEMA, Batch, Reject, Row, Terms, schema_of
from labelaudit.readers.worker import BATCH, END, HEAD, REFUSED, REJECTS, ROW, ROWS

# Arrow's own allocator reserves a gigabyte at once, which is all that the limit allows
ENVIRONMENT = {"LC_ALL": "C.UTF-8", "ARROW_DEFAULT_MEMORY_POOL": "system"}
PIPE_BYTES = 1 << 20  # what Linux allows everybody
START = "import sys; sys.path[:0] = {path!r}; from labelaudit.readers import worker; worker.main()"


@dataclass(frozen=True)
class Limits:
    """What reading one file may take. Time grows with the file, and so does what it may say."""

    memory_bytes: int = 1 << 30
    seconds: int = 120
    seconds_per_mebibyte: float = 5.0
    scratch_bytes: int = 64 << 30
    output_bytes: int = 1 << 30
    output_ratio: int = 1_000
    frame_bytes: int = 512 << 20

    def seconds_for(self, file_bytes: int) -> int:
        return int(self.seconds + self.seconds_per_mebibyte * file_bytes / (1 << 20))

    def output_for(self, file_bytes: int) -> int:
        return max(self.output_bytes, self.output_ratio * file_bytes)


_spare: tuple[int, subprocess.Popen] | None = None


def prepare() -> None:
    """Start a process for the next file now, so that nobody waits for it later; it ends with this process."""
    global _spare
    # after a fork, the spare is the parent's; and one that somebody ended is none
    if _spare is None or _spare[0] != os.getpid() or _spare[1].poll() is not None:
        _spare = os.getpid(), _started()


def _started() -> subprocess.Popen:
    path = [str(Path(labelaudit.__file__).parents[1]), *filter(None, sys.path)]
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and code
        [sys.executable, "-I", "-c", START.format(path=path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=ENVIRONMENT | {"PATH": os.environ.get("PATH", "")},
        cwd="/",
        bufsize=0,
        start_new_session=True,
    )
    fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return process


@atexit.register
def _dismiss() -> None:
    if _spare is not None and _spare[0] == os.getpid():
        _ended(_spare[1])


def _ended(process: subprocess.Popen) -> None:
    process.kill()
    process.stdin.close()
    process.stdout.close()
    process.wait()


class Worker:
    """A parsing process for one file, as a context: it is gone at the end."""

    def __init__(self, limits: Limits = Limits()):
        self._limits = limits

    def __enter__(self) -> Worker:
        global _spare
        prepare()
        self._process = _spare[1]
        _spare = None
        return self

    def __exit__(self, *exception: Any) -> None:
        _ended(self._process)
        prepare()

    def read(self, path: Path, terms: Terms) -> Iterator[Batch]:
        """As `readers.read`."""
        schema = schema_of(terms)
        rows, rejects = schema.empty_table(), []
        for kind, content in self._frames(path, terms, "read"):
            if kind == ROWS:
                rows = _table(content, schema)
            elif kind == REJECTS:
                rejects = [_reject(said) for said in _table(content, REJECT_SCHEMA).to_pylist()]
            elif kind == BATCH:
                said = json.loads(bytes(content))
                untaken = {str(path): int(count) for path, count in said["untaken"].items()}
                yield Batch(rows, rejects, int(said["records"]), frozenset(said["undeclared"]), untaken)
                rows, rejects = schema.empty_table(), []

    def rows(self, path: Path, terms: Terms, limit: int | None = None) -> Iterator[Row | Reject]:
        """As `readers.rows`."""
        for _, content in self._frames(path, terms, "rows", limit):
            said = json.loads(bytes(content), object_hook=_decoded)
            yield Reject(**said) if said.pop("kind") == "reject" else Row(**said)

    def _frames(
        self, path: Path, terms: Terms, what: str, limit: int | None = None
    ) -> Iterator[tuple[bytes, memoryview]]:
        size = path.stat().st_size
        seconds = self._limits.seconds_for(size)
        job = {
            "path": str(path.resolve()),
            "terms": asdict(terms),
            "what": what,
            "limit": limit,
            "memory_bytes": self._limits.memory_bytes,
            "seconds": seconds,
            "file_bytes": self._limits.scratch_bytes,
        }
        try:
            self._process.stdin.write(json.dumps(job).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            if self._process.wait() < 0:
                raise self._died(terms) from error
            raise InternalError(f"the parsing process could not be started (exit {self._process.wait()})") from error
        left = self._limits.output_for(size)
        while True:
            kind, length = HEAD.unpack(self._take(HEAD.size, terms, seconds))
            left -= length
            if length > self._limits.frame_bytes or left < 0:
                raise _refused("too_large", terms, "it holds absurdly more than its size can mean")
            content = self._take(length, terms, seconds)
            if kind == END:
                return
            if kind == REFUSED:
                said = json.loads(bytes(content))
                raise DeliveryRejected(said["code"], said["message"])
            if kind not in (ROWS, REJECTS, BATCH, ROW):
                raise _refused("parser_crashed", terms, "its parser answers nonsense")
            yield kind, content

    def _take(self, length: int, terms: Terms, seconds: int) -> memoryview:
        """The next `length` bytes of the process's answer."""
        found, done, until = bytearray(length), 0, time.monotonic() + seconds
        out = self._process.stdout
        while done < length:
            if not select.select([out], [], [], max(0.0, until - time.monotonic()))[0]:
                raise _refused("too_slow", terms, "reading it takes too long")
            more = out.readinto(memoryview(found)[done:])
            if not more:
                raise self._died(terms)
            done += more
        return memoryview(found)

    def _died(self, terms: Terms) -> DeliveryRejected:
        code = self._process.wait()
        if code == -signal.SIGXCPU:
            return _refused("too_slow", terms, "reading it takes too long")
        what = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit {code}"
        return _refused("parser_crashed", terms, f"the file breaks its parser ({what})")


def _refused(code: str, terms: Terms, what: str) -> DeliveryRejected:
    return DeliveryRejected(code, f"{terms.name}: {what}; no single place can be named.")


def _table(content: memoryview, schema: pa.Schema) -> pa.Table:
    """A table of the worker's, which may have been led astray by the file: looked at before it is used."""
    with pa.ipc.open_stream(pa.py_buffer(content)) as reader:
        found = reader.read_all()
    found.validate(full=True)
    if found.schema != schema:
        raise InternalError(f"the reader gives {found.schema}, not {schema}")
    return found


def _reject(said: dict[str, Any]) -> Reject:
    del said["advice"]
    return Reject(**said | {"place": said["place"] or ""})


def _decoded(said: dict[str, Any]) -> Any:
    return datetime.fromisoformat(said["\0time"]) if "\0time" in said else said
