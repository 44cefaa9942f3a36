"""The streams that are watched for regressions: counts of defects, release by release, of a metric and a vendor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from labelaudit.contracts.quality import Regressions
from labelaudit.judge.stream_words import SMALL
from labelaudit.regressions import Shift, Terms, Watched, watch_all
from labelaudit.values.counted import Judged
from labelaudit.values.releases import Count

SMALL_UNITS = 50
"""A stream with fewer units a release gets less of the budget, in proportion: it finds little, and a person can look
at twenty labels. Its labels are watched with those of the other small vendors, and with all."""
OF_LABELS = ("issue", "annotation_error", "gold", "defect")
"""Metrics that a new guideline changes; those that a new detector changes are the first two."""


@dataclass(frozen=True)
class Stream:
    """x of n (T,) of one metric and vendor (empty: all), and how it was watched."""

    metric: str
    vendor: str
    x: np.ndarray
    n: np.ndarray
    restarts: np.ndarray
    watched: Watched

    def until(self, at: int) -> Stream:
        """The stream as it was after release `at`; but for `threshold` and the overdispersion, which are the last."""
        now, seen = slice(at + 1), self.watched
        shifts = tuple(_until(shift, seen.is_open, at) for shift in seen.shifts if shift.opened <= at)
        return Stream(
            self.metric,
            self.vendor,
            self.x[now],
            self.n[now],
            self.restarts[now],
            replace(
                seen,
                evidence=seen.evidence[now],
                score=seen.score[now],
                baseline_rate=seen.baseline_rate[now],
                is_open=seen.is_open[now],
                shifts=shifts,
            ),
        )


def _until(shift: Shift, is_open: np.ndarray, at: int) -> Shift:
    if shift.closed is not None and shift.closed <= at:
        return shift
    ended = None if is_open[at] else shift.opened + 1 + int(np.flatnonzero(is_open[shift.opened : at + 1])[-1])
    return Shift(shift.opened, shift.since, ended, tuple(reopening for reopening in shift.reopened if reopening <= at))


def watch_streams(terms: Regressions, history: Sequence[Judged]) -> list[Stream]:
    """Watch every stream of the judged releases, oldest first."""
    counts = [
        {(count.metric, count.vendor): count for count in release.counts if not count.label} for release in history
    ]
    guidelines = [_causes(release, "guideline") for release in history]
    detectors = [_causes(release, "detector") for release in history]
    accepted = np.array([release.accepted for release in history])
    accepted[-1:] = True  # whether the last one will be published, is decided by what is said of it here
    metrics, of_guideline = _metrics(terms)
    named = sorted({key for release in counts for key in release if key[0] in metrics})
    rows = []
    for metric, vendor in named:
        x, n = _defects([release.get((metric, vendor)) for release in counts], metric)
        restarts = np.zeros(len(history), bool)
        if metric in of_guideline:
            restarts |= _changed([guideline.get(vendor) if vendor else _common(guideline) for guideline in guidelines])
        if metric in OF_LABELS[:2]:
            restarts |= _changed([detector.get("") for detector in detectors])
        rows.append((metric, vendor, x, n, restarts))
    rows += _small(rows, metrics)
    if not rows:
        return []
    n = np.array([row[3] for row in rows])
    # of the releases that a stream learns from: nothing can open before, and what was said stays said
    first = n * (np.cumsum(n > 0, axis=1) <= terms.learning_releases)
    usual = first.sum(axis=1) / np.maximum(1, (first > 0).sum(axis=1))
    watches = watch_all(
        np.array([row[2] for row in rows]),
        n,
        Terms(terms.effect, terms.learning_releases, terms.learning_units, terms.close_after),
        terms.false_incidents * np.minimum(1, np.maximum(usual, 1) / SMALL_UNITS),
        terms.reopen_within,
        np.broadcast_to(accepted, n.shape),
        np.array([row[4] for row in rows]),
    )
    return [Stream(*row, watched) for row, watched in zip(rows, watches, strict=True)]


def _metrics(terms: Regressions) -> tuple[tuple[str, ...], set[str]]:
    """What is watched: what the contract says, and what the detectors of a run want watched; and which of it a new
    guideline changes."""
    from labelaudit.detect.run_detectors import looking  # heavy, and the command line imports what judges

    own = [metric for metric in looking.metrics() if metric.watched]
    watched = (*terms.metrics, *(metric.name for metric in own))
    return watched, {*OF_LABELS, *(metric.name for metric in own if metric.of_guideline)}


def _defects(counts: Sequence[Count | None], metric: str) -> tuple[np.ndarray, np.ndarray]:
    x = np.array([count.x if count else 0.0 for count in counts])
    n = np.array([count.n if count else 0.0 for count in counts])
    return (n - x if metric == "gold" else x), n


def _small(rows: list[tuple], metrics: Sequence[str]) -> list[tuple]:
    """Per metric, the vendors with few units a release so far together, where there are several, and others."""
    made = []
    for metric in metrics:
        own = [row for row in rows if row[0] == metric and row[1]]
        if len(own) < 3:
            continue
        x, n, restarts = (np.array([row[column] for row in own]) for column in (2, 3, 4))
        units, releases = np.cumsum(n, axis=1), np.cumsum(n > 0, axis=1)
        few = (units > 0) & (units < SMALL_UNITS * np.maximum(1, releases))
        several = (few.sum(axis=0) > 1) & (few.sum(axis=0) < (units > 0).sum(axis=0))
        few &= several
        if few.any():
            made.append((metric, SMALL, (x * few).sum(axis=0), (n * few).sum(axis=0), (restarts & few).any(axis=0)))
    return made


def _causes(release: Judged, metric: str) -> dict[str, str]:
    """vendor: the guideline that most of its rows follow; of a detector: "": its name."""
    most: dict[str, Count] = {}
    for count in release.counts:
        if count.metric == metric and (count.vendor not in most or count.x > most[count.vendor].x):
            most[count.vendor] = count
    return {vendor: count.label for vendor, count in most.items()}


def _common(guidelines: dict[str, str]) -> str | None:
    """The guideline of all vendors, where they follow the same."""
    return next(iter(guidelines.values())) if len(set(guidelines.values())) == 1 else None


def _changed(names: Sequence[str | None]) -> np.ndarray:
    """Releases (T,) whose name is another than the last one known."""
    changed, last = np.zeros(len(names), bool), None
    for at, name in enumerate(names):
        changed[at] = name is not None and last is not None and name != last
        last = last if name is None else name
    return changed
