"""Out-of-sample predicted probabilities by scikit-learn, from what the contract names.

Cross-validated: no item is predicted by a model that saw it. Copies of one item (equal features) stay in one fold, or a
wrong label would vouch for itself. For embeddings and columns of numbers, the votes of the nearest neighbours are mixed
in as far as they predict the labels. Seeds come from the contract; the same rows give the same probabilities.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from labelaudit.contracts.model import Contract
from labelaudit.detect.sources import source_of

FOLDS = 5


def predict(
    contract: Contract,
    features: Sequence[Any] | np.ndarray,
    labels: np.ndarray,
    wanted: np.ndarray,
    progress: Callable[[int, int], None] | None = None,
    classes: int | None = None,
) -> np.ndarray:
    """Probabilities (n, K) float32 of the `wanted` items (n,) bool, out of sample; NaN in the rows of the others.

    features: one per item (texts, or a float matrix (n, d)); labels (n,) int codes to train on, of so many `classes`
    (default: the contract's). A class that a training part lacks gets a small probability, not none. With fewer than
    two classes, or two groups, all get the class shares.
    """
    from labelaudit.detectors.evidence import pooled

    classes = classes or len(contract.classes)
    shares = (np.bincount(labels, minlength=classes) + 1) / (len(labels) + classes)
    out = np.full((len(labels), classes), np.nan, np.float32)
    groups = _groups(features)
    folds = _folds(groups, labels, contract.seed)
    if len(np.unique(labels)) < 2 or folds.max() == 0:
        out[wanted] = shares
        return out
    source = source_of(contract)
    matrix = source.matrix(features)
    made = [out.copy() for _ in source.models(contract, 1)]
    for fold in range(folds.max() + 1):
        if progress:
            progress(fold, int(folds.max()) + 1)
        here = (folds == fold) & wanted
        rest = folds != fold
        if not here.any():
            continue
        one_class = len(np.unique(labels[rest])) < 2
        for part, model in zip(made, source.models(contract, int(rest.sum())), strict=True):
            given = np.tile(shares * 1e-2, (int(here.sum()), 1))
            if not one_class:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # convergence: the probabilities are judged by the benchmark
                    model.fit(matrix[rest], labels[rest])
                given[:, model.classes_] += model.predict_proba(matrix[here])
            part[here] = given / given.sum(1, keepdims=True)
    out[wanted] = pooled(labels[wanted], [part[wanted] for part in made])[0] if len(made) > 1 else made[0][wanted]
    return out


def _groups(features: Sequence[Any] | np.ndarray) -> np.ndarray:
    """A number for each distinct feature value: copies of one item get the same."""
    if isinstance(features, np.ndarray):
        keys = [hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in np.ascontiguousarray(features)]
    else:
        keys = [" ".join(text.split()).casefold() for text in features]
    number = {key: code for code, key in enumerate(sorted(set(keys)))}
    return np.array([number[key] for key in keys], np.int64)


def _folds(groups: np.ndarray, labels: np.ndarray, seed: int) -> np.ndarray:
    """Fold of each row: whole groups, classes spread evenly, classes with fewer examples than folds too."""
    first = np.unique(groups, return_index=True)[1]
    count = min(FOLDS, len(first))
    order = np.random.default_rng(seed).permutation(len(first))
    order = order[np.argsort(labels[first[order]], kind="stable")]
    fold_of_group = np.empty(len(first), np.int64)
    fold_of_group[order] = np.arange(len(first)) % max(count, 1)
    return fold_of_group[groups]
