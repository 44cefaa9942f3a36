"""What explains that a rate moved, so that it is no incident: another mix of classes, a new guideline or detector."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labelaudit.judge.stream_words import rate_of, whose
from labelaudit.judge.streams import OF_LABELS, Stream
from labelaudit.regressions import Shift
from labelaudit.values.counted import Judged
from labelaudit.values.verdicts import Explained


def last_of(shift: Shift, history: Sequence[Judged]) -> int:
    """Index of the last release of a shift: the one that closed it, or the last one judged."""
    return len(history) - 1 if shift.closed is None else shift.closed


def counts_before(stream: Stream, shift: Shift, history: Sequence[Judged]) -> tuple[float, float]:
    """x of n of the releases before a shift."""
    taught = taught_by(stream, shift, history)
    return float(stream.x[taught].sum()), float(stream.n[taught].sum())


def taught_by(stream: Stream, shift: Shift, history: Sequence[Judged]) -> np.ndarray:
    """Releases (T,) bool before a shift that its baseline rests on: accepted, since the last restart, none open."""
    at = np.arange(len(history))
    first = max([0, *np.flatnonzero(stream.restarts[: shift.since + 1])])
    accepted = np.array([release.accepted for release in history])
    return (at >= first) & (at < shift.since) & accepted & ~stream.watched.is_open


def by_class(history: Sequence[Judged], vendor: str, which: np.ndarray) -> dict[str, tuple[float, float]]:
    """class: likely wrong labels x of n, of some releases (T,) bool."""
    sums: dict[str, tuple[float, float]] = {}
    for at in np.flatnonzero(which):
        for count in history[at].counts:
            if count.metric == "issue" and count.label and count.vendor == vendor:
                x, n = sums.get(count.label, (0.0, 0.0))
                sums[count.label] = (x + count.x, n + count.n)
    return sums


def unexplained(stream: Stream, shift: Shift, history: Sequence[Judged], effect: float) -> int | None:
    """The release at which a shift is no longer explained by another mix of classes; None where it always was.

    Post-stratified by class: the defects since, over those that the classes' former rates would give in the new mix.
    Less than half of the effect: the mix explains it.
    """
    if stream.metric != "issue":
        return shift.opened
    earlier = by_class(history, stream.vendor, taught_by(stream, shift, history))
    x, n = counts_before(stream, shift, history)
    if not earlier or not n:
        return shift.opened
    usual = (x + 0.5) / (n + 1)
    rates = {label: (own + 5 * usual) / (units + 5) for label, (own, units) in earlier.items()}
    each = np.zeros(len(history), bool)
    seen = expected = 0.0
    for at in range(shift.since, last_of(shift, history) + 1):
        each[:] = False
        each[at] = True
        for label, (own, units) in by_class(history, stream.vendor, each).items():
            seen, expected = seen + own, expected + units * rates.get(label, usual)
        if at >= shift.opened and (not expected or seen > (1 + (effect - 1) / 2) * expected):
            return at
    return None


def by_mix(stream: Stream, shift: Shift, history: Sequence[Judged]) -> Explained:
    """What is said of a shift that another mix of classes explains."""
    x, n = counts_before(stream, shift, history)
    now = slice(shift.since, None)
    was, rate = x / max(n, 1), stream.x[now].sum() / max(stream.n[now].sum(), 1)
    text = (
        f"the rate of {rate_of(stream.metric)}{whose(stream.vendor)} went from {was:.1%} to {rate:.1%}, but each class"
        " is about as it was: more items of the hard classes came"
    )
    return _explained(stream, "mix", history, text)


def restarted(streams: Sequence[Stream], history: Sequence[Judged]) -> list[Explained]:
    """What the last release began anew, by a new guideline or detector."""
    explained = []
    for stream in streams:
        if not stream.restarts[-1] or not stream.n[-1]:
            continue
        names = [{count.label for count in release.counts if count.metric == "detector"} for release in history[-2:]]
        is_new = len(names) == 2 and names[0] != names[1] and stream.metric in OF_LABELS[:2]
        was, rate = stream.watched.baseline_rate[-2], stream.x[-1] / stream.n[-1]
        text = f"the rate of {rate_of(stream.metric)}{whose(stream.vendor)} is {rate:.1%} after {was:.1%}"
        text += ", and is learnt anew"
        explained.append(_explained(stream, "detector" if is_new else "guideline", history, text))
    return explained


def _explained(stream: Stream, cause: str, history: Sequence[Judged], text: str) -> Explained:
    return Explained(metric=stream.metric, vendor=stream.vendor, cause=cause, release=history[-1].release, text=text)
