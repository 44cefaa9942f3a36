"""One release's step of the self-starting beta-binomial CUSUM, over many streams at once. Arrays in, arrays out."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from labelaudit.kernels.beta_binomial import log_likelihood

RHO = np.array([1e-5, 0.001, 0.003, 0.01, 0.03, 0.1])
"""Overdispersions that are weighed against each other."""
RHO_WEIGHTS = np.array([0.35, 0.2, 0.18, 0.15, 0.09, 0.03])
"""How likely each is before a stream has shown its own."""
PRIOR_DEFECTS, PRIOR_UNITS = 0.5, 5.0
"""What is known of a rate beforehand: as much as half a defect of five units says."""
LAG = 5
"""Releases that the baseline stays behind: a shift that is under way does not teach it."""
STEP_LIMIT = 2.5
"""What one release can say before more of it counts by its logarithm: a single bad day is no incident, unless it is
one of several, or glaring."""
GLARING = (5.0, 10.0)
"""Times the baseline from which more defects are no weaker evidence: a wide overdispersion would explain them away."""
HALF_LIFE = 120.0
"""Releases after which the baseline has forgotten half: slow drift is no incident."""


@dataclass(frozen=True)
class Terms:
    """What a stream is watched for; see quality_terms.Regressions."""

    effect: float = 2.0
    learning_releases: int = 14
    learning_units: int = 200
    close_after: int = 5


DEFAULT = Terms()


@dataclass
class Streams:
    """The state of S streams between two releases."""

    defects: np.ndarray
    units: np.ndarray
    releases: np.ndarray
    seen_releases: np.ndarray
    seen_units: np.ndarray
    rho_evidence: np.ndarray  # (S, len(RHO)): log-likelihoods
    score: np.ndarray
    is_open: np.ndarray
    good: np.ndarray
    rho_prior: np.ndarray  # (len(RHO),)
    pending: list[tuple[np.ndarray, ...]] = field(default_factory=list)

    @classmethod
    def new(cls, streams: int, rho_prior: np.ndarray = RHO_WEIGHTS) -> Streams:
        def zeros() -> np.ndarray:
            return np.zeros(streams)

        return cls(
            zeros(),
            zeros(),
            zeros(),
            zeros(),
            zeros(),
            np.zeros((streams, len(RHO))),
            zeros(),
            np.zeros(streams, bool),
            np.zeros(streams, int),
            rho_prior,
        )

    @property
    def baseline_rate(self) -> np.ndarray:
        return (self.defects + PRIOR_DEFECTS) / (self.units + PRIOR_UNITS)

    @property
    def rho_weights(self) -> np.ndarray:
        """(S, len(RHO)), rows sum to 1."""
        weights = self.rho_prior * np.exp(self.rho_evidence - self.rho_evidence.max(axis=1, keepdims=True))
        return weights / weights.sum(axis=1, keepdims=True)

    def pool_rho(self) -> None:
        """Let the streams learn from each other: the prior becomes the mean of what each believes (empirical Bayes)."""
        self.rho_prior = np.vstack([RHO_WEIGHTS, self.rho_weights]).mean(axis=0)

    def restart(self, which: np.ndarray) -> None:
        """Forget the baseline of some streams (S,) bool; what is known of their overdispersion stays."""
        for name in ("defects", "units", "releases", "seen_releases", "seen_units", "score", "good"):
            getattr(self, name)[which] = 0
        self.is_open[which] = False
        for part in self.pending:
            for array in part:
                array[which] = 0

    def is_ready(self, terms: Terms) -> np.ndarray:
        return (self.seen_releases >= terms.learning_releases) & (self.seen_units >= terms.learning_units)


def step(
    state: Streams,
    defects: np.ndarray,
    units: np.ndarray,
    terms: Terms,
    threshold: np.ndarray | float,
    accepted: np.ndarray | bool = True,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Take one release in; changes `state`, and gives evidence (S,), opened and closed (S,) bool.

    accepted: whether the release may teach the baseline, should no incident be open.

    evidence: log-likelihood ratio of effect x baseline (and half as much again) against the baseline, under the
    beta-binomial, over what is known of the overdispersion; the baseline's own uncertainty adds to that. The score is
    its CUSUM (Page, Biometrika 41, 1954), self-starting (Hawkins, 1987): baseline and overdispersion are learnt from
    the stream itself, LAG releases behind, and not at all while an incident is open. A release without units says
    nothing.
    """
    defects, units = np.asarray(defects, float), np.asarray(units, float)
    there = units > 0
    rate = state.baseline_rate
    evidence = _evidence(state, defects, units, rate, terms)
    for most in GLARING:
        glaring = np.flatnonzero(defects > most * rate * units)
        if len(glaring):
            fewer = np.minimum(defects, most * rate * units)
            evidence[glaring] = np.maximum(evidence, _evidence(state, fewer, units, rate, terms))[glaring]
    evidence = np.where(there, evidence, 0.0)
    was_open, before = state.is_open, state.score
    state.score = np.where(state.is_ready(terms), np.maximum(0, before + evidence), 0.0)
    opened = ~was_open & (state.score > threshold)
    state.score = np.minimum(state.score, 2 * np.asarray(threshold))
    state.good = np.where(
        was_open & there, np.where(evidence <= 0, state.good + 1, 0), np.where(was_open, state.good, 0)
    )
    closed = was_open & (state.good >= terms.close_after)
    state.score = np.where(closed, 0.0, state.score)
    state.is_open = (was_open | opened) & ~closed
    state.seen_releases = state.seen_releases + there
    state.seen_units = state.seen_units + units
    _learn(state, defects, units, opened, ~state.is_open & there & accepted)
    return evidence, opened, closed


def _evidence(state: Streams, defects: np.ndarray, units: np.ndarray, rate: np.ndarray, terms: Terms) -> np.ndarray:
    unsure = 1 / (state.units + PRIOR_UNITS + 1)
    rho = np.minimum(RHO * (1 + 1 / np.maximum(state.releases, 1))[:, None] + unsure[:, None], 0.5)
    weights = state.rho_weights

    def likelihood(rates: np.ndarray) -> np.ndarray:
        logs = log_likelihood(defects[:, None], units[:, None], rates[:, None], rho)
        top = logs.max(axis=1)
        return np.log((weights * np.exp(logs - top[:, None])).sum(axis=1)) + top

    usual = likelihood(rate)
    worse = [likelihood(np.minimum(ratio * rate, (1 + rate) / 2)) - usual for ratio in _ratios(terms)]
    evidence = np.logaddexp(*worse) - np.log(len(worse))
    return np.minimum(evidence, STEP_LIMIT) + np.log1p(np.maximum(evidence - STEP_LIMIT, 0))


def _ratios(terms: Terms) -> tuple[float, float]:
    return terms.effect, 1.5 * terms.effect


def _learn(state: Streams, defects: np.ndarray, units: np.ndarray, opened: np.ndarray, taken: np.ndarray) -> None:
    state.pending.append((defects * taken, units * taken, taken.astype(float)))
    if opened.any():  # what led to the incident is no baseline
        for part in state.pending:
            for array in part:
                array[opened] = 0
    if len(state.pending) <= LAG:
        return
    # the overdispersion is seen best around the mean of all that is known, not of what came before only
    known = state.defects + sum(part[0] for part in state.pending)
    rate = (known + PRIOR_DEFECTS) / (state.units + sum(part[1] for part in state.pending) + PRIOR_UNITS)
    x, n, releases = state.pending.pop(0)
    logs = log_likelihood(x[:, None], n[:, None], rate[:, None], RHO)
    state.rho_evidence = state.rho_evidence + logs - logs.max(axis=1, keepdims=True)
    kept = np.where(releases > 0, 0.5 ** (1 / HALF_LIFE), 1.0)
    state.defects = state.defects * kept + x
    state.units = state.units * kept + n
    state.releases = state.releases * kept + releases
