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


CANDIDATES = 10
"""Rows that are looked at for each one planted: the choice costs the same however many rows there are."""


@dataclass(frozen=True)
class Canaries:
    """planted, wrong labels planted in rows that were trusted before; found, how many of them the detector took for
    wrong. The same *_anywhere: planted in rows drawn from all `judged` ones. flagged: of the judged rows, how many it
    took for wrong. found_anywhere / planted_anywhere - flagged / judged (Youden's J) is 0 for one that knows nothing.
    """

    planted: int
    found: int
    planted_anywhere: int
    found_anywhere: int
    flagged: int
    judged: int


def try_detector(
    labels: np.ndarray,
    judged: np.ndarray,
    trusted: np.ndarray,
    pred_probs: np.ndarray | None,
    classes: int,
    find: Callable[[np.ndarray], np.ndarray],
    seed: int = 0,
) -> Canaries:
    """labels (m,) codes; judged (m,) bool, rows that the detector can judge at all; trusted (m,) bool, those that it
    took for right; pred_probs (m, K) by row; `find` gives, for labels (m,), the rows (m,) bool that it takes for wrong.

    The wrong label is drawn by the estimated confusion of classes times a power of its predicted probability; without
    predictions, by the shares of the other classes.
    """
    rng = np.random.default_rng(seed)
    rows = rng.permutation(np.flatnonzero(judged))
    planted = min(MOST, max(LEAST, round(SHARE * len(rows))), -(-len(rows) // 10))
    anywhere = rows[:planted]
    trusted_rows = rows[trusted[rows]][: CANDIDATES * planted]
    weigh = _weights(labels, pred_probs, classes)
    # the rows with the greatest log weight + Gumbel noise are a weighted sample without replacement
    likely = np.log(weigh(trusted_rows).sum(1)) if pred_probs is not None else np.zeros(len(trusted_rows))
    recall = trusted_rows[np.argsort(-(likely + rng.gumbel(size=len(trusted_rows))), kind="stable")[:planted]]
    found = find(_planted(labels, recall, weigh(recall), rng))[recall]
    taken = find(_planted(labels, anywhere, weigh(anywhere), rng))
    return Canaries(
        planted=len(recall),
        found=int(found.sum()),
        planted_anywhere=len(anywhere),
        found_anywhere=int(taken[anywhere].sum()),
        flagged=int(taken[rows].sum()),
        judged=len(rows),
    )


def _weights(labels: np.ndarray, pred_probs: np.ndarray | None, classes: int) -> Callable[[np.ndarray], np.ndarray]:
    """Gives, for rows (r,), how likely each class is to be planted there: (r, K), 0 for the given label."""
    if pred_probs is None:
        shares = np.bincount(labels, minlength=classes) + 1.0
    else:
        noise, _ = confident.survey(labels, np.ascontiguousarray(pred_probs, np.float32))
        confusion = confident.transition(noise.joint)

    def weigh(rows: np.ndarray) -> np.ndarray:
        if pred_probs is None:
            weights = np.tile(shares, (len(rows), 1))
        else:
            weights = confusion[labels[rows]] * np.maximum(pred_probs[rows], 1e-6) ** AMBIGUITY
        weights[np.arange(len(rows)), labels[rows]] = 0
        return weights

    return weigh


def _planted(labels: np.ndarray, rows: np.ndarray, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A copy of labels with wrong ones in `rows` (r,), drawn by weights (r, K)."""
    steps = weights.cumsum(1)
    copy = labels.copy()
    copy[rows] = (rng.random(len(rows))[:, None] * steps[:, -1:] >= steps).sum(1).clip(max=weights.shape[1] - 1)
    return copy
