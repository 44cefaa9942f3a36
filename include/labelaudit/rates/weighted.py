"""The interval of a weighted sum of rates, each from its own small sample: pure functions over arrays."""

from __future__ import annotations

from math import ceil, log

import numpy as np

from labelaudit.rates.intervals import Z95

SMALL, RARE = 1.0, 0.56
"""By how much the likelihood's limit is too near for few trials and for few surprises; see `_limit`."""
TRIED_AT_ONCE, MOST_POINTS, HALVINGS = 512, 24, 32
REACH = 14.0
"""The multiplier's logarithm, in units of the largest trials / weight, lies between -REACH and REACH."""


def finite_trials(sizes: np.ndarray, audited: np.ndarray) -> np.ndarray:
    """Draws with replacement that tell as much as `audited` (H,) of `sizes` (H,) without; infinite where all are.

    The finite-population correction (N - m) / (N - 1) of the variance, turned into a number of trials.

    >>> finite_trials(np.array([101.0, 5.0]), np.array([51.0, 5.0])).tolist()
    [102.0, inf]
    """
    sizes, audited = np.asarray(sizes, float), np.asarray(audited, float)
    left = sizes - audited
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(left > 0, audited * (sizes - 1) / left, np.inf)


def weighted_interval(weights: np.ndarray, trials: np.ndarray, rates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """95 % interval of sum_h weights_h p_h by the profile likelihood.

    weights (H,) above 0; trials (H,) or (R, H) above 0, infinite where the rate is known; rates (R, H) observed, 0 to
    1. Returns low (R,), high (R,): all sums whose best-fitting p lies within about 1.92 (see `_limit`) of the
    log-likelihood's maximum.

    The p that fit best under a given sum solve p (1 - p) c w_h - p (n_h + c w_h) + n_h r_h = 0 for one multiplier c, so
    an end is found by bisection of c alone (Owen's profile for a weighted sum of binomials; no normal approximation of
    the estimate, so no trouble with zero defects).

    >>> low, high = weighted_interval(np.ones(1), np.array([20.0]), np.array([[0.0]]))
    >>> from math import exp
    >>> float(low[0]), round(float(high[0]), 5), round(1 - exp(-(1 + 1 / 20 + 0.56) * Z95**2 / 2 / 20), 5)
    (0.0, 0.14326, 0.14326)
    """
    rates = np.atleast_2d(np.asarray(rates, float))
    trials = np.broadcast_to(np.asarray(trials, float), rates.shape)
    weights = np.broadcast_to(np.asarray(weights, float), rates.shape)
    known = np.isinf(trials)
    free, trials = np.where(known, 0.0, weights), np.where(known, 1.0, trials)
    limit = _limit(free, trials, rates)
    middle = (weights * rates).sum(axis=1)
    low, high = (middle + (free * (_end(free, trials, rates, limit, sign) - rates)).sum(axis=1) for sign in (1.0, -1.0))
    return np.clip(low, 0.0, middle), np.clip(high, middle, weights.sum(axis=1))


def _end(weights: np.ndarray, trials: np.ndarray, rates: np.ndarray, limit: np.ndarray, sign: float) -> np.ndarray:
    """The best-fitting rates (R, H) at one end; a rate of weight 0 stays as observed."""
    with np.errstate(divide="ignore"):
        unit = sign * np.where(weights > 0, trials / weights, 0.0).max(axis=1)
    near, far = np.full(len(rates), -REACH), np.full(len(rates), REACH)
    points = int(np.clip(TRIED_AT_ONCE // max(len(rates), 1), 1, MOST_POINTS))
    parts = np.arange(1, points + 1) / (points + 1)
    for _ in range(ceil(HALVINGS * log(2) / log(points + 1))):
        step = far - near
        multiplier = unit[:, None] * np.exp(near[:, None] + step[:, None] * parts)
        fitted = _fitted(weights[:, None], trials[:, None], rates[:, None], multiplier)
        inside = (_distance(trials[:, None], rates[:, None], fitted) <= limit[:, None]).sum(axis=1)
        near, far = near + step * inside / (points + 1), near + step * (inside + 1) / (points + 1)
    return _fitted(weights, trials, rates, unit * np.exp(near))


def _limit(weights: np.ndarray, trials: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """Loss of log-likelihood (R,) at the ends: 1.92, and more for small samples.

    Our own corrections, set on made populations: 1 + SMALL / n for n trials (their mean by variance), and 1 +
    RARE / (1 + s) for s surprises, answers other than their stratum's usual one, which makes the upper end of a rate
    without defects the mid-p one, 3.0 / n. Surprises count by the square of their step in the sum.
    """
    step = weights / trials
    few = _ratio((step**2).sum(axis=1), (step**2 * trials).sum(axis=1))
    largest = step.max(axis=1, keepdims=True)
    relative = _ratio(step, np.broadcast_to(largest, step.shape))
    surprises = (relative**2 * trials * np.minimum(rates, 1 - rates)).sum(axis=1)
    return Z95**2 / 2 * (1 + SMALL * few + RARE / (1 + surprises))


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _fitted(weights: np.ndarray, trials: np.ndarray, rates: np.ndarray, multiplier: np.ndarray) -> np.ndarray:
    """The rates (R, H) of greatest likelihood for each multiplier (R,)."""
    pull = multiplier[..., None] * weights
    both = trials + pull
    root = np.sqrt(np.maximum(both * both - 4 * pull * trials * rates, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        fitted = np.where(both > 0, 2 * trials * rates / (both + root), (both - root) / (2 * pull))
    return np.clip(fitted, 0.0, 1.0)


def _distance(trials: np.ndarray, rates: np.ndarray, fitted: np.ndarray) -> np.ndarray:
    """Loss of log-likelihood (R,) against the observed rates."""
    with np.errstate(divide="ignore", invalid="ignore"):
        hit = np.where(rates > 0, rates * np.log(rates / fitted), 0.0)
        miss = np.where(rates < 1, (1 - rates) * np.log((1 - rates) / (1 - fitted)), 0.0)
    return (trials * (hit + miss)).sum(axis=-1)
