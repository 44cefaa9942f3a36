"""When a sequence of right (1) and wrong (0) labels changed its rate: likelihood-ratio change point, by permutation.

    G  =  max_t  2 [ t KL(p_1t, p) + (n - t) KL(p_2t, p) ],   p_1t, p_2t the rates up to and after t,

KL of Bernoulli rates (Hawkins, "Testing a sequence of observations for a shift in location", JASA 72, 1977; Csoergo and
Horvath, "Limit Theorems in Change-Point Analysis", 1997). Probabilities of being right may stand for 0 and 1. Under no
change every order is as likely: G's distribution is that of the shuffled sequence (a permutation test), and shuffling
stops at the tenth shuffle that reaches G (Besag and Clifford, Biometrika 78, 1991). Where none of MOST_SHUFFLES does,
the tail is prolonged by exp(-G / 2), the bound on a likelihood ratio's tail (Chernoff), from the tenth largest.
"""

from __future__ import annotations

import numpy as np
from numba import njit

MOST_SHUFFLES = 2_000
REACHED = 10
MOST_PLACES = 400
"""Places tried in long sequences; the place found is then looked at closely."""


@njit(nogil=True, cache=True)
def _divergence(p, q):
    """KL(p, q) of Bernoulli rates; 0 where q is 0 or 1 (p is the same then)."""
    if q <= 0 or q >= 1:
        return 0.0
    total = 0.0
    if p > 0:
        total += p * np.log(p / q)
    if p < 1:
        total += (1 - p) * np.log((1 - p) / (1 - q))
    return max(total, 0.0)


@njit(nogil=True, cache=True)
def _greatest(right, may, least, step, first, last, total):
    """Greatest ratio and its place t, among every step-th place first <= t <= last at which a change may be."""
    n = len(right)
    before = 0.0
    best, place = 0.0, 0
    for t in range(1, min(n - least, last) + 1):
        before += right[t - 1]
        if t < least or t < first or t % step or not may[t]:
            continue
        one, two = min(before / t, 1.0), min(max((total - before) / (n - t), 0.0), 1.0)
        ratio = 2 * (t * _divergence(one, total / n) + (n - t) * _divergence(two, total / n))
        if ratio > best:
            best, place = ratio, t
    return best, place


@njit(nogil=True, cache=True)
def _random(state):
    """xorshift64*: the next state and a number below 2^32."""
    state ^= state >> np.uint64(12)
    state ^= state << np.uint64(25)
    state ^= state >> np.uint64(27)
    return state, (state * np.uint64(2685821657736338717)) >> np.uint64(32)


@njit(nogil=True, cache=True)
def change_point(right, may, least, seed):
    """p-value, place and ratio of the change of right (n,), float64 in [0, 1]; (1, 0, 0) where there can be none.

    may (n + 1,) bool: whether a change may be before entry t; least: entries on either side; seed: a positive whole
    number. The place is the number of entries before the change.
    """
    n = len(right)
    total = right.sum()
    step = max(1, n // MOST_PLACES)
    observed, place = _greatest(right, may, least, step, 0, n, total)
    if place == 0:
        return 1.0, 0, 0.0
    state = np.uint64(seed) * np.uint64(11400714819323198485) + np.uint64(1)
    mixed = right.copy()
    largest = np.zeros(REACHED)
    reached = 0
    for shuffle in range(1, MOST_SHUFFLES + 1):
        for at in range(n - 1, 0, -1):
            state, number = _random(state)
            other = np.int64((number * np.uint64(at + 1)) >> np.uint64(32))
            mixed[at], mixed[other] = mixed[other], mixed[at]
        ratio, _ = _greatest(mixed, may, least, step, 0, n, total)
        if ratio >= observed - 1e-9:
            reached += 1
            if reached == REACHED:
                return REACHED / shuffle, place, observed
        at = np.argmin(largest)
        largest[at] = max(largest[at], ratio)
    p = (reached + 1) / (MOST_SHUFFLES + 1)
    tenth = largest.min()
    if reached == 0:
        p = min(p, REACHED / MOST_SHUFFLES * np.exp(-(observed - tenth) / 2))
    if step > 1:
        observed, place = _greatest(right, may, least, 1, place - step, place + step, total)
    return p, place, observed
