"""The interval of a weighted sum of rates, each from its own small sample: pure functions over arrays."""

from __future__ import annotations

import numpy as np

from labelaudit.rates import Z95

STEPS = 44
REACH = 14.0
"""Bisection of the multiplier's logarithm, in units of the largest trials / weight, between -REACH and REACH."""


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
    1. Returns low (R,), high (R,): all sums whose best-fitting p lies within 1.92 of the log-likelihood's maximum.

    The p that fit best under a given sum solve p (1 - p) c w_h - p (n_h + c w_h) + n_h r_h = 0 for one multiplier c, so
    an end is found by bisection of c alone (Owen's profile for a weighted sum of binomials; no normal approximation of
    the estimate, so no trouble with zero defects).

    >>> low, high = weighted_interval(np.ones(1), np.array([20.0]), np.array([[0.0]]))
    >>> low.tolist(), (1 - np.exp(-Z95**2 / 40)).round(6) == high.round(6)
    ([0.0], array([ True]))
    """
    weights, rates = np.asarray(weights, float), np.atleast_2d(np.asarray(rates, float))
    trials = np.broadcast_to(np.asarray(trials, float), rates.shape)
    known = np.isinf(trials).all(axis=0)
    fixed = rates[:, known] @ weights[known]
    if known.all():
        return fixed, fixed.copy()
    open_ = ~known
    weights, rates = weights[open_], rates[:, open_]
    trials = np.minimum(trials[:, open_], 1e12)
    ends = [_end(weights, trials, rates, sign) for sign in (1.0, -1.0)]
    middle = rates @ weights
    return fixed + np.minimum(ends[0], middle), fixed + np.maximum(ends[1], middle)


def _end(weights: np.ndarray, trials: np.ndarray, rates: np.ndarray, sign: float) -> np.ndarray:
    unit = sign * (trials / weights).max(axis=1)
    near, far = np.full(len(rates), -REACH), np.full(len(rates), REACH)
    for _ in range(STEPS):
        middle = (near + far) / 2
        inside = _distance(trials, rates, _fitted(weights, trials, rates, unit * np.exp(middle))) <= Z95**2 / 2
        near, far = np.where(inside, middle, near), np.where(inside, far, middle)
    return _fitted(weights, trials, rates, unit * np.exp(near)) @ weights


def _fitted(weights: np.ndarray, trials: np.ndarray, rates: np.ndarray, multiplier: np.ndarray) -> np.ndarray:
    """The rates (R, H) of greatest likelihood for each multiplier (R,)."""
    pull = multiplier[:, None] * weights
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
    return (trials * (hit + miss)).sum(axis=1)
