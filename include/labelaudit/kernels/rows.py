"""Loops over the rows of predicted probabilities, float32, compiled: each reads a row once.

Sums over rows are integers (fixed point), sums within a row always have the same order: so a result is the same to the
bit however the rows are cut, and on however many threads. Compiled code is kept in numba's cache.
"""

from __future__ import annotations

import numpy as np
from numba import njit

FIXED = 2**32
"""Fixed-point unit of sums of probabilities: exact to 2e-10, and 2^31 rows fit."""

LEAST = 1e-12
"""A probability of zero is taken for this much: no logarithm of nothing."""

# Order within a row is the compiler's (the same for every row), but NaN stays NaN: _total is what finds it.
_exact = njit(nogil=True, cache=True, fastmath={"reassoc", "nsz", "contract"})
_quick = njit(nogil=True, cache=True, fastmath=True)
_strict = njit(nogil=True, cache=True)


@njit(inline="always")
def _bits(value):
    """A float32 as int32: floats that are not negative keep their order; integers compare four times faster."""
    return np.float32(value).view(np.int32)


@njit(inline="always")
def _value(bits):
    return np.int32(bits).view(np.float32)


@_exact
def _total(p):
    total = np.float32(0)
    for k in range(len(p)):
        total += p[k]
    return total


@_quick
def _extremes(p, inverse):
    """The least and the greatest probability, and the greatest ratio to the thresholds, as bits."""
    least = most = ratio = _bits(p[0])
    for k in range(len(p)):
        bits = _bits(p[k])
        least = min(least, bits)
        most = max(most, bits)
        ratio = max(ratio, _bits(p[k] * inverse[k]))
    return least, most, ratio


@_quick
def _rivals(p, scale):
    """Sum and maximum (as bits) of the scaled probabilities; 0 for none."""
    total, most = np.float32(0), np.int32(0)
    for k in range(len(p)):
        evidence = p[k] * scale[k]
        total += evidence
        most = max(most, _bits(evidence))
    return total, most


@_quick
def _confused(p, scale, root):
    """Sum of e^1.5 root, e the scaled probabilities; scale holds t^-0.5."""
    total = np.float32(0)
    for k in range(len(p)):
        evidence = p[k] * scale[k]
        total += evidence * np.sqrt(evidence) * root[k]
    return total


@_strict
def own_sums(labels, pred_probs, sums, counts):
    """Adds each row's probability of its label to sums (K,) int64 in units of 1 / FIXED, and 1 to counts (K,)."""
    for i in range(len(labels)):
        y = labels[i]
        p = pred_probs[i, y]
        if p >= 0 and p <= 2:  # what is no probability, survey() reports
            sums[y] += np.int64(np.float64(p) * FIXED)
        counts[y] += 1


@_strict
def survey(labels, pred_probs, inverse, scale, best, true, low):
    """One look at every row. Returns the first row that is no distribution (or -1), and the sum of the rows' maxima.

    Fills best (n,), the likeliest class, the label's own where it ties; true (n,), the confident one (or -1); low (n,),
    log odds against the label by normalised self-confidence.
    """
    confidence = np.int64(0)
    for i in range(len(labels)):
        p = pred_probs[i]
        y = labels[i]
        total = _total(p)
        least, most, ratio = _extremes(p, inverse)
        if not (abs(total - 1) <= 0.05) or (least < 0 and p.min() < 0):  # -0.0 is no negative probability
            return i, confidence
        most, ratio = _value(most), _value(ratio)
        confidence += np.int64(np.float64(most) * FIXED)
        best[i] = y if p[y] >= most else _first(p, most)
        if ratio < 1:
            true[i] = -1
        else:
            true[i] = y if p[y] * inverse[y] >= ratio else _first_scaled(p, inverse, ratio)
        before, most_before = _rivals(p[:y], scale[:y])
        after, most_after = _rivals(p[y + 1 :], scale[y + 1 :])
        rival = np.float64(_value(max(most_before, most_after)))
        own = max(np.float64(p[y]), LEAST) * scale[y]
        rest = max(np.float64(before) + np.float64(after), LEAST) / own
        rival = max(rival, LEAST) / own
        low[i] = np.log(rest * np.sqrt(np.sqrt(rival)))
    return -1, confidence


@_strict
def _first(p, value):
    for k in range(len(p)):
        if p[k] >= value:
            return k
    return 0


@_strict
def _first_scaled(p, inverse, value):
    """Where the greatest ratio is; the compiler may have rounded it otherwise than here, so by maximum."""
    where, most = 0, p[0] * inverse[0]
    for k in range(1, len(p)):
        ratio = p[k] * inverse[k]
        if ratio > most:
            where, most = k, ratio
    return where


@_strict
def add_confusion(labels, pred_probs, scale, root, weight, score):
    """score (n,) := (1 - weight) score + weight * log odds by the noisy-confusion posterior.

    root (K, K): square roots of P(given | true), as [given, true].
    """
    for i in range(len(labels)):
        p = pred_probs[i]
        y = labels[i]
        r = root[y]
        total = np.float64(_confused(p[:y], scale[:y], r[:y])) + _confused(p[y + 1 :], scale[y + 1 :], r[y + 1 :])
        own = max(np.float64(p[y]), LEAST) * scale[y]
        odds = max(total, LEAST**1.5) / (own * np.sqrt(own) * r[y])
        score[i] = (1 - weight) * score[i] + weight * np.log(odds)


@_strict
def count_pairs(first, second, counts):
    """Adds 1 to counts[first[i], second[i]] for every row whose `first` is not negative."""
    for i in range(len(first)):
        if first[i] >= 0:
            counts[first[i], second[i]] += 1
