"""What a parsing process says, which may be the file's own words: waited for, looked at, and refused where it is none.

Nothing here raises anything but a refusal of the file, or InternalError where the process never saw it.
"""

from __future__ import annotations

import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pyarrow as pa

from labelaudit.errors import DeliveryRejected, InternalError, LabelauditError
from labelaudit.readers.confined.processes import Process
from labelaudit.readers.terms import Terms
from labelaudit.rejects.records import Reject


class Answers:
    """What a process says about one file: it may let us wait for so many seconds in all."""

    def __init__(self, process: Process, terms: Terms, seconds: float):
        self.process, self._terms, self._seconds = process, terms, float(seconds)

    def take(self, length: int) -> memoryview:
        """The next `length` bytes."""
        content, done = bytearray(length), 0
        out = self.process.answers
        while done < length:
            since = time.monotonic()
            if not select.select([out], [], [], max(0.0, self._seconds))[0]:
                raise too_slow(self._terms)
            self._seconds -= time.monotonic() - since
            more = out.readinto(memoryview(content)[done:])
            if not more:
                raise died(self.process, self._terms)
            done += more
        return memoryview(content)


def died(process: Process, terms: Terms) -> LabelauditError:
    code = process.code()
    if code >= 0 and not process.is_confined:  # it has not seen the file yet
        return InternalError(f"the parsing process could not be started (exit {code})")
    if code == -signal.SIGXCPU:
        return too_slow(terms)
    what = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit {code}"
    return refused("parser_crashed", terms, f"the file breaks its parser ({what})")


def too_slow(terms: Terms) -> DeliveryRejected:
    return refused("too_slow", terms, "reading it takes too long")


def nonsense(terms: Terms, what: str = "") -> DeliveryRejected:
    return refused("parser_crashed", terms, f"its parser answers nonsense{what}")


def refused(code: str, terms: Terms, what: str) -> DeliveryRejected:
    return DeliveryRejected(code, f"{terms.name}: {what}; no single place can be named.")


@contextmanager
def understood(terms: Terms) -> Iterator[None]:
    """What the process says may be the file's words: where it can't be understood, the file is refused."""
    try:
        yield
    except (pa.ArrowException, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise nonsense(terms, f" ({type(error).__name__}: {str(error)[:200]})") from error


def table(content: memoryview, schema: pa.Schema) -> pa.Table:
    """A table of the worker's, which may have been led astray by the file: looked at before it is used."""
    with pa.ipc.open_stream(pa.py_buffer(content)) as reader:
        table = reader.read_all()
    table.validate(full=True)
    if table.schema != schema:
        raise TypeError(f"{table.schema}, not {schema}")
    return table


def reject(said: dict[str, Any]) -> Reject:
    del said["advice"]
    return Reject(**said | {"place": said["place"] or ""})


def decoded(said: dict[str, Any]) -> Any:
    return datetime.fromisoformat(said["\0time"]) if "\0time" in said else said
