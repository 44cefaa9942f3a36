"""Loops over the rows of predicted probabilities, float32, compiled: each reads a row once.

Sums over rows are integers (fixed point), sums within a row always have the same order: so a result is the same to the
bit however the rows are cut, and on however many threads. Compiled code is kept in numba's cache.
"""

from __future__ import annotations

import numpy as np
from numba import njit

FIXED = 2**32
"""Fixed-point unit of sums of probabilities: exact to 2e-10, and 2^31 rows fit."""

FARTHEST, FINE = 8.0, 2**24

LEAST = 1e-30
"""A probability of zero is taken for this much: no logarithm of nothing, and next to no ties."""

# Order within a row is the compiler's (the same for every row), but NaN stays NaN: _total is what finds it.
# Functions take the matrix and a row's number: numba counts references to views of rows, which takes its time.
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
def _total(pred_probs, i):
    total = np.float32(0)
    for k in range(pred_probs.shape[1]):
        total += pred_probs[i, k]
    return total


@_quick
def _extremes(pred_probs, i, inverse):
    """The least and the greatest probability, and the greatest ratio to the thresholds, as bits."""
    least = most = ratio = _bits(pred_probs[i, 0])
    for k in range(pred_probs.shape[1]):
        bits = _bits(pred_probs[i, k])
        least = min(least, bits)
        most = max(most, bits)
        ratio = max(ratio, _bits(pred_probs[i, k] * inverse[k]))
    return least, most, ratio


@_quick
def _rivals(pred_probs, i, weights, y):
    """Sum and maximum (as bits) of the weighted probabilities."""
    total, most = np.float32(0), np.int32(0)
    for k in range(pred_probs.shape[1]):
        evidence = pred_probs[i, k] * weights[y, k]
        total += evidence
        most = max(most, _bits(evidence))
    return total, most


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
def survey(labels, pred_probs, inverse, best, true, agreed, agreements):
    """One look at every row. Returns the first row that is no distribution (or -1), the sum of the rows' maxima, and
    over the rows whose best is not y that of log(P_best / P_y), at most FARTHEST each, in units of 1 / FINE.

    Fills best (n,), the likeliest class, the label's own where it ties, and true (n,), the confident one (or -1); adds
    P_y of the rows whose best is y to agreed (K,), and 1 to agreements (K,). Other sums are in units of 1 / FIXED.
    """
    confidence = margin = np.int64(0)
    for i in range(len(labels)):
        y = labels[i]
        total = _total(pred_probs, i)
        least, most, ratio = _extremes(pred_probs, i, inverse)
        if not (abs(total - 1) <= 0.05) or (
            least < 0 and _any_negative(pred_probs, i)
        ):  # -0.0 is no negative probability
            return i, confidence, margin
        most, ratio = _value(most), _value(ratio)
        fixed = np.int64(np.float64(most) * FIXED)
        confidence += fixed
        if pred_probs[i, y] >= most:
            best[i] = y
            agreed[y] += fixed
            agreements[y] += 1
        else:
            best[i] = _first(pred_probs, i, most)
            margin += np.int64(min(np.log(most / max(np.float64(pred_probs[i, y]), LEAST)), FARTHEST) * FINE)
        if ratio < 1:
            true[i] = -1
        else:
            true[i] = y if pred_probs[i, y] * inverse[y] >= ratio else _first_scaled(pred_probs, i, inverse, ratio)
    return -1, confidence, margin


@_quick
def _most(pred_probs, i):
    most = _bits(pred_probs[i, 0])
    for k in range(pred_probs.shape[1]):
        most = max(most, _bits(pred_probs[i, k]))
    return most


@_strict
def likeliest(labels, pred_probs, best):
    """Fills best (n,) as survey() does, of rows that survey() has passed."""
    for i in range(len(labels)):
        most = _value(_most(pred_probs, i))
        best[i] = labels[i] if pred_probs[i, labels[i]] >= most else _first(pred_probs, i, most)


@_strict
def _any_negative(pred_probs, i):
    """-0.0, whose bits are those of the least integer, is no negative probability."""
    negative = False
    for k in range(pred_probs.shape[1]):
        negative |= pred_probs[i, k] < 0
    return negative


@_strict
def _first(pred_probs, i, value):
    for k in range(pred_probs.shape[1]):
        if pred_probs[i, k] >= value:
            return k
    return 0


@_strict
def _first_scaled(pred_probs, i, inverse, value):
    """Where the greatest ratio is; the compiler may have rounded it otherwise than here, so by maximum."""
    where, most = 0, pred_probs[i, 0] * inverse[0]
    for k in range(1, pred_probs.shape[1]):
        ratio = pred_probs[i, k] * inverse[k]
        if ratio > most:
            where, most = k, ratio
    return where


@_strict
def score(labels, pred_probs, weights, own, margin, out):
    """out (n,) := log(sum_k P_k W_yk) + margin log(max_k P_k W_yk) - (1 + margin) log(P_y own_y).

    weights W (K, K) float32, as [given, true] with 0 on the diagonal; own (K,).
    """
    for i in range(len(labels)):
        y = labels[i]
        total, most = _rivals(pred_probs, i, weights, y)
        mine = max(np.float64(pred_probs[i, y]), LEAST) * own[y]
        odds = max(np.float64(total), LEAST) / mine
        if margin > 0:
            out[i] = np.log(odds) + margin * np.log(max(np.float64(_value(most)), LEAST) / mine)
        else:
            out[i] = np.log(odds)


@_strict
def count_pairs(first, second, counts):
    """Adds 1 to counts[first[i], second[i]] for every row whose `first` is not negative."""
    for i in range(len(first)):
        if first[i] >= 0:
            counts[first[i], second[i]] += 1
