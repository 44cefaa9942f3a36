"""How long one step may take: a text, file or service that never ends must not hold up what comes after it."""

from __future__ import annotations

import faulthandler
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from labelaudit.errors import InvalidInput, StepTimedOut

VARIABLE = "LABELAUDIT_STEP_MINUTES"
DEFAULT_MINUTES = 360.0
GRACE_SECONDS = 300.0
"""After which a step that does not even come back to Python is ended with its process."""


def minutes(text: str | None) -> float:
    """The limit that the environment says, in minutes.

    >>> minutes("90"), minutes(None)
    (90.0, 360.0)
    """
    try:
        minutes = float(text) if text else DEFAULT_MINUTES
    except ValueError:
        minutes = 0.0
    if not 0.001 <= minutes <= 100_000:
        raise InvalidInput(f"{VARIABLE} is {text!r}; say a number of minutes, e.g. 360")
    return minutes


@contextmanager
def limited(step: str, seconds: float) -> Iterator[None]:
    """Raise StepTimedOut in what takes longer; only in the main thread, where signals are handled.

    A timer that runs already (of a caller, or a test) goes on afterwards.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ended(number: int, frame: FrameType | None) -> None:
        where = f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame else "?"
        raise StepTimedOut(
            f"`{step}` took longer than {seconds / 60:g} minutes, and was ended in {where}. Nothing of it counts: run"
            f" it again on an idle machine, or allow more by {VARIABLE}"
        )

    began = time.monotonic()
    handler = signal.signal(signal.SIGALRM, ended)
    before, interval = signal.setitimer(signal.ITIMER_REAL, seconds)
    faulthandler.dump_traceback_later(seconds + GRACE_SECONDS, exit=True, file=sys.__stderr__)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGALRM, handler)
        if before:
            signal.setitimer(signal.ITIMER_REAL, max(before - (time.monotonic() - began), 0.001), interval)
