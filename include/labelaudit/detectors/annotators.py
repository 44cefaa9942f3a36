"""Annotators over time: whose quality changed, when, and from what to what."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv

from labelaudit.detectors.consensus import codes_of, names_of
from labelaudit.errors import InvalidInput
from labelaudit.kernels.change_point import change_point

LEAST_LABELS = 15
"""On either side of a change: fewer don't make a rate."""


@dataclass(frozen=True)
class Drift:
    """By annotator (A,), sorted: annotators, labels given; p_value that no change would look like this, corrected for
    the number of annotators (Holm; 1 where there are too few labels to tell); changed, p_value <= level. Where changed:
    labels_before the change, changed_at the order of the first label after it, quality before and after with their
    95 % intervals. Elsewhere labels_before is -1, changed_at the first order, before and after that of all labels.
    """

    annotators: np.ndarray
    labels: np.ndarray
    p_value: np.ndarray
    changed: np.ndarray
    labels_before: np.ndarray
    changed_at: np.ndarray
    before: np.ndarray
    before_low: np.ndarray
    before_high: np.ndarray
    after: np.ndarray
    after_low: np.ndarray
    after_high: np.ndarray


def annotator_drift(right, annotators, order, level: float = 0.05, seed: int = 0) -> Drift:
    """Find annotators whose quality changed once for good or ill, with probability `level` of any false one.

    right (m,): bool, or the probability in [0, 1] that the label is right; annotators (m,); order (m,): times or
    running numbers; labels of the same time are not parted. The level holds where an annotator's items come in no order
    of difficulty: else give 0.5 + (right - the others' share on the same items) / 2. Raises InvalidInput.

    >>> found = annotator_drift([1] * 60 + [0, 1] * 30, ["ann"] * 120, range(120))
    >>> found.changed.tolist(), found.labels_before.tolist(), found.before.tolist(), found.after.tolist()
    ([True], [60], [1.0], [0.5])
    """
    right, annotators, order = np.asarray(right, dtype=np.float64), names_of(annotators), np.asarray(order)
    if not (right.shape == annotators.shape == order.shape and right.ndim == 1 and len(right)):
        raise InvalidInput(
            f"right, annotators and order must be (m,), m >= 1: {right.shape}, {annotators.shape}, {order.shape}"
        )
    check_right(right)
    if not 0 < level < 1:
        raise InvalidInput(f"level must be between 0 and 1, not {level}")
    people, codes = codes_of(annotators)
    sequence = np.lexsort((np.arange(len(order)), order, codes))
    edges = np.searchsorted(codes[sequence], np.arange(len(people) + 1))
    p, place = np.ones(len(people)), np.full(len(people), -1)
    for a in range(len(people)):
        rows = sequence[edges[a] : edges[a + 1]]
        if len(rows) >= 2 * LEAST_LABELS:
            times = order[rows]
            may = np.zeros(len(rows) + 1, bool)
            may[1:-1] = times[1:] != times[:-1]
            p[a], place[a], _ = change_point(right[rows], may, LEAST_LABELS, seed * len(people) + a + 1)
    p = _holm(p)
    changed = p <= level
    place[~changed] = -1
    split = np.where(changed, place, np.diff(edges))
    total = np.r_[0.0, np.cumsum(right[sequence])]
    middle = edges[:-1] + split
    before = total[middle] - total[edges[:-1]]
    after = np.where(changed, total[edges[1:]] - total[middle], before)
    n_before, n_after = split, np.where(changed, np.diff(edges) - split, split)
    first = np.where(changed, middle, edges[:-1])
    before_low, before_high = _interval(before, n_before)
    after_low, after_high = _interval(after, n_after)
    return Drift(
        annotators=people,
        labels=np.diff(edges),
        p_value=p,
        changed=changed,
        labels_before=place,
        changed_at=order[sequence[first]],
        before=before / n_before,
        before_low=before_low,
        before_high=before_high,
        after=after / n_after,
        after_low=after_low,
        after_high=after_high,
    )


def check_right(right: np.ndarray) -> None:
    strange = ~((right >= 0) & (right <= 1))
    if strange.any():
        row = int(np.flatnonzero(strange)[0])
        raise InvalidInput(f"right must be in [0, 1]: row {row} holds {right[row]}")


def _holm(p: np.ndarray) -> np.ndarray:
    """Holm, Scandinavian Journal of Statistics 6 (1979), as adjusted p-values."""
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(0, 1)
    out = np.empty(len(p))
    out[order] = steps
    return out


def _interval(right: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """95 % interval of right of n, by Jeffreys' prior: it takes sums of probabilities for right, as Wilson's would."""
    a, b = right + 0.5, np.maximum(n - right, 0) + 0.5
    return betaincinv(a, b, 0.025), betaincinv(a, b, 0.975)
