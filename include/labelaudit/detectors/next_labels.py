"""Which rows to label next: where the model still errs most, and where labels are sparse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelaudit.detectors.duplicates import matrix
from labelaudit.errors import InvalidInput

CELL_ROWS, MOST_CELLS = 50, 64
PRIOR = 50.0
"""Errors that a slice's own record is shrunk with, towards what the model's margins promise (fewer were worse)."""
SPARSE = 0.5
"""Exponent of the distance to what is labelled or chosen already; 0 is uncertainty alone, 1 covers space first."""
CHOICE = 20
"""The rows to label are chosen among so many times their number, those of the highest value."""


@dataclass(frozen=True)
class NextLabels:
    """order (budget,) int, the unlabelled rows to label, the most valuable first; value (n,) >= 0 before any is taken:
    the expected error of a row times the root of its distance to the labelled rows as a share of the typical one, 0 for
    labelled rows. By slice (S,), the one that carries most first: slice_share of the expected remaining errors,
    slice_rows unlabelled and slice_labelled rows; and slice_of (n,) int, the slice of each row.
    """

    order: np.ndarray
    value: np.ndarray
    slice_of: np.ndarray
    slice_share: np.ndarray
    slice_rows: np.ndarray
    slice_labelled: np.ndarray


def label_next(features, pred_probs, labelled, wrong, budget: int, seed: int = 0) -> NextLabels:
    """Order the unlabelled rows by what a label is worth to the model.

    features: numbers (n, d); pred_probs: float (n, K), out of sample where a row is labelled; labelled: bool (n,);
    wrong: bool (n,), whether the prediction of a labelled row is wrong (elsewhere unused); budget: rows to order, at
    most the unlabelled ones. Raises InvalidInput.

    Expected error of a row: 1 - the margin of its two likeliest classes, times what the labelled rows of its slice (a
    cluster) show of errors, over what their margins promise, shrunk. Rows are taken one by one by expected error times
    the root of the distance to the nearest row that is labelled or taken: so not one spot is labelled again and again
    (uncertainty sampling with coverage; compare Sener and Savarese, ICLR 2018). benchmarks/dataset.py shows the gain.
    """
    rows, labelled, doubt, wrong = _checked(features, pred_probs, labelled, wrong)
    count = min(budget, int((~labelled).sum()))
    if budget < 1 or not count:
        raise InvalidInput(f"budget ({budget}) and the unlabelled rows ({int((~labelled).sum())}) must be 1 or more")
    cell = _cells(rows, seed)
    cells = int(cell.max()) + 1
    scale = wrong[labelled].mean() / max(doubt[labelled].mean(), 1e-9) if labelled.any() else 1.0
    seen = np.bincount(cell[labelled], weights=wrong[labelled], minlength=cells)
    promised = scale * np.bincount(cell[labelled], weights=doubt[labelled], minlength=cells)
    expected = np.where(labelled, 0.0, doubt * max(scale, 1e-3) * ((seen + PRIOR) / (promised + PRIOR))[cell])
    near = _distance_to(rows, np.flatnonzero(labelled))
    typical = np.median(near[~labelled])
    value = expected * (near / typical if typical > 0 else np.ones(len(near))) ** SPARSE
    unlabelled = np.flatnonzero(~labelled)  # of the copies of labelled rows the value is 0, as of those
    candidates = unlabelled[np.argsort(-value[unlabelled].round(12), kind="stable")[: CHOICE * count]]
    order = candidates[_spread(rows[candidates], expected[candidates], near[candidates], count)]
    carried = np.bincount(cell, weights=expected, minlength=cells)
    ranked = np.argsort(-carried, kind="stable")
    rank = np.argsort(ranked)
    return NextLabels(
        order,
        value,
        rank[cell],
        (carried / max(carried.sum(), 1e-300))[ranked],
        np.bincount(cell[~labelled], minlength=cells)[ranked],
        np.bincount(cell[labelled], minlength=cells)[ranked],
    )


def _spread(rows: np.ndarray, expected: np.ndarray, near: np.ndarray, count: int) -> np.ndarray:
    """Greedy: the best by expected error and distance to what is labelled or taken, `count` times."""
    near, left = near.copy(), np.ones(len(rows), bool)
    taken = np.empty(count, np.int64)
    for turn in range(count):
        worth = np.where(left, expected * near**SPARSE, -1.0)
        taken[turn] = best = int(np.argmax(worth))
        left[best] = False
        np.minimum(near, np.linalg.norm(rows - rows[best], axis=1), out=near)
    return taken


def _distance_to(rows: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Distance (n,) to the nearest of the rows `known`; 1 everywhere if there are none."""
    from sklearn.metrics import pairwise_distances_argmin_min

    if not len(known):
        return np.ones(len(rows))
    return pairwise_distances_argmin_min(rows, rows[known])[1].astype(np.float64)


def _cells(rows: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.cluster import MiniBatchKMeans

    count = int(np.clip(len(rows) // CELL_ROWS, 1, MOST_CELLS))
    fitted = MiniBatchKMeans(count, n_init=3, batch_size=2_048, random_state=seed).fit(rows)
    return np.unique(fitted.labels_, return_inverse=True)[1]


def _checked(features, pred_probs, labelled, wrong):
    rows = matrix(features).astype(np.float32)
    pred_probs, labelled, wrong = np.asarray(pred_probs, np.float64), np.asarray(labelled), np.asarray(wrong)
    n = len(rows)
    if pred_probs.ndim != 2 or len(pred_probs) != n or pred_probs.shape[1] < 2:
        raise InvalidInput(f"pred_probs must be (n, K) with n = {n}, K >= 2, not {pred_probs.shape}")
    good = (pred_probs >= 0).all(1) & (np.abs(pred_probs.sum(1) - 1) <= 0.05)
    if not good.all():
        raise InvalidInput(f"pred_probs[{int(np.argmin(good))}] is not a distribution")
    for name, mask in (("labelled", labelled), ("wrong", wrong)):
        if mask.shape != (n,) or mask.dtype != bool:
            raise InvalidInput(f"{name} must be bool (n,) with n = {n}, not {mask.dtype} {mask.shape}")
    top = np.partition(pred_probs, -2, axis=1)[:, -2:]
    return rows, labelled, 1 - (top[:, 1] - top[:, 0]), wrong
