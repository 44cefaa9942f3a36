"""Items that are there twice: exact copies, near copies, and copies whose labels differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from labelaudit.errors import InvalidInput
from labelaudit.kernels import minhash, neighbours

NEIGHBOURS = 20
"""Neighbours looked at. 20 near copies of one item hide each other: nothing else is left to compare with; and so do six
or more of nearly every item, which then are what is usual in these data. Exact copies never do.
"""
FALSE_RATE = 0.05
"""Bound on the expected share of false ones among the near copies of a matrix."""
WIDEST = 0.5
"""A near copy is at most so far away, as a share of the distance to the NEIGHBOURS-th neighbour."""
TEXT_SIMILARITY = 0.6


@dataclass(frozen=True)
class Duplicates:
    """group (n,) int, -1: no copies; groups are numbered in the order of their first row. kind (n,) text: "exact" where
    the row has a copy of the same content, "near" where it has near copies only, "" otherwise. is_conflict (n,) bool:
    its group holds different labels. nearest (n,) int, the most similar other row, -1: none is similar at all;
    distance (n,) to it, 0 for the same content (texts: 1 - Jaccard similarity, 1 where nearest is -1).
    """

    group: np.ndarray
    kind: np.ndarray
    is_conflict: np.ndarray
    nearest: np.ndarray
    distance: np.ndarray

    @property
    def groups(self) -> int:
        return int(self.group.max(initial=-1)) + 1


def find_duplicates(
    features, labels=None, metric: str = "euclidean", text_similarity: float = TEXT_SIMILARITY, seed: int = 0
) -> Duplicates:
    """Find copies among items, and those of them that were labelled differently.

    features: numbers (n, d), n >= 1 (embeddings, pixels, scaled columns), or n texts. labels: (n,), any values to
    compare, or None: then nothing is a conflict. metric: "euclidean" or "cosine", for numbers. Raises InvalidInput.

    Numbers: content is the same where all are equal. Whether a neighbour is a *near* copy needs no threshold: were rows
    spread at random locally, (its distance / that of the 20th neighbour) ** m would be the least of 19 uniform numbers,
    m the local dimension (from the ratios of the outer neighbours' distances: Levina and Bickel, NIPS 2004); what is
    too near for that, at a false discovery rate of 5 % (Benjamini and Hochberg, 1995), is a copy. Copies count once in
    this, so many of them do not hide the others. Texts: content is the same up to case and white space; near copies
    share `text_similarity` of their character 5-grams (kernels/minhash.py).

    >>> found = find_duplicates(["The  dog barks.", "the dog barks.", "A cat"], labels=["dog", "cat", "cat"])
    >>> found.group.tolist(), found.kind.tolist(), found.is_conflict.tolist()
    ([0, 0, -1], ['exact', 'exact', ''], [True, True, False])
    """
    texts = is_texts(features)
    if texts:
        plain = [" ".join(text.split()).casefold() for text in features]
        number: dict[str, int] = {}
        content = np.array([number.setdefault(text, len(number)) for text in plain], np.int64)
        first = np.unique(content, return_index=True)[1]
        pairs, nearest, distance = _near_texts(list(number), text_similarity)
    else:
        rows = matrix(features)
        # adding zero makes -0.0 and 0.0 the same bytes
        packed = np.ascontiguousarray(rows + 0.0).view(np.dtype((np.void, rows.itemsize * rows.shape[1]))).ravel()
        first, content = np.unique(packed, return_index=True, return_inverse=True)[1:]
        by_row = np.argsort(first)
        content, first = np.argsort(by_row)[content.ravel()], first[by_row]
        pairs, nearest, distance = _near_rows(rows[first], metric, seed)
    labels = None if labels is None else np.asarray(labels)
    if labels is not None and labels.shape != content.shape:
        raise InvalidInput(f"labels must be (n,) with n = {len(content)}, not {labels.shape}")
    return _grouped(content, first, pairs, nearest, distance, labels)


def is_texts(features) -> bool:
    """Whether features are texts: a sequence of nothing but str."""
    if not isinstance(features, Sequence):
        features = np.asarray(features)
        return (
            features.ndim == 1
            and features.dtype.kind in "UOT"
            and all(isinstance(feature, str) for feature in features)
        )
    return len(features) > 0 and all(isinstance(feature, str) for feature in features)


def matrix(features) -> np.ndarray:
    """(n, d) float32 or float64, finite, or InvalidInput."""
    try:
        rows = np.asarray(features)
        rows = rows if rows.dtype in (np.float32, np.float64) else rows.astype(np.float64)
    except (TypeError, ValueError) as problem:
        raise InvalidInput(f"features must be numbers (n, d) or n texts: {problem}") from problem
    if rows.ndim != 2 or not rows.size:
        raise InvalidInput(f"features must be (n, d) with n, d >= 1, or n texts; the shape is {rows.shape}")
    finite = np.isfinite(rows).all(1)
    if not finite.all():
        raise InvalidInput(f"features[{int(np.argmin(finite))}] is not finite: fill or leave out such rows")
    return rows


def _near_rows(rows: np.ndarray, metric: str, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs (p, 2) of near copies among distinct rows, the nearest (u,) and the distance (u,) to it."""
    if metric not in ("euclidean", "cosine"):
        raise InvalidInput(f'metric must be "euclidean" or "cosine", not {metric!r}')
    none = np.empty((0, 2), np.int64)
    if len(rows) < 2:
        return none, np.full(len(rows), -1), np.full(len(rows), np.inf)
    k = min(NEIGHBOURS, len(rows) - 1)
    indices, distances = neighbours.nearest(rows, k, metric, seed=seed)
    if k < 5:
        return none, indices[:, 0], distances[:, 0]
    # cosine distances are half squared lengths
    lengths = np.sqrt(2 * distances) if metric == "cosine" else distances
    limit = _limit(lengths, indices) * lengths[:, -1]
    near = lengths <= np.minimum(limit[:, None], limit[indices])
    item, place = np.nonzero(near)
    return np.stack([item, indices[item, place]], 1), indices[:, 0], distances[:, 0]


def _limit(lengths: np.ndarray, indices: np.ndarray) -> float:
    """The ratio to the outermost neighbour's distance up to which the nearest is a copy."""
    n, k = lengths.shape
    outer = np.maximum(lengths[:, -1], np.finfo(np.float64).tiny)
    middle = np.arange(k // 4, k - 1)
    # E[log d_k / d_j] is the sum of 1 / l for l = j .. k - 1, over m; the inner neighbours may be copies
    expected = sum(1 / count for j in middle + 1 for count in range(j, k))
    spread = np.median(np.log(outer[:, None] / np.maximum(lengths[:, middle], 1e-12 * outer[:, None])).sum(1))
    if spread <= 0:
        return WIDEST
    dimension = expected / spread
    ratio = lengths[:, 0] / np.maximum(np.minimum(outer, outer[indices[:, 0]]), np.finfo(np.float64).tiny)
    chance = np.sort(-np.expm1((k - 1) * np.log1p(-np.minimum(ratio**dimension, 1 - 1e-12))))
    passed = np.flatnonzero(chance <= FALSE_RATE * np.arange(1, n + 1) / n)
    accepted = passed[-1] + 1 if len(passed) else 0
    cut = FALSE_RATE * accepted / n
    return min(WIDEST, float((-np.expm1(np.log1p(-cut) / (k - 1))) ** (1 / dimension))) if accepted else 0.0


def _near_texts(texts: list[str], least: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if not 0 < least <= 1:
        raise InvalidInput(f"text_similarity must be in (0, 1], not {least}")
    pairs, similarity = minhash.similar_pairs(texts, min(least, 0.3))
    nearest, distance = np.full(len(texts), -1), np.ones(len(texts))
    both = np.concatenate([pairs, pairs[:, ::-1]])
    apart = 1 - np.concatenate([similarity, similarity])
    order = np.lexsort((both[:, 1], apart, both[:, 0]))
    own, place = np.unique(both[order, 0], return_index=True)
    nearest[own], distance[own] = both[order[place], 1], apart[order[place]]
    return pairs[similarity >= least], nearest, distance


def _grouped(content, first, pairs, nearest, distance, labels) -> Duplicates:
    """From distinct contents (content (n,), the first row of each (u,)) to rows."""
    n, distinct = len(content), len(first)
    graph = coo_matrix((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), (distinct, distinct))
    component = connected_components(graph, directed=False)[1][content]
    size, copies = np.bincount(component)[component], np.bincount(content)[content]
    group = np.full(n, -1)
    _, start, number = np.unique(component[size > 1], return_index=True, return_inverse=True)
    group[size > 1] = np.argsort(np.argsort(start))[number]
    kind = np.where(copies > 1, "exact", np.where(size > 1, "near", ""))
    closest = np.where(nearest[content] >= 0, first[nearest[content]], -1)
    apart = distance[content].astype(np.float64)
    by_content = np.argsort(content, kind="stable")
    second = np.full(distinct, -1)
    starts = np.flatnonzero(np.diff(content[by_content], prepend=-1))
    several = np.bincount(content) > 1
    second[several] = by_content[starts[several] + 1]
    twin = np.where(first[content] == np.arange(n), second[content], first[content])
    closest, apart = np.where(copies > 1, twin, closest), np.where(copies > 1, 0.0, apart)
    is_conflict = np.zeros(n, bool)
    if labels is not None and (size > 1).any():
        # by equality alone: labels may be of types that have no order
        number: dict = {}
        codes = np.array([number.setdefault(label, len(number)) for label in labels[size > 1].tolist()])
        grouped = group[size > 1]
        least, most = np.full(grouped.max() + 1, codes.max()), np.zeros(grouped.max() + 1, codes.dtype)
        np.minimum.at(least, grouped, codes)
        np.maximum.at(most, grouped, codes)
        is_conflict[size > 1] = (least != most)[grouped]
    return Duplicates(group, kind, is_conflict, closest, apart)
