"""Foreign bytes are parsed in a process of their own, confined, with limits on memory, time and output.

A crash, an endless loop or a bomb ends that process, and is a DeliveryRejected here: too_large, too_slow,
parser_crashed. What the process gives up is told in `confinement`, once in a run to the log; with
LABELAUDIT_ISOLATION=required nothing is parsed where a protection is missing.

A process parses the files of one delivery, one after another, and never those of two: a file that takes its parser over
can falsify what is read of the files after it, which are the same vendor's, in the same delivery, and no others. After
a crash, a refusal or a limit there is a new process, and after a file that left more than a sixteenth of the limit
behind in memory: what one file may take does not depend on the files before it by more than that.
"""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from labelaudit.errors import DeliveryRejected, InternalError, InvalidInput, LabelauditError
from labelaudit.readers.confinement import PROTECTIONS, Confinement
from labelaudit.readers.opening import needs_scratch
from labelaudit.readers.processes import Process, prepare, take
from labelaudit.readers.records import REJECT_SCHEMA, Batch, Reject, Row, Terms, schema_of
from labelaudit.readers.worker import BATCH, CONFINED, END, HEAD, REFUSED, REJECTS, ROW, ROWS

log = logging.getLogger(__name__)

SETTING, REQUIRED, BEST = "LABELAUDIT_ISOLATION", "required", "best"

SHARED_MEMORY = 16
"""A process whose memory grew by more than this part of the limit is not used again."""


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


def isolation() -> str:
    """What this deployment asks for: `required`, or `best`. Raises InvalidInput where it asks for something else."""
    asked = os.environ.get(SETTING) or BEST
    if asked not in (REQUIRED, BEST):
        raise InvalidInput(f"{SETTING} is {asked[:40]!r}; set it to {REQUIRED} or to {BEST}, or leave it out")
    return asked


class Worker:
    """The parsing of one delivery's files, as a context: its process is gone at the end."""

    def __init__(self, limits: Limits = Limits()):
        self._limits, self._required = limits, isolation() == REQUIRED
        self._process: Process | None = None
        self._kind: tuple[str, ...] = ()

    def __enter__(self) -> Worker:
        self._process = take()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._end()
        prepare()

    @property
    def pid(self) -> int | None:
        """The process that the next file goes to, where there is one already."""
        return self._process and self._process.pid

    def read(self, path: Path, terms: Terms) -> Iterator[Batch]:
        """As `readers.read`."""
        schema = schema_of(terms)
        rows, rejects = schema.empty_table(), []
        for kind, content in self._frames(path, terms, "read"):
            with _understood(terms):
                if kind == ROWS:
                    rows = _table(content, schema)
                elif kind == REJECTS:
                    rejects = [_reject(said) for said in _table(content, REJECT_SCHEMA).to_pylist()]
                elif kind == BATCH:
                    said = json.loads(bytes(content))
                    batch = Batch(rows, rejects, int(said["records"]), frozenset(map(str, said["undeclared"])))
                    batch.untaken = {str(path): int(count) for path, count in said["untaken"].items()}
            if kind == BATCH:
                yield batch
                rows, rejects = schema.empty_table(), []

    def rows(self, path: Path, terms: Terms, limit: int | None = None) -> Iterator[Row | Reject]:
        """As `readers.rows`."""
        for _, content in self._frames(path, terms, "rows", limit):
            with _understood(terms):
                said = json.loads(bytes(content), object_hook=_decoded)
                row = Reject(**said) if said.pop("kind") == "reject" else Row(**said)
            yield row

    def _frames(
        self, path: Path, terms: Terms, what: str, limit: int | None = None
    ) -> Iterator[tuple[bytes, memoryview]]:
        with _opened(path) as file:
            size = os.fstat(file).st_size
            seconds = self._limits.seconds_for(size)
            process = self._process_for(terms)
            job = {
                "terms": asdict(terms),
                "what": what,
                "limit": limit,
                "required": self._required,
                "memory_bytes": self._limits.memory_bytes,
                "spent_bytes": self._limits.memory_bytes // SHARED_MEMORY,
                "seconds": seconds,
                "file_bytes": self._limits.scratch_bytes,
            }
            files = [file, *([process.scratch().fileno()] if needs_scratch(terms) else [])]
            usable = False
            try:
                _send(process, json.dumps(job).encode() + b"\n", files, terms, seconds)
                usable = yield from self._answers(_Answers(process, terms, seconds), terms, size)
            finally:  # also where nobody wants the rest
                if not usable:
                    self._end()

    def _process_for(self, terms: Terms) -> Process:
        """The process at hand, where it has parsed nothing but files of this kind; else a new one."""
        kind = (terms.format, terms.container, terms.compression, terms.encoding)
        if self._kind not in ((), kind):
            self._end()
        self._process, self._kind = self._process or take(), kind
        return self._process

    def _end(self) -> None:
        process, self._process, self._kind = self._process, None, ()
        if process is not None:
            process.end()

    def _answers(self, answers: _Answers, terms: Terms, size: int) -> Iterator[tuple[bytes, memoryview]]:
        """All frames about one file; returns whether the process can take another."""
        left = self._limits.output_for(size)
        while True:
            kind, length = HEAD.unpack(answers.take(HEAD.size))
            left -= length
            if length > self._limits.frame_bytes or left < 0:
                raise _refused("too_large", terms, "it holds absurdly more than its size can mean")
            content = answers.take(length)
            if kind == CONFINED and not answers.process.is_confined:  # before it saw a file
                self._told(content, terms)
                answers.process.is_confined = True
            elif kind == END:
                return bytes(content) == b""
            elif kind == REFUSED:
                with _understood(terms):
                    said = json.loads(bytes(content))
                    error = DeliveryRejected(str(said["code"]), str(said["message"]))
                raise error
            elif kind in (ROWS, REJECTS, BATCH, ROW):
                yield kind, content
            else:
                raise _nonsense(terms)

    def _told(self, content: memoryview, terms: Terms) -> None:
        with _understood(terms):
            confinement = Confinement(**json.loads(bytes(content)))
            held_by = confinement.held_by()
        missing = [PROTECTIONS[name] for name, layers in held_by.items() if not layers]
        if missing and self._required:
            raise InternalError(
                f"{SETTING} is {REQUIRED}, but a parser's process can't be held here to: {'; '.join(missing)}. Run"
                " `labelaudit doctor` on this machine: it says what to do."
            )
        tell_once(confinement)


class _Answers:
    """What a process says about one file: it may let us wait for so many seconds in all."""

    def __init__(self, process: Process, terms: Terms, seconds: float):
        self.process, self._terms, self._seconds = process, terms, float(seconds)

    def take(self, length: int) -> memoryview:
        """The next `length` bytes."""
        found, done = bytearray(length), 0
        out = self.process.answers
        while done < length:
            since = time.monotonic()
            if not select.select([out], [], [], max(0.0, self._seconds))[0]:
                raise _too_slow(self._terms)
            self._seconds -= time.monotonic() - since
            more = out.readinto(memoryview(found)[done:])
            if not more:
                raise _died(self.process, self._terms)
            done += more
        return memoryview(found)


_told_of: list[Confinement] = []


def tell_once(confinement: Confinement) -> None:
    """Log what holds the parsers of this process; another time only where it is less."""
    held_by = confinement.held_by()
    if any(one.held_by().keys() == held_by.keys() and _missing(one) == _missing(confinement) for one in _told_of):
        return
    _told_of.append(confinement)
    held = "; ".join(f"{PROTECTIONS[name]} ({layers})" for name, layers in held_by.items() if layers)
    if missing := _missing(confinement):
        lacks = "; ".join(PROTECTIONS[name] for name in missing)
        log.warning("Parsers of vendors' files are not held to: %s. `labelaudit doctor` says what to do.", lacks)
    log.info("Parsers of vendors' files: %s.", held or "nothing holds them")


def _missing(confinement: Confinement) -> list[str]:
    return [name for name, layers in confinement.held_by().items() if not layers]


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """A descriptor for reading. Raises InvalidInput where it is no file: a pipe would let us wait for ever."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise InvalidInput(f"{path} is no file but a folder, a pipe or a device. Name a file")
        yield file
    finally:
        os.close(file)


def _send(process: Process, job: bytes, files: list[int], terms: Terms, seconds: float) -> None:
    try:
        process.send(job, files, seconds)
    except TimeoutError as error:
        raise _too_slow(terms) from error
    except OSError as error:  # it has ended
        raise _died(process, terms) from error


def _died(process: Process, terms: Terms) -> LabelauditError:
    code = process.code()
    if code >= 0 and not process.is_confined:  # it has not seen the file yet
        return InternalError(f"the parsing process could not be started (exit {code})")
    if code == -signal.SIGXCPU:
        return _too_slow(terms)
    what = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit {code}"
    return _refused("parser_crashed", terms, f"the file breaks its parser ({what})")


def _too_slow(terms: Terms) -> DeliveryRejected:
    return _refused("too_slow", terms, "reading it takes too long")


def _nonsense(terms: Terms, what: str = "") -> DeliveryRejected:
    return _refused("parser_crashed", terms, f"its parser answers nonsense{what}")


def _refused(code: str, terms: Terms, what: str) -> DeliveryRejected:
    return DeliveryRejected(code, f"{terms.name}: {what}; no single place can be named.")


@contextmanager
def _understood(terms: Terms) -> Iterator[None]:
    """What the process says may be the file's words: where it can't be understood, the file is refused."""
    try:
        yield
    except (pa.ArrowException, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _nonsense(terms, f" ({type(error).__name__}: {str(error)[:200]})") from error


def _table(content: memoryview, schema: pa.Schema) -> pa.Table:
    """A table of the worker's, which may have been led astray by the file: looked at before it is used."""
    with pa.ipc.open_stream(pa.py_buffer(content)) as reader:
        found = reader.read_all()
    found.validate(full=True)
    if found.schema != schema:
        raise TypeError(f"{found.schema}, not {schema}")
    return found


def _reject(said: dict[str, Any]) -> Reject:
    del said["advice"]
    return Reject(**said | {"place": said["place"] or ""})


def _decoded(said: dict[str, Any]) -> Any:
    return datetime.fromisoformat(said["\0time"]) if "\0time" in said else said
