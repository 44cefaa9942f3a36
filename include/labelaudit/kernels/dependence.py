"""Annotators who copy each other: pairs that agree far more than their agreement with everybody else explains.

With independent errors the chance-corrected agreement of a and b is about s_a s_b, s an annotator's ability (the
one-factor model; Spearman, 1904; as for crowds in Dalvi et al., WWW 2013). s is fitted robustly (Cauchy weights), so
that copies, which are few pairs, do not bend it; what a pair agrees beyond it is copied:

    copying_ab = (c_ab - s_a s_b) / (1 - s_a s_b)
    c_ab = (same_ab / both_ab - q_a . q_b) / sqrt((1 - q_a^2)(1 - q_b^2)),   q_a (K,) the shares of a's answers

Only gross and certain copying counts. What all pairs share (hard items) is in s, and is no copying.
"""

from __future__ import annotations

from math import log, sqrt

import numpy as np

from labelaudit.kernels import consensus_rows

MOST_ANNOTATORS = 2_000
"""Pairs are counted in two tables of annotators squared (float32): 32 MB at most."""

LEAST_ITEMS = 30
LEAST_COPYING = 0.4
LEAST_AGREEMENT = 0.5


def copying(start: np.ndarray, people: np.ndarray, given: np.ndarray, classes: int) -> np.ndarray:
    """(A, A) symmetric, 0 to 1; (0, 0) where nobody copies, or there are fewer than 5 or too many annotators."""
    none = np.zeros((0, 0))
    annotators = int(people.max()) + 1
    if not 5 <= annotators <= MOST_ANNOTATORS:
        return none
    both, same = np.zeros((2, annotators, annotators), np.float32)
    consensus_rows.together(start, people, given, both, same)
    flat = np.bincount(people.astype(np.int64) * classes + given, minlength=annotators * classes)
    answers = flat.reshape(annotators, classes) / np.maximum(flat.reshape(annotators, classes).sum(1, keepdims=True), 1)
    variety = 1 - (answers**2).sum(1)
    first, second = np.nonzero(both >= LEAST_ITEMS)
    scale = np.sqrt(variety[first] * variety[second])
    told = scale > 0.05  # one who always answers the same agrees with nobody beyond chance
    first, second, scale = first[told], second[told], scale[told]
    if len(first) < 5:
        return none
    n = both[first, second].astype(float)
    agreed = (same[first, second] / n - (answers[first] * answers[second]).sum(1)) / scale
    ability = _abilities(first, second, n, agreed, annotators)
    explained = np.maximum(ability[first] * ability[second], 0)
    beyond = agreed - explained
    share = (beyond / (1 - np.minimum(explained, 0.95))).clip(0, 1)
    surprising = beyond * np.sqrt(n) > max(3.0, sqrt(2 * log(len(n))))
    copying = surprising & (share >= LEAST_COPYING) & (agreed >= LEAST_AGREEMENT)
    if not copying.any():
        return none
    out = np.zeros((annotators, annotators))
    out[first[copying], second[copying]] = out[second[copying], first[copying]] = share[copying]
    return out


def _abilities(first, second, n, agreed, annotators: int) -> np.ndarray:
    ability = np.full(annotators, 0.6)
    for _ in range(60):
        away = agreed - ability[first] * ability[second]
        weight = n / (1 + away**2 * n / 2)
        top = np.bincount(first, weight * agreed * ability[second], annotators)
        top += np.bincount(second, weight * agreed * ability[first], annotators)
        bottom = np.bincount(first, weight * ability[second] ** 2, annotators)
        bottom += np.bincount(second, weight * ability[first] ** 2, annotators)
        ability = 0.5 * ability + 0.5 * (top / np.maximum(bottom, 1e-9)).clip(-0.98, 0.98)
    return ability
