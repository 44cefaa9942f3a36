"""Incidents of a dataset, from the counts of its judged releases: one for each cause, the same at every replay.

Nothing is stored: the incidents after a release follow from the releases up to it, so that a repeated step says the
same, and a back-test is a replay. Pure functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labelaudit.contracts.quality import Regressions
from labelaudit.judge.explaining import by_class, by_mix, counts_before, last_of, restarted, taught_by, unexplained
from labelaudit.judge.stream_words import SMALL
from labelaudit.judge.streams import Stream, watch_streams
from labelaudit.rates.intervals import wilson
from labelaudit.regressions import Shift
from labelaudit.values.counted import Judged
from labelaudit.values.value import Value
from labelaudit.values.verdicts import Explained, Incident, StreamChange, WatchState

TOGETHER = 3
"""Releases within which shifts of several vendors, or of one vendor and of all, have one cause."""
MOST = 2 / 3
"""A vendor with this share of the defects on top carries an incident that was seen over all vendors."""
SHOWN_CLASSES = 5


class Review(Value):
    """What the last release changed: incidents that are open, or that it closed; what is explained; every stream."""

    incidents: tuple[Incident, ...] = ()
    explained: tuple[Explained, ...] = ()
    watched: tuple[WatchState, ...] = ()


@dataclass(frozen=True)
class Moved:
    """A stream's shift that nothing explains; `opened` comes later than the watch's where the mix did explain it."""

    stream: Stream
    shift: Shift
    opened: int
    vendor: str


def review(terms: Regressions | None, history: Sequence[Judged]) -> Review:
    """The incidents after the last of the judged releases, oldest first."""
    if terms is None or not history:
        return Review()
    streams = watch_streams(terms, history)
    watched = tuple(_state(stream) for stream in streams if stream.n[-1])
    return _reviewed(streams, history, terms).model_copy(update={"watched": watched})


def reviews(terms: Regressions | None, history: Sequence[Judged]) -> list[Review]:
    """`review` after each of the releases, but for `watched`: of T releases in one watch."""
    if terms is None:
        return [Review() for _ in history]
    streams = watch_streams(terms, history)
    return [_reviewed([stream.until(at) for stream in streams], history[: at + 1], terms) for at in range(len(history))]


def _reviewed(streams: Sequence[Stream], history: Sequence[Judged], terms: Regressions) -> Review:
    moved, explained = [], restarted(streams, history)
    for stream in streams:
        for shift in stream.watched.shifts:
            opened = unexplained(stream, shift, history, terms.effect)
            if opened is not None:
                moved.append(Moved(stream, shift, opened, _vendor(stream, shift, opened, streams, history)))
            elif shift.opened == len(history) - 1:
                explained.append(by_mix(stream, shift, history))
    last = len(history) - 1
    incidents = [
        _incident(group, streams, history, terms)
        for group in _groups(moved, terms.reopen_within)
        if any(_is_open(move, at) for move in group for at in (last, last - 1))
    ]
    return Review(incidents=tuple(incidents), explained=tuple(explained))


def _state(stream: Stream) -> WatchState:
    watched = stream.watched
    return WatchState(
        metric=stream.metric,
        vendor=stream.vendor,
        state=watched.state,
        baseline_rate=float(watched.baseline_rate[-1]),
        overdispersion=watched.overdispersion,
        score=float(watched.score[-1]),
        threshold=watched.threshold,
        detectable_rate=None if watched.state == "learning" else watched.detectable_rate,
    )


def _vendor(stream: Stream, shift: Shift, opened: int, streams: Sequence[Stream], history: Sequence[Judged]) -> str:
    """Whose a shift is: of the stream over all, the vendor with most of the defects that came on top, if one has.

    On top of the vendor's own rate before: one that always was worse than others is not to blame.
    """
    if stream.vendor:
        return stream.vendor
    window, usual = slice(shift.since, opened + 1), stream.watched.baseline_rate[shift.since]
    more: dict[str, float] = {}
    for of_vendor in streams:
        if of_vendor.metric == stream.metric and of_vendor.vendor not in ("", SMALL):
            x, n = counts_before(of_vendor, shift, history)
            rate = (x + 5 * usual) / (n + 5)
            more[of_vendor.vendor] = float(of_vendor.x[window].sum() - rate * of_vendor.n[window].sum())
    worst = max(more, key=lambda name: (more[name], name), default="")
    total = sum(max(0.0, share) for share in more.values())
    return worst if total and more[worst] >= MOST * total else ""


def _groups(moved: list[Moved], reopen_within: int) -> list[list[Moved]]:
    """Shifts of one cause: of one vendor at the same time; of all and a vendor, or of several vendors, that began
    together. In order of opening; the first gives the incident its name."""
    moved = sorted(
        moved, key=lambda move: (move.opened, not move.stream.vendor, move.stream.metric, move.stream.vendor)
    )
    groups: list[list[Moved]] = []
    for move in moved:
        for group in groups:
            if any(_same_cause(move, other, reopen_within) for other in group):
                group.append(move)
                break
        else:
            groups.append([move])
    return groups


def _same_cause(move: Moved, other: Moved, reopen_within: int) -> bool:
    if move.vendor == other.vendor:
        return other.shift.closed is None or move.opened <= other.shift.closed + reopen_within
    return move.stream.metric == other.stream.metric and abs(move.shift.since - other.shift.since) <= TOGETHER


def _incident(group: list[Moved], streams: Sequence[Stream], history: Sequence[Judged], terms: Regressions) -> Incident:
    last, first = len(history) - 1, group[0]
    vendors = {move.vendor for move in group if move.vendor}
    vendor = vendors.pop() if len(vendors) == 1 else ""
    is_open = any(_is_open(move, last) for move in group)
    before = any(move.opened < last and _is_open(move, last - 1) for move in group)
    severity, earlier = (_severity(group, at, terms.effect, history) for at in (last, last - 1))
    event = ""
    if first.opened == last:
        event = "opened"
    elif is_open and not before:
        event = "reopened"
    elif before and not is_open:
        event = "closed"
    elif is_open and severity == "critical" and earlier == "warning":
        event = "escalated"
    shown = [move for move in group if move.stream.vendor]
    if vendor and not shown:  # it was seen over all vendors first: the numbers of the one that carries it
        own = next(stream for stream in streams if (stream.metric, stream.vendor) == (first.stream.metric, vendor))
        shown = [Moved(own, first.shift, first.opened, vendor)]
    shown += [move for move in group if not move.stream.vendor]
    issue = next((move for move in group if move.stream.metric == "issue"), None)
    whose = first.vendor.replace(" ", "-") or "all"
    return Incident(
        id=f"i{history[first.opened].sequence:04d}-{whose}-{first.stream.metric}",
        state="open" if is_open else "closed",
        severity=severity,
        vendor=vendor,
        opened=history[first.opened].release,
        since=history[min(move.shift.since for move in group)].release,
        closed="" if is_open else history[max(last_of(move.shift, history) for move in group)].release,
        event=event,
        rising=any(_is_open(move, last) and move.stream.watched.evidence[-1] > 0 for move in group),
        streams=tuple(_change(move, history) for move in shown),
        classes=_classes(issue, vendor, history) if issue else (),
    )


def _is_open(move: Moved, at: int) -> bool:
    """Whether this shift, and no later one of its stream, is open after release `at`."""
    ended = move.shift.closed is not None and at >= move.shift.closed
    return at >= move.opened and not ended and bool(move.stream.watched.is_open[at])


def _severity(group: list[Moved], at: int, effect: float, history: Sequence[Judged]) -> str:
    """critical where a rate was above the contract's effect for certain, or three streams of the incident moved.

    It does not fall again: an incident escalates once.
    """
    seen = [move for move in group if move.opened <= at]
    for move in seen:
        x, n = move.stream.x[move.shift.since :].cumsum(), move.stream.n[move.shift.since :].cumsum()
        limit = effect * move.stream.watched.baseline_rate[move.shift.opened]
        for now in range(move.opened, min(at, last_of(move.shift, history)) + 1):
            if wilson(float(x[now - move.shift.since]), float(n[now - move.shift.since]))[0] > limit:
                return "critical"
    return "critical" if len({(move.stream.metric, move.vendor) for move in seen}) >= 3 else "warning"


def _change(move: Moved, history: Sequence[Judged]) -> StreamChange:
    x, n = counts_before(move.stream, move.shift, history)
    now = slice(move.shift.since, last_of(move.shift, history) + 1)
    x_now, n_now = float(move.stream.x[now].sum()), float(move.stream.n[now].sum())
    low, high = wilson(x, n)
    low_now, high_now = wilson(x_now, n_now)
    return StreamChange(
        metric=move.stream.metric,
        vendor=move.stream.vendor,
        before_x=x,
        before_n=n,
        before_low=low,
        before_high=high,
        x=x_now,
        n=n_now,
        low=low_now,
        high=high_now,
        score=float(move.stream.watched.score[-1]),
        threshold=move.stream.watched.threshold,
    )


def _classes(move: Moved, vendor: str, history: Sequence[Judged]) -> tuple[tuple[str, float, float], ...]:
    """The classes that carry it: (class, rate before, rate since), by the defects that came on top."""
    taught = taught_by(move.stream, move.shift, history)
    now = np.zeros(len(history), bool)
    now[move.shift.since : last_of(move.shift, history) + 1] = True
    before, since = (by_class(history, vendor, which) for which in (taught, now))
    carriers = []
    for label, (x, n) in since.items():
        was_x, was_n = before.get(label, (0.0, 0.0))
        was = was_x / was_n if was_n else 0.0
        if n and x / n > was:
            carriers.append((x - n * was, label, was, x / n))
    return tuple((label, was, rate) for _, label, was, rate in sorted(carriers, reverse=True)[:SHOWN_CLASSES])
