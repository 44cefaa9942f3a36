"""Agreement between annotators, each coefficient with a 95 % interval over items.

Items of fewer than two labels say nothing of agreement and are left out. Items i = 1..n of m_i labels, c_ik of class k:

    raw     P   = mean_i sum_k c_ik (c_ik - 1) / (m_i (m_i - 1))       share of pairs that agree, each item counted once
    Fleiss  (P - P_e) / (1 - P_e),   P_e = sum_k p_k^2,   p_k = mean_i c_ik / m_i
    alpha   1 - D_o / D_e,   D_o = sum_i (m_i^2 - sum_k c_ik^2) / (m_i - 1) / N,
            D_e = (N^2 - sum_k C_k^2) / (N (N - 1))

with N, C_k the sums of m_i, c_ik. Fleiss, "Measuring nominal scale agreement among many raters", Psychological Bulletin
76 (1971), for items of unequal m_i as in Gwet, "Handbook of Inter-Rater Reliability" (2014), ch. 2: every item counts
once. Krippendorff, "Content Analysis" (2004), ch. 11: every label counts once.

Intervals: linearised (delta method) over items, on the scale of the logarithm of the disagreement 1 - coefficient, with
Student's quantile of n - 1: it keeps its 95 % at high agreement, where a symmetric one does not. Nothing but two passes
over blocks of items is needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

BLOCK_ITEMS = 65_536


@dataclass(frozen=True)
class Interval:
    """value with its 95 % interval low to high."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Coefficients:
    """alpha, fleiss, raw; prevalence by class (K,) with prevalence_low, prevalence_high; of how many items, labels."""

    alpha: Interval
    fleiss: Interval
    raw: Interval
    prevalence: np.ndarray
    prevalence_low: np.ndarray
    prevalence_high: np.ndarray
    items: int
    labels: int


def coefficients(start: np.ndarray, given: np.ndarray, classes: int) -> Coefficients | None:
    """All of them; None where no item has two labels. Item i has the labels given[start[i] : start[i + 1]], codes.

    >>> found = coefficients(np.array([0, 2, 4, 6]), np.array([0, 0, 1, 1, 0, 1]), 2)
    >>> round(found.alpha.value, 3), round(found.fleiss.value, 3), round(found.raw.value, 3)
    (0.444, 0.333, 0.667)
    """
    n = int((np.diff(start) >= 2).sum())
    if not n:
        return None
    totals, shares = np.zeros((2, classes))
    apart = pairs_apart = 0.0
    for counts, size in _blocks(start, given, classes):
        totals += counts.sum(0)
        shares += (counts / size[:, None]).sum(0)
        u, d = _disagreement(counts, size)
        apart += u.sum()
        pairs_apart += d.sum()
    labels = totals.sum()
    expected = (labels**2 - (totals**2).sum()) / (labels - 1)  # D_e N
    p, disagreed = shares / n, pairs_apart / n
    chance = 1 - (p**2).sum()

    squares, by_class = np.zeros(3), np.zeros(classes)
    for counts, size in _blocks(start, given, classes):
        u, d = _disagreement(counts, size)
        share = counts / size[:, None]
        own = (2 * labels * size - 2 * counts @ totals) / (labels - 1) - size * expected / (labels - 1)
        ratios = np.zeros((3, len(size)))
        if apart:
            ratios[0] = u / apart - own / expected
            ratios[2] = d / pairs_apart - 1 / n
            ratios[1] = ratios[2] + 2 * (share @ p - (p**2).sum()) / (n * chance)
        squares += (ratios**2).sum(1)
        by_class += ((share - p) ** 2).sum(0)
    quantile = float(stdtrit(max(n - 1, 1), 0.975))
    reach = quantile * np.sqrt(squares * n / max(n - 1, 1))
    sure = 1 - 0.025 ** (1 / n)  # so many items may be otherwise though none of n is
    margin = quantile * np.sqrt(by_class) / max(n - 1, 1)
    low, high = _share_interval(p, margin)
    return Coefficients(
        alpha=_interval(apart / expected if expected else 0.0, reach[0], sure / max(expected / labels, 1 / labels)),
        fleiss=_interval(disagreed / chance if chance > 1e-12 else 0.0, reach[1], sure / max(chance, 0.5 / n)),
        raw=_interval(disagreed, reach[2], sure, 0.0),
        prevalence=p,
        prevalence_low=low,
        prevalence_high=high,
        items=n,
        labels=int(labels),
    )


def _blocks(start: np.ndarray, given: np.ndarray, classes: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Counts (b, K) and sizes (b,) of the items of two labels or more, block by block."""
    for first in range(0, len(start) - 1, BLOCK_ITEMS):
        edges = start[first : first + BLOCK_ITEMS + 1]
        size = np.diff(edges)
        flat = np.repeat(np.arange(len(size)) * classes, size) + given[edges[0] : edges[-1]]
        counts = np.bincount(flat, minlength=len(size) * classes).reshape(-1, classes)
        several = size >= 2
        if several.any():
            yield counts[several].astype(float), size[several].astype(float)


def _disagreement(counts: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The item's term of D_o N, and its share of pairs that disagree."""
    apart = (size**2 - (counts**2).sum(1)) / (size - 1)
    return apart, apart / size


def _interval(ratio: float, reach: float, bound: float, least: float = -1.0) -> Interval:
    """1 - ratio, from the ratio's relative 95 % reach; where all items are alike, from what the next ones may be."""
    value = float(1 - ratio)
    if reach > 0:
        low, high = 1 - ratio * np.exp(reach), 1 - ratio * np.exp(-reach)
    else:
        low, high = value - bound, value + bound
    return Interval(value, float(max(low, least)), float(min(high, 1.0)))


def _share_interval(share: np.ndarray, margin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """On the logit scale, so that it stays within 0 and 1."""
    spread = share * (1 - share)
    inside = spread > 0
    logit = np.log(share, where=inside, out=np.zeros_like(share)) - np.log1p(-share, where=inside, out=share * 0)
    reach = np.divide(margin, spread, where=inside, out=np.zeros_like(share))
    low, high = 1 / (1 + np.exp(reach - logit)), 1 / (1 + np.exp(-reach - logit))
    return np.where(inside, low, share), np.where(inside, high, share)
