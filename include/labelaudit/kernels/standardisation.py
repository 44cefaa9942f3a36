"""Rates of groups made comparable: what a group's rate would be on the items of all groups.

    logit P(row is right)  =  sum_d beta_{d, bin_d(row)} + u_v,     u_v ~ N(0, tau^2)

bin_d: the row's stratum by the d-th measure of difficulty; u_v: what is due to group v. Fitted by penalised maximum
likelihood (Newton), tau^2 by EM on Laplace's approximation (Breslow and Clayton, JASA 88, 1993). The adjusted rate of v
is the mean over all rows' strata of the model's rate with u_v: direct standardisation (Lane and Nelder, Biometrics 38,
1982). Rows are first counted in cells of equal strata and group, so only the first pass sees them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ITERATIONS = 50
Z95 = 1.959963984540054
RIDGE = 0.05
"""Precision of the strata's effects about their mean: only for strata in which all is right, or nothing."""


@dataclass(frozen=True)
class Standardised:
    """By group (V,): adjusted rate with its 95 % interval low, high; difference to the rate of a middling group (the
    mean effect) likewise; by cell: fitted rate, and middling, what it would be in a middling group.
    """

    adjusted: np.ndarray
    low: np.ndarray
    high: np.ndarray
    difference: np.ndarray
    difference_low: np.ndarray
    difference_high: np.ndarray
    fitted: np.ndarray
    middling: np.ndarray


def standardise(
    strata: np.ndarray, groups: np.ndarray, right: np.ndarray, n: np.ndarray, inflation: np.ndarray | None = None
) -> Standardised:
    """strata (cells, D) int, bins counted from 0; groups (cells,) int; right of n (cells,) float.

    inflation (V,), by group: how much more its sums vary than those of independent rows; its rows then count for so
    much less.

    >>> both = standardise(np.array([[0], [1], [0], [1]]), np.array([0, 0, 1, 1]), np.array([90.0, 6, 9, 60]),
    ...                    np.array([100.0, 10, 10, 100]))
    >>> both.adjusted.round(2).tolist()
    [0.75, 0.75]
    """
    bins = strata.max(0) + 1
    offsets = np.r_[0, np.cumsum(bins)]
    columns = strata + offsets[:-1]
    people, fixed = int(groups.max()) + 1, int(offsets[-1])
    width = fixed + people
    weight = np.ones(people) if inflation is None else 1 / inflation
    x, m = right * weight[groups], n * weight[groups]
    where = np.concatenate([columns, (fixed + groups)[:, None]], 1)
    total = (x.sum() / m.sum()).clip(1e-4, 1 - 1e-4)
    mean = np.log(total / (1 - total)) / strata.shape[1]
    beta = np.r_[np.full(fixed, mean), np.zeros(people)]
    centre = beta.copy()
    variance = 0.5
    for _ in range(ITERATIONS):
        p = _rate(beta[where].sum(1))
        penalty = np.r_[np.full(fixed, RIDGE), np.full(people, 1 / variance)]
        gradient = np.bincount(where.ravel(), np.repeat(x - m * p, where.shape[1]), width) - penalty * (beta - centre)
        curvature = np.diag(penalty)
        bend = m * p * (1 - p)
        for first in range(where.shape[1]):
            for second in range(where.shape[1]):
                np.add.at(curvature, (where[:, first], where[:, second]), bend)
        covariance = np.linalg.inv(curvature)
        step = (covariance @ gradient).clip(-2, 2)
        beta += step
        effect = beta[fixed:]
        before, variance = variance, float((effect**2 + covariance.diagonal()[fixed:]).mean().clip(0.003, 4))
        if np.abs(step).max() < 1e-6 and abs(variance - before) < 1e-6:
            break
    kinds, counts = _mix(columns, n)
    share = counts / counts.sum()
    level = beta[kinds].sum(1)[:, None]
    mean = effect.mean()
    contrast = np.eye(people) - 1 / people
    reach = Z95 * np.sqrt((contrast @ covariance[fixed:, fixed:] @ contrast).diagonal().clip(0))
    rates = _rate(level + effect)
    adjusted, middling = share @ rates, float(share @ _rate(level[:, 0] + mean))
    # d adjusted / d beta: of the strata in the mix, and of the group itself
    slopes = share[:, None] * rates * (1 - rates)
    gradient = np.zeros((people, width))
    for column in kinds.T:
        np.add.at(gradient.T, column, slopes)
    gradient[np.arange(people), fixed + np.arange(people)] = slopes.sum(0)
    error = np.sqrt(((gradient @ covariance) * gradient).sum(1).clip(0)) / (adjusted * (1 - adjusted))
    logit = np.log(adjusted / (1 - adjusted))
    return Standardised(
        adjusted=adjusted,
        low=_rate(logit - Z95 * error),
        high=_rate(logit + Z95 * error),
        difference=adjusted - middling,
        difference_low=share @ _rate(level + effect - reach) - middling,
        difference_high=share @ _rate(level + effect + reach) - middling,
        fitted=_rate(beta[where].sum(1)),
        middling=_rate(beta[columns].sum(1) + mean),
    )


def _rate(logit: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logit))


def _mix(columns: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct strata, and the rows in each."""
    kinds, codes = np.unique(columns, axis=0, return_inverse=True)
    return kinds, np.bincount(codes.ravel(), n)
