"""The process that parses foreign files: `python -c "… worker.main()"`, jobs on a socket at stdin, frames on stdout.

It confines itself, and takes its limits on itself, before it looks at the first file, and knows no store, no
credential, no contract. Whatever happens to it is a refusal to the parent (`isolation`).
"""

from __future__ import annotations

import gc
import json
import math
import os
import resource
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date, datetime
from functools import partial
from importlib import import_module
from importlib.abc import MetaPathFinder
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from labelaudit.errors import DeliveryRejected
from labelaudit.readers.confined.confinement import Confinement, confine, is_closed
from labelaudit.readers.confined.processes import receive
from labelaudit.readers.formats import load, preload, read_here, rows_here
from labelaudit.readers.records import Batch
from labelaudit.readers.sources import OpenFile
from labelaudit.readers.terms import Field, Terms
from labelaudit.rejects.records import Reject, rejects_table

HEAD = struct.Struct("<cQ")
"""A frame's kind and the length of what follows."""

USUAL = ("labelaudit.readers.tables.delimited", "labelaudit.readers.documents.json_lines")

FRAMES_AHEAD = 3  # of rows and of what is said of them: two batches

CONFINED, ROWS, REJECTS, BATCH, ROW, REFUSED, END = b"C", b"R", b"J", b"B", b"r", b"X", b"E"


def main() -> None:
    frames = Frames(os.fdopen(os.dup(1), "wb", buffering=1 << 20))
    os.dup2(2, 1)  # what a library prints is no frame
    begin()
    jobs, memory, usual_bytes = socket.socket(fileno=0), os.open("/proc/self/statm", os.O_RDONLY), 0
    while (job := _job(jobs)) is not None:
        terms = terms_from(job["terms"])
        if not usual_bytes:
            confinement = confined(terms)
            frames.send(CONFINED, json.dumps(asdict(confinement)).encode())
            frames.flush()
            if job["required"] and not all(confinement.held_by().values()):
                break
            usual_bytes = _data_bytes(memory)
            _limit(job["memory_bytes"], job["file_bytes"])
        limit_time(job["seconds"])
        whole = _serve(job, terms, frames)
        for file in job["files"]:
            os.close(file)
        gc.collect(0)
        spent = _data_bytes(memory) > usual_bytes + job["spent_bytes"]
        frames.end(b"" if whole and not spent else b"spent")
        if not whole:
            break
    frames.close()
    os._exit(0)  # no destructor of a half-read file may spoil what was said


def begin() -> None:
    """What a process can do before it knows its file, while the parent is busy with something else."""
    sys.meta_path.insert(0, _WithoutPandas())
    for module in USUAL:
        import_module(module)
    pc.equal(pa.array([""]), "")  # what Arrow does but once


def confined(terms: Terms) -> Confinement:
    """Be confined, with all at hand that files of these terms need."""
    load(terms)
    if is_closed():
        preload(terms)
    return confine()


def _job(jobs: socket.socket) -> dict[str, Any] | None:
    """The next job with the open `files` of it: what to parse, and what to unpack to. None: there are no more."""
    said, files = receive(jobs)
    return json.loads(said) | {"files": files} if said else None


def _serve(job: dict[str, Any], terms: Terms, frames: Frames) -> bool:
    """Parse one file; whether it was read to its end."""
    source = OpenFile(job["files"][0])
    scratch = partial(_emptied, job["files"][-1])
    try:
        if job["what"] == "rows":
            for row in rows_here(source, terms, job["limit"], scratch):
                frames.send(ROW, json.dumps(_plain(row), default=_encoded).encode("utf-8", "surrogatepass"))
        else:
            for batch in read_here(source, terms, scratch):
                frames.send_batch(batch)
    except DeliveryRejected as error:
        frames.refuse(error.code, str(error))
    except (MemoryError, pa.ArrowMemoryError):
        megabytes = job["memory_bytes"] >> 20
        frames.refuse("too_large", f"{terms.name}: reading it needs more than {megabytes} MiB of memory.")
    except Exception as error:  # a parser's own surprise: the file is refused, the cause is said
        what = f"{type(error).__name__}: {error}"[:500]
        frames.refuse("parser_crashed", f"{terms.name}: the file breaks its parser ({what}).")
    else:
        return True
    return False


@contextmanager
def _emptied(scratch: int) -> Iterator[BinaryIO]:
    with os.fdopen(os.dup(scratch), "w+b") as file:
        file.seek(0)
        file.truncate()
        yield file


class _WithoutPandas(MetaPathFinder):
    """pyarrow would import pandas at its first array: a fifth of a second, and sixty megabytes, for nothing."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name == "pandas":
            raise ImportError("the readers do without")


def terms_from(said: dict[str, Any]) -> Terms:
    """Terms from their JSON."""
    fields = tuple(Field(**field) for field in said["fields"])
    return Terms(
        **said | {"fields": fields, **{name: tuple(said[name]) for name in ("probabilities", "header", "raters")}}
    )


def _limit(memory_bytes: int, file_bytes: int) -> None:
    # RLIMIT_DATA, not RLIMIT_AS: a file that is mapped read-only takes no memory
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def limit_time(seconds: int) -> None:
    """So many seconds of the processor from now on: those of the files before do not count."""
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    until = math.ceil(time.process_time()) + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (until if most == resource.RLIM_INFINITY else min(until, most), most))


def _data_bytes(memory: int) -> int:
    """What RLIMIT_DATA counts; `memory` is an open /proc/self/statm."""
    return int(os.pread(memory, 200, 0).split()[5]) * resource.getpagesize()


class Frames:
    """Frames to the parent, written beside the work: the next rows are parsed while it takes the last ones."""

    def __init__(self, out: BinaryIO):
        self._out = out
        self._thread = ThreadPoolExecutor(1)
        self._waiting: deque[Future] = deque()

    def send(self, kind: bytes, content: bytes | pa.Buffer = b"") -> None:
        self._waiting.append(self._thread.submit(self._write, kind, content))
        if len(self._waiting) > FRAMES_AHEAD:
            self._waiting.popleft().result()

    def send_batch(self, batch: Batch) -> None:
        if batch.rows.num_rows:
            self.send(ROWS, _ipc(batch.rows))
        if batch.rejects:
            self.send(REJECTS, _ipc(rejects_table(batch.rejects)))
        records = batch.rows.num_rows + len(batch.rejects) if batch.records is None else batch.records
        said = {"records": records, "undeclared": sorted(batch.undeclared), "untaken": batch.untaken}
        self.send(BATCH, json.dumps(said).encode())

    def refuse(self, code: str, message: str) -> None:
        self.send(REFUSED, json.dumps({"code": code, "message": message[:4_000]}).encode())

    def end(self, content: bytes = b"") -> None:
        """The last frame about one file."""
        self.send(END, content)
        self.flush()

    def flush(self) -> None:
        while self._waiting:
            self._waiting.popleft().result()
        self._out.flush()

    def close(self) -> None:
        self._thread.shutdown()
        self._out.flush()

    def _write(self, kind: bytes, content: bytes | pa.Buffer) -> None:
        self._out.write(HEAD.pack(kind, len(content)))
        self._out.write(content)


def _ipc(table: pa.Table) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _plain(row: Any) -> dict[str, Any]:
    return {"kind": "reject" if isinstance(row, Reject) else "row", **vars(row)}


def _encoded(value: Any) -> Any:
    """Cells that JSON has no word for; times keep their type."""
    if isinstance(value, datetime | date):
        return {"\0time": value.isoformat()}
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return str(value)
