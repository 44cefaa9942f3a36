"""`watch`: counts of defects, release by release, and what became of their rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labelaudit.errors import InvalidInput
from labelaudit.regressions.stream import DEFAULT, RHO, Streams, Terms, step
from labelaudit.regressions.thresholds import LEAST, thresholds

DETECTABLE_RELEASES, DETECTABLE_SHARE = 14, 0.8
RATIOS = (1.25, 1.5, 1.75, 2, 2.5, 3, 4, 5, 7, 10)
SIMULATED = 200


@dataclass(frozen=True)
class Shift:
    """A rate that rose, by index of release: it likely began at `since`, was seen at `opened`, ended at `closed`.

    reopened: releases at which it came back, soon after it had ended; `closed` is then the last end.
    """

    opened: int
    since: int
    closed: int | None = None
    reopened: tuple[int, ...] = ()


@dataclass(frozen=True)
class Watched:
    """One stream of T releases. evidence, score, baseline_rate (T,); state after the last release."""

    evidence: np.ndarray
    score: np.ndarray
    baseline_rate: np.ndarray
    is_open: np.ndarray
    shifts: tuple[Shift, ...]
    state: str
    threshold: float
    overdispersion: float
    rho_weights: np.ndarray
    units: float
    _terms: Terms

    @property
    def detectable_rate(self) -> float | None:
        """The least rate that would be found within 14 releases in 4 of 5 cases; None where not even the tenfold."""
        return _detectable(self.units, float(self.baseline_rate[-1]), self.rho_weights, self.threshold, self._terms)


def watch(
    defects: Sequence[float] | np.ndarray,
    units: Sequence[float] | np.ndarray,
    *,
    effect: float = 2.0,
    false_incidents: float = 0.6,
    learning_releases: int = 14,
    learning_units: int = 200,
    close_after: int = 5,
    reopen_within: int = 14,
    accepted: Sequence[bool] | np.ndarray | None = None,
    restarts: Sequence[int] = (),
) -> Watched:
    """Watch one stream of counts x of n, oldest release first.

    defects, units (T,): 0 <= x <= n; a release with n = 0 says nothing. effect: least ratio to the baseline that
    counts. false_incidents: how many an unchanging stream may open in 365 releases; the threshold follows from it (see
    thresholds). Until learning_releases and learning_units are there, nothing opens. close_after: good releases that
    end an incident; within reopen_within of its end it comes back as the same. accepted (T,): False for releases that
    must not teach the baseline. restarts: releases from which on a new baseline is learnt (a new guideline, another
    detector, an accepted level).

    Method: self-starting beta-binomial CUSUM, see `stream.step`. Raises InvalidInput.

    >>> bad_week = watch([4] * 40 + [12] * 7, [100] * 47)
    >>> [(shift.since, shift.opened) for shift in bad_week.shifts]
    [(40, 41)]
    """
    x, n = np.atleast_1d(np.asarray(defects, float)), np.atleast_1d(np.asarray(units, float))
    if x.ndim != 1:
        raise InvalidInput(f"defects has shape {x.shape}; one stream is (T,). For several: watch_all")
    taught = None if accepted is None else np.asarray(accepted, bool)[None]
    terms = Terms(effect, learning_releases, learning_units, close_after)
    starts = np.zeros((1, x.size), bool)
    starts[0, [at for at in restarts if at < x.size]] = True
    return watch_all(x[None], n[None], terms, false_incidents, reopen_within, taught, starts)[0]


def watch_all(
    defects: np.ndarray,
    units: np.ndarray,
    terms: Terms = DEFAULT,
    false_incidents: float | np.ndarray = 0.6,
    reopen_within: int = 14,
    accepted: np.ndarray | None = None,
    restarts: np.ndarray | None = None,
) -> list[Watched]:
    """`watch` for S streams of one task and the same releases: defects, units, accepted, restarts are (S, T).

    The streams' overdispersions are shrunk to their pool. What is said of a release rests on it and those before only.
    """
    _check(defects, units)
    streams, releases = defects.shape
    state = Streams.new(streams)
    budget = np.broadcast_to(false_incidents, streams)
    evidence, score, baseline, is_open, opened, closed = (np.zeros((streams, releases)) for _ in range(6))
    since, starts = np.zeros(streams, int), np.zeros((streams, releases), int)
    heights, ready_at = np.full(streams, LEAST), np.full(streams, releases)
    for at in range(releases):
        if restarts is not None and restarts[:, at].any():
            closed[:, at] = restarts[:, at] & state.is_open
            state.restart(restarts[:, at])
            ready_at[restarts[:, at]] = releases
        if streams > 1:
            state.pool_rho()
        baseline[:, at] = state.baseline_rate
        ready = state.is_ready(terms)
        ready_at = np.where(ready & (ready_at == releases), at, ready_at)
        last = at == releases - 1
        near = np.flatnonzero(last | (ready & ~state.is_open & (defects[:, at] > 0)))
        if len(near):
            heights[near] = _heights(state, near, at - ready_at, budget, terms)
        since = np.where((state.score <= 0) & ~state.is_open, at, since)
        taught = True if accepted is None else accepted[:, at]
        found = step(state, defects[:, at], units[:, at], terms, heights, taught)
        evidence[:, at], opened[:, at] = found[0], found[1]
        closed[:, at] += found[2]
        score[:, at], is_open[:, at], starts[:, at] = state.score, state.is_open, since
    weights, ready = state.rho_weights, state.is_ready(terms)
    return [
        Watched(
            evidence=evidence[one],
            score=score[one],
            baseline_rate=baseline[one],
            is_open=is_open[one].astype(bool),
            shifts=_shifts(opened[one], closed[one], starts[one], reopen_within),
            state="open" if state.is_open[one] else "watching" if ready[one] else "learning",
            threshold=float(heights[one]),
            overdispersion=float(weights[one] @ RHO),
            rho_weights=weights[one],
            units=float(state.seen_units[one] / max(1, state.seen_releases[one])),
            _terms=terms,
        )
        for one in range(streams)
    ]


def _heights(state: Streams, near: np.ndarray, ages: np.ndarray, budget: np.ndarray, terms: Terms) -> np.ndarray:
    units = state.seen_units[near] / np.maximum(1.0, state.seen_releases[near])
    return thresholds(units, state.baseline_rate[near], state.rho_weights[near], ages[near], budget[near], terms)


def _shifts(opened: np.ndarray, closed: np.ndarray, starts: np.ndarray, reopen_within: int) -> tuple[Shift, ...]:
    found: list[Shift] = []
    for at in np.flatnonzero(opened + closed):
        if closed[at] and found:
            found[-1] = Shift(found[-1].opened, found[-1].since, int(at), found[-1].reopened)
        if opened[at]:
            before = found[-1] if found else None
            if before and before.closed is not None and at - before.closed <= reopen_within:
                found[-1] = Shift(before.opened, before.since, None, (*before.reopened, int(at)))
            else:
                found.append(Shift(int(at), int(starts[at])))
    return tuple(found)


def _detectable(units: float, rate: float, rho_weights: np.ndarray, height: float, terms: Terms) -> float | None:
    rates = np.array([ratio * rate for ratio in RATIOS if ratio * rate < 1])
    if not units or not len(rates):
        return None
    rng = np.random.default_rng(0)
    truth = np.repeat(rates, SIMULATED)
    rho = rng.choice(RHO, len(truth), p=rho_weights)
    state = Streams.new(len(truth), rho_weights)
    state.units += 1e6
    state.defects += 1e6 * rate
    state.releases += 1000
    state.seen_releases += terms.learning_releases
    state.seen_units += terms.learning_units
    found = np.zeros(len(truth), bool)
    size = (1 - rho) / rho
    for _ in range(DETECTABLE_RELEASES):
        n = rng.poisson(units, len(truth))
        found |= step(state, rng.binomial(n, rng.beta(truth * size, (1 - truth) * size)), n, terms, height)[1]
    shares = found.reshape(len(rates), SIMULATED).mean(axis=1)
    enough = np.flatnonzero(shares >= DETECTABLE_SHARE)
    return float(rates[enough[0]]) if len(enough) else None


def _check(defects: np.ndarray, units: np.ndarray) -> None:
    if defects.shape != units.shape:
        raise InvalidInput(f"defects has shape {defects.shape}, units {units.shape}; they must be the same releases")
    if not defects.size:
        raise InvalidInput("there is no release to watch")
    wrong = ~((defects >= 0) & (defects <= units) & np.isfinite(units))
    if wrong.any():
        stream, release = np.argwhere(wrong)[0]
        raise InvalidInput(
            f"release {release} of stream {stream} has {defects[stream, release]:g} defects of"
            f" {units[stream, release]:g} units; counts must be 0 <= defects <= units"
        )
