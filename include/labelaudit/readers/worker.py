"""The process that parses foreign files: `python -c "… worker.main()"`, one job on stdin, frames on stdout.

It takes its limits on itself before it looks at the file, and knows no store, no credential, no contract. Whatever
happens to it is a refusal to the parent (`isolation`).
"""

from __future__ import annotations

import json
import os
import resource
import struct
import sys
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date, datetime
from importlib import import_module
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from labelaudit.errors import DeliveryRejected
from labelaudit.readers.formats import read_here, rows_here
from labelaudit.readers.records import Batch, Field, Reject, Terms, rejects_table

HEAD = struct.Struct("<cQ")
"""A frame's kind and the length of what follows."""

USUAL = ("labelaudit.readers.delimited", "labelaudit.readers.json_lines")

FRAMES_AHEAD = 3  # of rows and of what is said of them: two batches

ROWS, REJECTS, BATCH, ROW, REFUSED, END = b"R", b"J", b"B", b"r", b"X", b"E"


def main() -> None:
    frames = Frames(os.fdopen(os.dup(1), "wb", buffering=1 << 20))
    os.dup2(2, 1)  # what a library prints is no frame
    sys.meta_path.insert(0, _WithoutPandas())
    for module in USUAL:  # while the parent is busy with something else
        import_module(module)
    pc.equal(pa.array([""]), "")  # what Arrow does but once
    line = sys.stdin.buffer.readline()
    if not line:  # the parent had no file for it
        return
    job = json.loads(line)
    _limit(job["memory_bytes"], job["seconds"], job["file_bytes"])
    terms = terms_from(job["terms"])
    try:
        if job["what"] == "rows":
            for row in rows_here(Path(job["path"]), terms, job["limit"]):
                frames.send(ROW, json.dumps(_plain(row), default=_encoded).encode("utf-8", "surrogatepass"))
        else:
            for batch in read_here(Path(job["path"]), terms):
                frames.send_batch(batch)
    except DeliveryRejected as error:
        frames.refuse(error.code, str(error))
    except (MemoryError, pa.ArrowMemoryError):
        megabytes = job["memory_bytes"] >> 20
        frames.refuse("too_large", f"{terms.name}: reading it needs more than {megabytes} MiB of memory.")
    except Exception as error:  # a parser's own surprise: the file is refused, the cause is said
        what = f"{type(error).__name__}: {error}"[:500]
        frames.refuse("parser_crashed", f"{terms.name}: the file breaks its parser ({what}).")
    frames.end()
    os._exit(0)  # no destructor of a half-read file may spoil what was said


class _WithoutPandas(MetaPathFinder):
    """pyarrow would import pandas at its first array: a fifth of a second, and sixty megabytes, for nothing."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name == "pandas":
            raise ImportError("the readers do without")


def terms_from(said: dict[str, Any]) -> Terms:
    """Terms from their JSON."""
    fields = tuple(Field(**one) for one in said["fields"])
    return Terms(
        **said | {"fields": fields, **{name: tuple(said[name]) for name in ("probabilities", "header", "raters")}}
    )


def _limit(memory_bytes: int, seconds: int, file_bytes: int) -> None:
    # RLIMIT_DATA, not RLIMIT_AS: a file that is mapped read-only takes no memory
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


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

    def end(self) -> None:
        self.send(END)
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
