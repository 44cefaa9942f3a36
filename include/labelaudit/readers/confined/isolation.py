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
import math
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from labelaudit.errors import DeliveryRejected, InternalError, InvalidInput, LabelauditError
from labelaudit.readers.confined.answers import (
    Answers,
    decoded,
    died,
    nonsense,
    refused,
    reject,
    table,
    too_slow,
    understood,
)
from labelaudit.readers.confined.confinement import PROTECTIONS, Confinement
from labelaudit.readers.confined.processes import Process, prepare, take
from labelaudit.readers.confined.worker import BATCH, CONFINED, END, HEAD, REFUSED, REJECTS, ROW, ROWS
from labelaudit.readers.formats import modules
from labelaudit.readers.opening import needs_scratch
from labelaudit.readers.records import Batch, Row, schema_of
from labelaudit.readers.terms import Terms
from labelaudit.rejects.records import REJECT_SCHEMA, Reject

log = logging.getLogger(__name__)

SETTING, REQUIRED, BEST = "LABELAUDIT_ISOLATION", "required", "best"

SHARED_MEMORY = 16
"""A process whose memory grew by more than this part of the limit is not used again."""


AHEAD, JOB_BYTES = 8, 8 << 10
"""So many files are handed over before they are read, of jobs that the socket takes without anybody reading it."""

BROKEN = ("",)  # no kind of file


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


@dataclass(frozen=True)
class _Asked:
    """One file that is to be read, and how."""

    path: Path
    terms: Terms
    what: str = "read"
    limit: int | None = None

    @property
    def kind(self) -> tuple[str, ...]:
        """What a process has at hand before it is confined: for one of these only."""
        return self.terms.format, self.terms.container, self.terms.compression, self.terms.encoding


class Worker:
    """The parsing of one delivery's files, as a context: its process is gone at the end."""

    def __init__(self, limits: Limits = Limits()):
        self._limits, self._required = limits, isolation() == REQUIRED
        self._process: Process | None = None
        self._kind: tuple[str, ...] = ()
        self._asked: list[_Asked] = []
        self._sizes: list[int] = []

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

    def read(self, path: Path, terms: Terms, then: Sequence[tuple[Path, Terms]] = ()) -> Iterator[Batch]:
        """As `readers.read`. `then` is what will be read next: the process begins with it while this is taken up."""
        schema = schema_of(terms)
        rows, rejects = schema.empty_table(), []
        for kind, content in self._frames(_Asked(path, terms), [_Asked(*asked) for asked in then[:AHEAD]]):
            with understood(terms):
                if kind == ROWS:
                    rows = table(content, schema)
                elif kind == REJECTS:
                    rejects = [reject(said) for said in table(content, REJECT_SCHEMA).to_pylist()]
                elif kind == BATCH:
                    said = json.loads(bytes(content))
                    batch = Batch(rows, rejects, int(said["records"]), frozenset(map(str, said["undeclared"])))
                    batch.untaken = {str(path): int(count) for path, count in said["untaken"].items()}
            if kind == BATCH:
                yield batch
                rows, rejects = schema.empty_table(), []

    def rows(self, path: Path, terms: Terms, limit: int | None = None) -> Iterator[Row | Reject]:
        """As `readers.rows`."""
        for _, content in self._frames(_Asked(path, terms, "rows", limit)):
            with understood(terms):
                said = json.loads(bytes(content), object_hook=decoded)
                row = Reject(**said) if said.pop("kind") == "reject" else Row(**said)
            yield row

    def _frames(self, asked: _Asked, then: Sequence[_Asked] = ()) -> Iterator[tuple[bytes, memoryview]]:
        modules(asked.terms)  # what we lack is no fault of a file: said before any process sees it
        process = self._process_for(asked, then)
        usable = False
        try:
            self._ask(process, asked, then)
            usable = yield from self._answers(process, asked.terms, self._sizes[0])
        finally:  # also where nobody wants the rest
            if usable and self._kind != BROKEN:
                del self._asked[0], self._sizes[0]
            else:
                self._end()

    def _ask(self, process: Process, asked: _Asked, then: Sequence[_Asked]) -> None:
        """Hand the file over, and those after it as far as they are not yet: a process never waits for the next."""
        if not self._asked:
            self._hand_over(process, asked)
        try:
            for later in then[len(self._asked) - 1 :]:
                if later.kind != asked.kind:
                    break
                self._hand_over(process, later, JOB_BYTES)
        except (OSError, InvalidInput):  # nothing was sent: what is wrong with it is said when it is read
            pass
        except LabelauditError:  # half a job may lie in the socket: the next file gets another process
            self._kind = BROKEN

    def _hand_over(self, process: Process, asked: _Asked, most_bytes: float = math.inf) -> None:
        with _opened(asked.path) as file:
            size = os.fstat(file).st_size
            seconds = self._limits.seconds_for(size)
            job = {
                "terms": asdict(asked.terms),
                "what": asked.what,
                "limit": asked.limit,
                "required": self._required,
                "memory_bytes": self._limits.memory_bytes,
                "spent_bytes": self._limits.memory_bytes // SHARED_MEMORY,
                "seconds": seconds,
                "file_bytes": self._limits.scratch_bytes,
            }
            said = json.dumps(job).encode()
            if len(said) > most_bytes:
                raise InvalidInput("too long to wait in the socket")
            files = [file, *([process.scratch().fileno()] if needs_scratch(asked.terms) else [])]
            self._asked.append(asked)
            self._sizes.append(size)
            _send(process, said, files, asked.terms, seconds)

    def _process_for(self, asked: _Asked, then: Sequence[_Asked]) -> Process:
        """The process at hand, where it has parsed nothing but files of this kind; else a new one."""
        expected = [asked, *then][: len(self._asked)]
        if self._kind not in ((), asked.kind) or self._asked != expected:
            self._end()
        self._process, self._kind = self._process or take(), asked.kind
        return self._process

    def _end(self) -> None:
        process, self._process, self._kind = self._process, None, ()
        self._asked, self._sizes = [], []
        if process is not None:
            process.end()

    def _answers(self, process: Process, terms: Terms, size: int) -> Iterator[tuple[bytes, memoryview]]:
        """All frames about one file; returns whether the process can take another."""
        left, answers = self._limits.output_for(size), Answers(process, terms, self._limits.seconds_for(size))
        while True:
            kind, length = HEAD.unpack(answers.take(HEAD.size))
            left -= length
            if length > self._limits.frame_bytes or left < 0:
                raise refused("too_large", terms, "it holds absurdly more than its size can mean")
            content = answers.take(length)
            if kind == CONFINED and not process.is_confined:  # before it saw a file
                self._told(content, terms)
                process.is_confined = True
            elif kind == END:
                return bytes(content) == b""
            elif kind == REFUSED:
                with understood(terms):
                    said = json.loads(bytes(content))
                    error = DeliveryRejected(str(said["code"]), str(said["message"]))
                raise error
            elif kind in (ROWS, REJECTS, BATCH, ROW):
                yield kind, content
            else:
                raise nonsense(terms)

    def _told(self, content: memoryview, terms: Terms) -> None:
        with understood(terms):
            confinement = Confinement(**json.loads(bytes(content)))
            held_by = confinement.held_by()
        missing = [PROTECTIONS[name] for name, layers in held_by.items() if not layers]
        if missing and self._required:
            raise InternalError(
                f"{SETTING} is {REQUIRED}, but a parser's process can't be held here to: {'; '.join(missing)}. Run"
                " `labelaudit doctor` on this machine: it says what to do."
            )
        tell_once(confinement)


_told_of: set[str] = set()


def tell_once(confinement: Confinement) -> None:
    """Log what holds the parsers that this process starts; another time only where something else is missing."""
    held_by = confinement.held_by()
    missing = "; ".join(PROTECTIONS[name] for name, layers in held_by.items() if not layers)
    if missing in _told_of:
        return
    _told_of.add(missing)
    held = "; ".join(f"{PROTECTIONS[name]} ({layers})" for name, layers in held_by.items() if layers)
    if missing:
        log.warning("Parsers of vendors' files are not held to: %s. `labelaudit doctor` says what to do.", missing)
    log.info("Parsers of vendors' files: %s.", held or "nothing holds them")


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
        raise too_slow(terms) from error
    except OSError as error:  # it has ended
        raise died(process, terms) from error
