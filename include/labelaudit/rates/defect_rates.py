"""Defect rates with 95 % intervals, from a human audit of a sample that is stratified by the detector's score.

`plans` says how many rows to audit and draws them; here their answers become rates. All functions are pure.
A *stratum* is a range of the score; `sizes` are its items, `audited` those that a person looked at, `defects` those
found to be wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from labelaudit.errors import InvalidInput
from labelaudit.rates.plans import AuditPlan, plan_audit
from labelaudit.rates.strata import allocate, draw, stratify
from labelaudit.rates.weighted import finite_trials, weighted_interval

__all__ = [
    "AuditPlan",
    "Rate",
    "allocate",
    "defect_rate",
    "domain_rate",
    "draw",
    "plan_audit",
    "pooled_rate",
    "ratio_rate",
    "stratify",
]


@dataclass(frozen=True)
class Rate:
    """A rate (0 to 1) with its 95 % interval; `audited` and `defects` of the sample, `items` it stands for."""

    value: float
    low: float
    high: float
    audited: float
    defects: float
    items: float


def defect_rate(sizes: ArrayLike, audited: ArrayLike, defects: ArrayLike) -> Rate:
    """The share of wrong items, from a sample by strata.

    sizes (H,) items by stratum, in the order of the score; audited (H,), at most sizes; defects (H,), at most audited
    and may be fractions. The value is sum_h W_h x_h / m_h, W_h = the stratum's share of the items; the interval is the
    profile likelihood's, with as many trials a stratum as the finite-population correction leaves. A stratum without
    audited items is pooled with the nearest that has some (of two equally near, the one of higher score). Where all
    items were audited the interval has no width.

    Raises InvalidInput where counts contradict each other, or nothing was audited.

    >>> rate = defect_rate([80, 20], [10, 20], [1, 10])
    >>> round(rate.value, 4), round(rate.low, 2), round(rate.high, 2)
    (0.18, 0.1, 0.42)
    """
    sizes, audited, defects = _counts(sizes, audited, defects)
    if not audited.sum():
        raise InvalidInput("nothing was audited, so there is no rate; draw a sample first")
    pooled, m, x = _without_gaps(sizes, audited, defects)
    weights, rates = pooled / pooled.sum(), x / m
    low, high = weighted_interval(weights, finite_trials(pooled, m), rates)
    return _rate(float(weights @ rates), low[0], high[0], audited.sum(), defects.sum(), sizes.sum())


def domain_rate(sizes: ArrayLike, audited: ArrayLike, defects: ArrayLike) -> Rate | None:
    """The rate of a part of the items: one vendor, class or annotator.

    sizes (H,) the part's items by stratum; audited and defects (H,) those of them that fell into the sample, which
    within a stratum is a random sample of the part as well. As `defect_rate`, with neighbouring strata pooled where
    none of the part was audited; None where nothing of the part was.

    >>> domain_rate([50, 50], [0, 0], [0, 0]) is None
    True
    """
    sizes, audited, defects = _counts(sizes, audited, defects)
    return defect_rate(sizes, audited, defects) if audited.sum() else None


def ratio_rate(
    sizes: ArrayLike, codes: ArrayLike, defects: ArrayLike, units: ArrayLike, total_units: ArrayLike
) -> Rate:
    """The share of wrong labels where an item has several, audited whole: the ratio estimator by strata.

    sizes (H,) items and total_units (H,) labels by stratum; of each audited item its stratum codes (m,), wrong labels
    defects (m,) and labels units (m,). Per stratum the rate is sum(defects) / sum(units) (Cochran, Sampling Techniques,
    3rd ed., section 6.11, separate ratio estimate); its trials are the audited labels, divided by the design effect:
    the linearised variance of all strata over the binomial one, drawn towards labels that are wrong item by item.
    `items` of the result are labels. With one label an item it equals `defect_rate`.

    >>> ratio_rate([10], [0, 0, 0, 0], [0, 1, 0, 0], [2, 2, 3, 1], [20]).value
    0.125
    """
    sizes, total = np.asarray(sizes, float), np.asarray(total_units, float)
    codes, d, u = np.asarray(codes, np.int64), np.asarray(defects, float), np.asarray(units, float)
    strata = len(sizes)
    if not codes.shape == d.shape == u.shape or total.shape != sizes.shape:
        raise InvalidInput("codes, defects and units need one entry an audited item; total_units one a stratum")
    if codes.size and not 0 <= codes.min() <= codes.max() < strata:
        raise InvalidInput(f"codes must lie between 0 and {strata - 1}")
    if (d < 0).any() or (d > u).any():
        raise InvalidInput("an item can't have more defects than labels")
    audited, x, m = (np.bincount(codes, of, strata) for of in (None, d, u))
    _counts(sizes, audited, np.zeros(strata))
    if not m.sum():
        raise InvalidInput("nothing was audited, so there is no rate; draw a sample first")
    group = _groups(total, m)
    pooled_sizes, pooled_audited, pooled_total, x, m = (
        np.bincount(group, of, group.max() + 1) for of in (sizes, audited, total, x, m)
    )
    weights, rates, of = pooled_total / pooled_total.sum(), x / m, group[codes]
    effect = _design_effect(weights, rates, m, of, d, u)
    trials = finite_trials(pooled_sizes, pooled_audited) * m / pooled_audited / effect
    low, high = weighted_interval(weights, trials, rates)
    return _rate(float(weights @ rates), low[0], high[0], float(u.sum()), float(d.sum()), float(total.sum()))


def pooled_rate(rates: Sequence[Rate], items: ArrayLike) -> Rate:
    """One rate of several releases, weighted by their items (R,).

    Each release counts as the random sample whose own interval would be as wide as the release's; the interval is then
    the profile likelihood's over releases as strata.

    >>> one = Rate(0.1, 0.05, 0.17, 100, 10, 500)
    >>> pooled = pooled_rate([one, one], [500, 500])
    >>> round(pooled.value, 3), pooled.low > one.low, pooled.high < one.high
    (0.1, True, True)
    """
    items = np.asarray(items, float)
    if not rates or items.shape != (len(rates),) or (items < 0).any() or not items.sum():
        raise InvalidInput("items needs one number of items a rate, and at least one above 0")
    kept = items > 0
    weights = items[kept] / items.sum()
    values, widths = np.array([(rate.value, rate.high - rate.low) for rate in rates])[kept].T
    low, high = weighted_interval(weights, _trials_of(values, widths), values)
    return _rate(
        float(weights @ values),
        low[0],
        high[0],
        sum(rate.audited for rate in rates),
        sum(rate.defects for rate in rates),
        items.sum(),
    )


def _rate(value: float, low: float, high: float, audited: float, defects: float, items: float) -> Rate:
    value = min(max(value, 0.0), 1.0)
    return Rate(
        value,
        min(max(float(low), 0.0), value),
        max(min(float(high), 1.0), value),
        *map(float, (audited, defects, items)),
    )


def _counts(*given: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    sizes, audited, defects = (np.asarray(counts, float) for counts in given)
    if sizes.ndim != 1 or not sizes.shape == audited.shape == defects.shape:
        raise InvalidInput("sizes, audited and defects need one entry a stratum")
    if not (np.isfinite(sizes).all() and (defects >= 0).all() and (defects <= audited).all()):
        raise InvalidInput("a stratum has more defects than audited items, or negative ones")
    if not (audited <= sizes).all():
        raise InvalidInput("a stratum has more audited items than items")
    return sizes, audited, defects


def _groups(sizes: np.ndarray, audited: np.ndarray) -> np.ndarray:
    """Stratum (H,) -> number of the audited stratum that stands for it."""
    seen = np.flatnonzero(audited > 0)
    ranks = np.arange(len(sizes))
    gap = np.abs(ranks[:, None] - seen)
    return len(seen) - 1 - gap[:, ::-1].argmin(axis=1)


def _without_gaps(sizes: np.ndarray, audited: np.ndarray, defects: np.ndarray) -> tuple[np.ndarray, ...]:
    group = _groups(sizes, audited)
    return tuple(np.bincount(group, of, group.max() + 1) for of in (sizes, audited, defects))


def _design_effect(
    weights: np.ndarray, rates: np.ndarray, m: np.ndarray, of: np.ndarray, d: np.ndarray, u: np.ndarray
) -> float:
    """Linearised variance over the binomial one, as if one more item had been found wholly wrong."""
    share = (weights / m) ** 2
    seen = float(share[of] @ (d - rates[of] * u) ** 2)
    binomial = float((share * m * rates * (1 - rates)).sum())
    whole = float(u @ u / u.sum())
    one = float(share.max())
    return max((seen + one * whole) / (binomial + one), 1e-9)


def _trials_of(values: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """Trials (R,) of the random sample with rate `values` whose interval is as wide as `widths`; infinite for 0."""
    low, high = np.full(len(values), np.log(1e-3)), np.full(len(values), np.log(1e10))
    for _ in range(50):
        middle = (low + high) / 2
        ends = [weighted_interval(np.ones(1), np.exp(middle)[:, None], values[:, None])][0]
        wide = ends[1] - ends[0] > widths
        low, high = np.where(wide, middle, low), np.where(wide, high, middle)
    return np.where(widths > 0, np.exp(low), np.inf)
