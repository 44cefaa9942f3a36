"""Incidents of a dataset, from the counts of its judged releases: one for each cause, the same at every replay.

Nothing is stored: the incidents after a release follow from the releases up to it, so that a repeated step says the
same, and a back-test is a replay. Pure functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labelaudit.judged import Judged
from labelaudit.quality_terms import Regressions
from labelaudit.rates import wilson
from labelaudit.regressions import Shift
from labelaudit.streams import Stream, watch_streams
from labelaudit.values import Value
from labelaudit.verdicts import Explained, Incident, StreamChange, WatchState

TOGETHER = 3
"""Releases within which shifts of several vendors, or of one vendor and of all, have one cause."""
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


def review(terms: Regressions | None, history: Sequence[Judged]) -> Review:
    """The incidents after the last of the judged releases, oldest first."""
    if terms is None or not history:
        return Review()
    streams = watch_streams(terms, history)
    moved, explained = [], _restarted(streams, history)
    for stream in streams:
        for shift in stream.watched.shifts:
            opened = _unexplained(stream, shift, history, terms.effect)
            if opened is not None:
                moved.append(Moved(stream, shift, opened))
            elif shift.opened == len(history) - 1 and stream.watched.is_open[-1]:
                explained.append(_by_mix(stream, shift, history))
    groups = _groups(moved, terms.reopen_within)
    found = [_incident(group, history, terms) for group in groups]
    return Review(
        incidents=tuple(one for one in found if one.state == "open" or one.event == "closed"),
        explained=tuple(explained),
        watched=tuple(_state(one) for one in streams if one.n[-1]),
    )


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


def _end(shift: Shift, history: Sequence[Judged]) -> int:
    return len(history) - 1 if shift.closed is None else shift.closed


def _groups(moved: list[Moved], reopen_within: int) -> list[list[Moved]]:
    """Shifts of one cause: of one vendor at the same time; of all and a vendor, or of several vendors, that began
    together. In order of opening; the first gives the incident its name."""
    moved = sorted(moved, key=lambda one: (one.opened, not one.stream.vendor, one.stream.metric, one.stream.vendor))
    groups: list[list[Moved]] = []
    for one in moved:
        for group in groups:
            if any(_same_cause(one, other, reopen_within) for other in group):
                group.append(one)
                break
        else:
            groups.append([one])
    return groups


def _same_cause(one: Moved, other: Moved, reopen_within: int) -> bool:
    if one.stream.vendor == other.stream.vendor:
        return other.shift.closed is None or one.opened <= other.shift.closed + reopen_within
    return one.stream.metric == other.stream.metric and abs(one.shift.since - other.shift.since) <= TOGETHER


def _incident(group: list[Moved], history: Sequence[Judged], terms: Regressions) -> Incident:
    last, first = len(history) - 1, group[0]
    vendors = {one.stream.vendor for one in group if one.stream.vendor}
    vendor = vendors.pop() if len(vendors) == 1 else ""
    is_open = any(_is_open(one, last) for one in group)
    before = any(one.opened < last and _is_open(one, last - 1) for one in group)
    severity, earlier = (_severity(group, at, terms.effect) for at in (last, last - 1))
    event = ""
    if first.opened == last:
        event = "opened"
    elif is_open and not before:
        event = "reopened"
    elif before and not is_open:
        event = "closed"
    elif is_open and severity == "critical" and earlier == "warning":
        event = "escalated"
    changes = [_change(one, history) for one in group]
    issue = next((one for one in group if one.stream.metric == "issue"), None)
    whose = first.stream.vendor.replace(" ", "-") or "all"
    return Incident(
        id=f"i{history[first.opened].sequence:04d}-{whose}-{first.stream.metric}",
        state="open" if is_open else "closed",
        severity=severity,
        vendor=vendor,
        opened=history[first.opened].release,
        since=history[min(one.shift.since for one in group)].release,
        closed="" if is_open else history[max(_end(one.shift, history) for one in group)].release,
        event=event,
        rising=any(_is_open(one, last) and one.stream.watched.evidence[-1] > 0 for one in group),
        streams=tuple(changes),
        classes=_classes(issue, vendor, history) if issue else (),
    )


def _is_open(one: Moved, at: int) -> bool:
    return at >= one.opened and bool(one.stream.watched.is_open[at])


def _severity(group: list[Moved], at: int, effect: float) -> str:
    """critical where a rate is above the contract's effect for certain, or three streams of the incident moved."""
    seen = [one for one in group if one.opened <= at]
    for one in seen:
        window = slice(one.shift.since, at + 1)
        low, _ = wilson(float(one.stream.x[window].sum()), float(one.stream.n[window].sum()))
        if low > effect * one.stream.watched.baseline_rate[one.shift.opened]:
            return "critical"
    return "critical" if len({(one.stream.metric, one.stream.vendor) for one in seen}) >= 3 else "warning"


def _change(one: Moved, history: Sequence[Judged]) -> StreamChange:
    x, n = _before(one.stream, one.shift, history)
    now = slice(one.shift.since, _end(one.shift, history) + 1)
    x_now, n_now = float(one.stream.x[now].sum()), float(one.stream.n[now].sum())
    low, high = wilson(x, n)
    low_now, high_now = wilson(x_now, n_now)
    return StreamChange(
        metric=one.stream.metric,
        vendor=one.stream.vendor,
        before_x=x,
        before_n=n,
        before_low=low,
        before_high=high,
        x=x_now,
        n=n_now,
        low=low_now,
        high=high_now,
        score=float(one.stream.watched.score[-1]),
        threshold=one.stream.watched.threshold,
    )


def _before(stream: Stream, shift: Shift, history: Sequence[Judged]) -> tuple[float, float]:
    taught = _taught(stream, shift, history)
    return float(stream.x[taught].sum()), float(stream.n[taught].sum())


def _taught(stream: Stream, shift: Shift, history: Sequence[Judged]) -> np.ndarray:
    """Releases (T,) bool before a shift that its baseline rests on: accepted, since the last restart, none open."""
    at = np.arange(len(history))
    first = max([0, *np.flatnonzero(stream.restarts[: shift.since + 1])])
    accepted = np.array([one.accepted for one in history])
    return (at >= first) & (at < shift.since) & accepted & ~stream.watched.is_open


def _classes(one: Moved, vendor: str, history: Sequence[Judged]) -> tuple[tuple[str, float, float], ...]:
    """The classes that carry it: (class, rate before, rate since), by the defects that came on top."""
    taught = _taught(one.stream, one.shift, history)
    now = np.zeros(len(history), bool)
    now[one.shift.since : _end(one.shift, history) + 1] = True
    before, since = (_by_class(history, vendor, which) for which in (taught, now))
    found = []
    for label, (x, n) in since.items():
        was_x, was_n = before.get(label, (0.0, 0.0))
        was = was_x / was_n if was_n else 0.0
        if n and x / n > was:
            found.append((x - n * was, label, was, x / n))
    return tuple((label, was, rate) for _, label, was, rate in sorted(found, reverse=True)[:SHOWN_CLASSES])


def _by_class(history: Sequence[Judged], vendor: str, which: np.ndarray) -> dict[str, tuple[float, float]]:
    found: dict[str, tuple[float, float]] = {}
    for at in np.flatnonzero(which):
        for one in history[at].counts:
            if one.metric == "issue" and one.label and one.vendor == vendor:
                x, n = found.get(one.label, (0.0, 0.0))
                found[one.label] = (x + one.x, n + one.n)
    return found


def _unexplained(stream: Stream, shift: Shift, history: Sequence[Judged], effect: float) -> int | None:
    """The release at which a shift is no longer explained by another mix of classes; None where it always was.

    Post-stratified by class: the defects since, over those that the classes' former rates would give in the new mix.
    Less than half of the effect: the mix explains it.
    """
    if stream.metric != "issue":
        return shift.opened
    before = _by_class(history, stream.vendor, _taught(stream, shift, history))
    x, n = _before(stream, shift, history)
    if not before or not n:
        return shift.opened
    usual = (x + 0.5) / (n + 1)
    rates = {label: (own + 5 * usual) / (units + 5) for label, (own, units) in before.items()}
    for at in range(shift.opened, _end(shift, history) + 1):
        window = np.zeros(len(history), bool)
        window[shift.since : at + 1] = True
        since = _by_class(history, stream.vendor, window)
        expected = sum(units * rates.get(label, usual) for label, (_, units) in since.items())
        seen = sum(own for own, _ in since.values())
        if not since or seen > (1 + (effect - 1) / 2) * expected:
            return at
    return None


def _by_mix(stream: Stream, shift: Shift, history: Sequence[Judged]) -> Explained:
    x, n = _before(stream, shift, history)
    now = slice(shift.since, None)
    whose = f" of vendor {stream.vendor}" if stream.vendor else ""
    return Explained(
        metric=stream.metric,
        vendor=stream.vendor,
        cause="mix",
        release=history[-1].release,
        text=f"the {stream.metric} rate{whose} went from"
        f" {x / max(n, 1):.1%} to {stream.x[now].sum() / max(stream.n[now].sum(), 1):.1%}, but each class is about as it was: more items of the"
        " hard classes came",
    )


def _restarted(streams: Sequence[Stream], history: Sequence[Judged]) -> list[Explained]:
    """What the last release began anew, by a new guideline or detector."""
    found = []
    for one in streams:
        if not one.restarts[-1]:
            continue
        names = [{count.label for count in release.counts if count.metric == "detector"} for release in history[-2:]]
        cause = "detector" if len(names) == 2 and names[0] != names[1] and one.metric != "gold" else "guideline"
        whose = f" of vendor {one.vendor}" if one.vendor else ""
        was = one.watched.baseline_rate[-2] if len(history) > 1 else one.watched.baseline_rate[-1]
        text = (
            f"the {one.metric} rate{whose} is {one.x[-1] / max(one.n[-1], 1):.1%} after {was:.1%}, and is learnt anew"
        )
        found.append(
            Explained(metric=one.metric, vendor=one.vendor, cause=cause, release=history[-1].release, text=text)
        )
    return found
