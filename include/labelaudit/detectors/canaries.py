"""Does the detector work on these data? Known wrong labels are planted in a copy, and it must find them.

An audit that finds nothing may mean that nothing is wrong, or that the predictions are useless: the share of planted
labels found (recall) tells the two apart. A useless model finds them too, for it flags nearly every label: so the share
of all labels flagged is counted beside. How many of the flags are right can't be learnt so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from labelaudit.kernels import confident

SHARE, LEAST, MOST = 0.05, 200, 2_000
"""Planted: this share of the labels, at least and at most so many, and no more than a tenth of them."""

AMBIGUITY = 0.75
"""Power of the predicted probabilities in the choice of a wrong label: people err where the item invites it."""


@dataclass(frozen=True)
class Canaries:
    """planted, wrong labels planted in rows that were trusted before; found, how many of them the detector took for
    wrong. The same *_anywhere: planted in rows drawn from all. flagged: the share of all labels that it took for
    wrong. found_anywhere / planted_anywhere - flagged (Youden's J) is 0 for a detector that knows nothing.
    """

    planted: int
    found: int
    planted_anywhere: int
    found_anywhere: int
    flagged: float


def try_detector(
    labels: np.ndarray,
    trusted: np.ndarray,
    pred_probs: np.ndarray | None,
    classes: int,
    find: Callable[[np.ndarray], np.ndarray],
    seed: int = 0,
) -> Canaries:
    """labels (m,) codes; trusted (m,) bool, rows that may be made wrong; pred_probs (m, K) by row; `find` gives, for
    labels (m,), the rows (m,) bool that it takes for wrong.

    The wrong label is drawn by the estimated confusion of classes times a power of its predicted probability; without
    predictions, by the shares of the other classes.
    """
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(labels))
    planted = min(MOST, max(LEAST, round(SHARE * len(labels))), -(-len(labels) // 10))
    if pred_probs is None:
        weights = np.tile(np.bincount(labels, minlength=classes) + 1.0, (len(rows), 1))
    else:
        noise, _ = confident.survey(labels, np.ascontiguousarray(pred_probs, np.float32))
        weights = confident.transition(noise.joint)[labels] * np.maximum(pred_probs, 1e-6) ** AMBIGUITY
    weights[np.arange(len(rows)), labels] = 0
    # the rows with the greatest log weight + Gumbel noise are a weighted sample without replacement
    likely = np.log(weights.sum(1)) if pred_probs is not None else np.zeros(len(labels))
    order = np.argsort(-(likely + rng.gumbel(size=len(labels))), kind="stable")
    recall = order[trusted[order]][:planted]
    found = find(_planted(labels, recall, weights, rng))[recall]
    anywhere = rows[:planted]
    taken = find(_planted(labels, anywhere, weights, rng))
    return Canaries(len(recall), int(found.sum()), planted, int(taken[anywhere].sum()), float(taken.mean()))


def _planted(labels: np.ndarray, rows: np.ndarray, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A copy of labels with wrong ones in `rows`, drawn by weights (m, K)."""
    steps = weights[rows].cumsum(1)
    copy = labels.copy()
    copy[rows] = (rng.random(len(rows))[:, None] * steps[:, -1:] >= steps).sum(1).clip(max=weights.shape[1] - 1)
    return copy
