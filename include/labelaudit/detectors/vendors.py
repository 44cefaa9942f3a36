"""Vendors compared fairly: a vendor that is given hard items is no bad vendor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv, ndtri
from scipy.stats import rankdata

from labelaudit.detectors.annotators import check_right
from labelaudit.detectors.consensus import codes_of, names_of
from labelaudit.errors import InvalidInput
from labelaudit.kernels.standardisation import Standardised, standardise

MOST_STRATA = 20
ROWS_A_STRATUM = 50


@dataclass(frozen=True)
class VendorQuality:
    """By vendor (V,), sorted: vendors, labels; raw share of right labels, with raw_low, raw_high; expected, the share
    of a middling vendor on the same items; adjusted, what the vendor's share would be on the items of all, with
    adjusted_low, adjusted_high; difference of adjusted to the middling vendor's, with its interval; differs: that
    interval leaves out 0. Intervals are 95 %, those of adjusted and difference at the least favourable reliability.
    """

    vendors: np.ndarray
    labels: np.ndarray
    raw: np.ndarray
    raw_low: np.ndarray
    raw_high: np.ndarray
    expected: np.ndarray
    adjusted: np.ndarray
    adjusted_low: np.ndarray
    adjusted_high: np.ndarray
    difference: np.ndarray
    difference_low: np.ndarray
    difference_high: np.ndarray
    differs: np.ndarray


def vendor_quality(right, vendors, difficulty, items=None, reliability: float = 0.7) -> VendorQuality:
    """Each vendor's share of right labels, raw and adjusted for how hard its items are.

    right (m,): bool, or the probability that the row's label is right; vendors (m,); difficulty: float (m,) or (m, D),
    one or several measures (greater is harder, NaN where unknown) that the vendor's own labels had no part in, such as
    from item_difficulty(); int (m,) or (m, D): strata as they are. items (m,): rows of the same item vary together.
    reliability: the least share of a float measure's variance within a vendor that is true difficulty, in (0, 1]. A
    measure that errs explains too little of the vendors' unequal items; what it may have missed is in the intervals.
    What makes items hard and is not measured at all stays with the vendor. Raises InvalidInput.

    >>> easy, hard = [1] * 9 + [0], [1] * 6 + [0] * 4
    >>> found = vendor_quality((easy * 10 + hard) + (easy + hard * 10), ["a"] * 110 + ["b"] * 110,
    ...                        ([0] * 100 + [1] * 10) + ([0] * 10 + [1] * 100))
    >>> found.raw.round(2).tolist(), found.adjusted.round(2).tolist(), found.differs.tolist()
    ([0.87, 0.63], [0.75, 0.75], [False, False])
    """
    right, vendors, difficulty = np.asarray(right, dtype=np.float64), names_of(vendors), np.asarray(difficulty)
    measures = difficulty.reshape(len(difficulty), -1) if difficulty.ndim else difficulty
    if not (right.ndim == 1 and len(right) and right.shape == vendors.shape and len(measures) == len(right)):
        raise InvalidInput(
            f"right and vendors must be (m,), difficulty (m,) or (m, D), m >= 1:"
            f" {right.shape}, {vendors.shape}, {difficulty.shape}"
        )
    check_right(right)
    if items is not None and np.shape(items) != right.shape:
        raise InvalidInput(f"items must be {right.shape}, not {np.shape(items)}")
    if not 0 < reliability <= 1:
        raise InvalidInput(f"reliability must be in (0, 1], not {reliability}")
    names, codes = codes_of(vendors)
    exact = reliability == 1 or measures.dtype.kind in "iub"
    fits, inflations = [], []
    for trust in (1.0,) if exact else (1.0, reliability):
        strata = np.stack([_strata(measures[:, d], codes, trust) for d in range(measures.shape[1])], 1)
        fit, middling, inflation = _fit(right, codes, strata, items, len(names))
        fits.append((fit, middling))
        inflations.append(inflation)
    labels = np.bincount(codes, minlength=len(names))
    total = np.bincount(codes, right, len(names))
    weight = labels / inflations[0]
    x = total / labels * weight
    low = np.min([fit.difference_low for fit, _ in fits], 0)
    high = np.max([fit.difference_high for fit, _ in fits], 0)
    return VendorQuality(
        vendors=names,
        labels=labels,
        raw=total / labels,
        raw_low=betaincinv(x + 0.5, weight - x + 0.5, 0.025),
        raw_high=betaincinv(x + 0.5, weight - x + 0.5, 0.975),
        expected=np.mean([middling for _, middling in fits], 0),
        adjusted=np.mean([fit.adjusted for fit, _ in fits], 0),
        adjusted_low=np.min([fit.low for fit, _ in fits], 0),
        adjusted_high=np.max([fit.high for fit, _ in fits], 0),
        difference=np.mean([fit.difference for fit, _ in fits], 0),
        difference_low=low,
        difference_high=high,
        differs=(low > 0) | (high < 0),
    )


def _fit(right, codes, strata, items, vendors: int) -> tuple[Standardised, np.ndarray, np.ndarray]:
    """The fit, the vendors' expected shares (V,), and by how much their variance exceeds that of independent rows."""
    key = codes.astype(np.int64)
    for column in strata.T:
        key = key * (int(column.max()) + 1) + column
    first, cell, n = np.unique(key, return_index=True, return_inverse=True, return_counts=True)[1:]
    cells, groups, sums = strata[first], codes[first], np.bincount(cell, right)
    standard = standardise(cells, groups, sums, n.astype(float))
    inflation = _inflation(right, standard.fitted[cell], codes, items, vendors)
    if items is not None:
        standard = standardise(cells, groups, sums, n.astype(float), inflation)
    expected = np.bincount(groups, standard.middling * n, vendors) / np.bincount(codes, minlength=vendors)
    return standard, expected, inflation


def item_difficulty(items, groups, labels, pred_probs=None) -> np.ndarray:
    """How hard each row's item is, as the other groups and the model see it: float (m, 2), NaN where there is nothing.

    items, groups (vendors), labels (m,), pred_probs (m, K) by row or None. First column: the chance that two labels of
    other groups disagree, (m,) from at least two labels; second: 1 - max of the item's predicted probabilities. A
    group's own labels have no part in it (the model should not be trained on them alone).
    """
    items, groups, labels = names_of(items), names_of(groups), np.asarray(labels)
    if not (items.shape == groups.shape == labels.shape and items.ndim == 1 and len(items)):
        raise InvalidInput(f"items, groups, labels must be (m,), m >= 1: {items.shape}, {groups.shape}, {labels.shape}")
    item, group, label = codes_of(items)[1], codes_of(groups)[1], codes_of(labels)[1]
    sizes = np.bincount(item)
    by_class = _Counts(item, label)
    own = _Counts(_pairs(item, group), label)
    # squares of the others' counts: sum_k (c_k - own_k)^2 over the classes that the group's labels touch
    others = sizes[item] - own.size
    squares = by_class.squares - own.cross(item, label) + own.squares
    pairs = others * (others - 1)
    out = np.full((len(items), 2), np.nan)
    enough = others >= 2
    out[enough, 0] = 1 - (squares[enough] - others[enough]) / pairs[enough]
    if pred_probs is not None:
        probs = np.asarray(pred_probs)
        if probs.ndim != 2 or len(probs) != len(items):
            raise InvalidInput(f"pred_probs must be ({len(items)}, K), one row a label, not {probs.shape}")
        out[:, 1] = 1 - probs.max(1)
    return out


class _Counts:
    """By row: size of its set of labels, and sum over classes of the squared counts."""

    def __init__(self, sets: np.ndarray, label: np.ndarray) -> None:
        self.sets = sets
        self.keys, self.cell, self.count = np.unique(_pairs(sets, label), return_inverse=True, return_counts=True)
        self.set_of = np.zeros(len(self.keys), np.int64)
        self.set_of[self.cell] = sets
        self.size = np.bincount(sets)[sets]
        self.squares = np.bincount(self.set_of, self.count.astype(float) ** 2)[sets]

    def cross(self, items: np.ndarray, label: np.ndarray) -> np.ndarray:
        """2 sum_k c_k own_k by row, c the counts of the row's item."""
        whole = np.unique(_pairs(items, label), return_inverse=True, return_counts=True)
        of_cell = np.zeros(len(self.keys))
        of_cell[self.cell] = whole[2][whole[1]]
        return 2 * np.bincount(self.set_of, self.count * of_cell)[self.sets]


def _pairs(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """One code for each pair of codes, counted from 0."""
    return np.unique(first.astype(np.int64) * (int(second.max()) + 1) + second, return_inverse=True)[1]


def _strata(measure: np.ndarray, vendors: np.ndarray, trust: float) -> np.ndarray:
    """Codes of whole numbers as they are; of floats by quantiles, NaN last.

    An erring float measure is first drawn to its vendor's mean by 1 - trust (regression calibration; Carroll et al.,
    "Measurement Error in Nonlinear Models", 2006, ch. 4), on the scale of normal scores.
    """
    if measure.dtype.kind in "iub":
        return np.unique(measure, return_inverse=True)[1]
    known = ~np.isnan(measure)
    if not known.any():
        return np.zeros(len(measure), np.int64)
    score = ndtri((rankdata(measure[known]) - 0.5) / known.sum())
    mean = np.bincount(vendors[known], score) / np.maximum(np.bincount(vendors[known]), 1)
    score = trust * score + (1 - trust) * mean[vendors[known]]
    count = int(np.clip(known.sum() // ROWS_A_STRATUM, 1, MOST_STRATA))
    edges = np.unique(np.quantile(score, np.arange(1, count) / count))
    out = np.full(len(measure), len(edges) + 1)
    out[known] = np.searchsorted(edges, score, side="left")
    return np.unique(out, return_inverse=True)[1]


def _inflation(right, fitted, codes, items, vendors: int) -> np.ndarray:
    """(V,), at least 1: the variance of a vendor's sum over items, to that of independent rows."""
    independent = np.bincount(codes, fitted * (1 - fitted), vendors)
    if items is None:
        return np.ones(vendors)
    away = right - fitted
    sets = _pairs(codes_of(names_of(items))[1], codes)
    of_set = np.zeros(int(sets.max()) + 1, np.int64)
    of_set[sets] = codes
    squares = np.bincount(of_set, np.bincount(sets, away) ** 2, vendors)
    return np.maximum(squares / np.maximum(independent, 1e-9), 1.0)
