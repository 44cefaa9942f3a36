"""Items unlike the others: they belong to another dataset, or are broken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labelaudit.detectors.duplicates import is_texts, matrix
from labelaudit.errors import InvalidInput
from labelaudit.kernels import neighbours

NEAR, FAR = 10, 30
"""Neighbours whose mean distance counts: the few nearest, and more than a small cluster of outliers has."""
CUT = 3.0
"""A flag from this many (robust, upper-side) standard deviations above the median on."""
HASHED = 2**18


@dataclass(frozen=True)
class Outliers:
    """outlier_quality (n,) in (0, 1), low = unlike the others, 0.5 at the flags' cut; is_outlier (n,) bool."""

    outlier_quality: np.ndarray
    is_outlier: np.ndarray


def find_outliers(features, cut: float = CUT, seed: int = 0) -> Outliers:
    """Find the items that are unlike all others.

    features: numbers (n, d), n >= 3 (embeddings, pixels, scaled columns), or n texts. cut: flag from so many robust
    standard deviations on. Raises InvalidInput.

    Numbers: the logarithm of the mean distance to the 10 and to the 30 nearest neighbours, euclidean and (d > 2) of the
    directions, each against its own median and upper spread in these data; the largest of them counts. The distance to
    k neighbours is Ramaswamy, Rastogi and Shim's, SIGMOD 2000; ten are hidden by a small cluster of outliers, thirty
    are not. A ratio to the neighbours' own density (local outlier factor) was measured and is worse.
    Texts: how rare their words and character 3-grams are among the *other* texts (mean inverse document frequency),
    likewise the larger of both: another language, random letters, text that belongs elsewhere. Linear in the length.

    >>> found = find_outliers([[one / 10] for one in range(40)] + [[99.0]])
    >>> int(found.outlier_quality.argmin()), bool(found.is_outlier[40])
    (40, True)
    """
    if not cut > 0:
        raise InvalidInput(f"cut must be above 0, not {cut}")
    if is_texts(features):
        logs = _rarities(features)
    else:
        rows = matrix(features)
        if len(rows) < 3:
            raise InvalidInput(f"features must have 3 rows or more, not {len(rows)}")
        logs = _distances(rows, seed)
    deviation = np.max([_deviations(log) for log in logs], axis=0)
    return Outliers(1 / (1 + np.exp(np.clip(deviation - cut, -18, 36))), deviation > cut)


def _distances(rows: np.ndarray, seed: int) -> list[np.ndarray]:
    """Logarithms of the mean distances (n,)."""
    logs = []
    far = min(FAR, len(rows) - 1)
    for metric in ("euclidean", "cosine") if rows.shape[1] > 2 else ("euclidean",):
        distances = neighbours.nearest(rows, far, metric, seed=seed)[1]
        if metric == "cosine":
            distances = np.sqrt(2 * distances)
        for k in sorted({min(NEAR, far), far}):
            mean = distances[:, :k].mean(1)
            # among copies only, distances are 0: a floor far below what is typical keeps the logarithm finite
            floor = 1e-3 * np.median(mean[mean > 0]) if (mean > 0).any() else 1.0
            logs.append(np.log(np.maximum(mean, floor)))
    return logs


def _rarities(texts: Sequence[str]) -> list[np.ndarray]:
    """Means (n,) over a text's distinct n-grams, and words, of the logarithm of their inverse share of other texts."""
    from sklearn.feature_extraction.text import HashingVectorizer

    out = []
    for ngrams in ({"analyzer": "char_wb", "ngram_range": (3, 3)}, {"analyzer": "word"}):
        hashed = HashingVectorizer(n_features=HASHED, norm=None, alternate_sign=False, binary=True, **ngrams)
        terms = hashed.transform(texts)
        others = np.bincount(terms.indices, minlength=HASHED)[terms.indices] - 1
        row = np.repeat(np.arange(terms.shape[0]), np.diff(terms.indptr))
        total = np.bincount(row, weights=-np.log((others + 0.5) / terms.shape[0]), minlength=terms.shape[0])
        size = np.diff(terms.indptr)
        # a text without words is like any other as far as words go
        typical = np.median((total / np.maximum(size, 1))[size > 0]) if size.any() else 0.0
        out.append(np.where(size > 0, total / np.maximum(size, 1), typical))
    return out


def _deviations(values: np.ndarray) -> np.ndarray:
    """Robust standard deviations above the median: by the median excess of what lies above it."""
    excess = values - np.median(values)
    above = excess[excess > 1e-12]
    return excess / (1.4826 * np.median(above)) if len(above) else np.zeros(len(values))
