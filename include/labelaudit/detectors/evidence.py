"""Several sources of evidence for one set of labels: predictions of several models, and of nearest neighbours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labelaudit.errors import InvalidInput
from labelaudit.kernels.mixture import mixing_weights

NEIGHBOURS = 15
WEIGHED_ROWS = 100_000
"""Rows that decide the weights: evenly spread, so the same for the same rows."""


def pooled(labels: np.ndarray, models: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """One prediction from several: (pred_probs (n, K) float32, weights (M,) that sum to 1).

    labels int (n,); models: M arrays (n, K), each out of sample. The mixture under which the given labels are
    likeliest: a model that adds nothing gets next to no weight, so a poor one does little harm.
    """
    step, rows = max(1, len(labels) // WEIGHED_ROWS), np.arange(len(labels))
    own = np.stack([model[rows[::step], labels[::step]] for model in models], 1)
    weights = mixing_weights(np.maximum(own, 1e-6, dtype=np.float64))
    out = np.zeros_like(models[0], np.float32)
    for weight, model in zip(weights, models, strict=True):
        out += np.float32(weight) * model
    return out, weights


def neighbour_probs(labels: np.ndarray, features: np.ndarray, classes: int) -> np.ndarray:
    """What the labels of the nearest other rows say, (n, K) float32: out of sample, for no row votes on itself.

    labels int (n,); features float (n, d), columns of comparable scale, or an embedding. Votes of the NEIGHBOURS
    nearest rows, and one more shared by all classes as in the whole. (Zhu, Dong, Liu, "Detecting corrupted labels
    without training a model to predict", ICML 2022, judge by such votes alone.)
    """
    from labelaudit.kernels.neighbours import nearest

    features = np.asarray(features, np.float32)
    if features.ndim != 2 or len(features) != len(labels):
        raise InvalidInput(f"features must be (n, d) with n = {len(labels)}, not {features.shape}")
    if not np.isfinite(features).all():
        row = int(np.flatnonzero(~np.isfinite(features).all(1))[0])
        raise InvalidInput(f"features[{row}] holds a number that is not finite; fill or leave out such rows")
    k = min(NEIGHBOURS, len(labels) - 1)
    votes = np.tile(np.bincount(labels, minlength=classes) / len(labels), (len(labels), 1)).astype(np.float32)
    if k:
        neighbours = labels[nearest(features, k)[0]]
        rows = np.repeat(np.arange(len(labels)), k)
        votes += np.bincount(rows * classes + neighbours.ravel(), minlength=votes.size).reshape(votes.shape)
    return votes / (k + 1)
