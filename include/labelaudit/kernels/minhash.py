"""Pairs of texts that share most of their character n-grams: MinHash with banding, each candidate counted exactly.

A text is the set S of its GRAM-character n-grams (hashed to 64 bits; a shorter text is its own one n-gram). HASHES
minima of universal hashes of S agree between two texts with probability J, their Jaccard similarity (Broder, SEQUENCES
1997); texts that agree in all ROWS minima of one of BANDS bands are candidates (Leskovec, Rajaraman and Ullman, "Mining
of massive datasets", 3.4): a pair of J = .6 is met with probability .9995, one of .3 with .58. Within a bucket each
text is compared with the NEAR texts before it, so that a bucket of a million costs what a small one does; a candidate's
J is counted from the sets, so there is no estimate in what comes out. Time and memory grow with the total length.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit

GRAM, BANDS, ROWS, NEAR = 5, 32, 3, 6
HASHES = BANDS * ROWS
_MULTIPLIERS = np.random.default_rng(20_261).integers(1, 2**63, HASHES, dtype=np.uint64) * np.uint64(2) + np.uint64(1)


def similar_pairs(texts: Sequence[str], least: float) -> tuple[np.ndarray, np.ndarray]:
    """(pairs (p, 2) int64 with first > second, similarity (p,)) of texts with J of at least `least`, sorted.

    >>> pairs, similarity = similar_pairs(["a dog barks", "a dog barks!", "the cat"], 0.5)
    >>> pairs.tolist(), similarity.tolist()
    ([[1, 0]], [0.875])
    """
    grams, starts = _grams(texts)
    minima = _minima(grams, starts, _MULTIPLIERS)
    steps = [np.empty((0, 2), np.int64)]
    for band in range(BANDS):
        key = minima[:, band * ROWS : (band + 1) * ROWS]
        mixed = key[:, 0].copy()
        for column in range(1, ROWS):
            mixed = mixed * np.uint64(0x9E3779B97F4A7C15) + key[:, column]
        order = np.argsort(mixed, kind="stable")
        for step in range(1, NEAR + 1):
            same = mixed[order[step:]] == mixed[order[:-step]]
            if not same.any():
                break
            steps.append(np.stack([order[step:][same], order[:-step][same]], 1))
        if len(steps) > NEAR * 4:
            steps = [np.unique(np.concatenate(steps), axis=0)]
    pairs = np.unique(np.concatenate(steps), axis=0)
    similarity = _jaccard(grams, starts, pairs)
    kept = similarity >= least
    return pairs[kept], similarity[kept]


def _grams(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The sorted, distinct n-grams of all texts one after the other (t,) uint64, and each text's start (n + 1,)."""
    lengths = np.array([len(text) for text in texts], np.int64)
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
    return _hashed(codes, np.concatenate([[0], np.cumsum(lengths)]), GRAM)


@njit(cache=True, nogil=True)
def _hashed(codes, ends, gram):
    out = np.empty(len(codes) + len(ends), np.uint64)
    starts = np.zeros(len(ends), np.int64)
    size = 0
    for text in range(len(ends) - 1):
        first, last = ends[text], ends[text + 1]
        here = np.empty(max(1, last - first - gram + 1), np.uint64)
        for place in range(len(here)):
            value = np.uint64(14695981039346656037)
            for letter in range(first + place, min(first + place + gram, last)):
                value = (value ^ np.uint64(codes[letter])) * np.uint64(1099511628211)
            value ^= value >> np.uint64(29)
            here[place] = value * np.uint64(0xBF58476D1CE4E5B9)
        here.sort()
        for place in range(len(here)):
            if place == 0 or here[place] != here[place - 1]:
                out[size] = here[place]
                size += 1
        starts[text + 1] = size
    return out[:size].copy(), starts


@njit(cache=True, nogil=True)
def _minima(grams, starts, multipliers):
    """(n, HASHES) uint64: of every text, the least of its n-grams under every hash."""
    out = np.empty((len(starts) - 1, len(multipliers)), np.uint64)
    for text in range(len(starts) - 1):
        for place in range(len(multipliers)):
            least = np.uint64(0xFFFFFFFFFFFFFFFF)
            for gram in range(starts[text], starts[text + 1]):
                value = (grams[gram] ^ (grams[gram] >> np.uint64(31))) * multipliers[place]
                least = min(least, value ^ (value >> np.uint64(32)))
            out[text, place] = least
    return out


@njit(cache=True, nogil=True)
def _jaccard(grams, starts, pairs):
    out = np.empty(len(pairs))
    for pair in range(len(pairs)):
        a, b = pairs[pair]
        i, j, shared = starts[a], starts[b], 0
        while i < starts[a + 1] and j < starts[b + 1]:
            if grams[i] == grams[j]:
                shared += 1
                i += 1
                j += 1
            elif grams[i] < grams[j]:
                i += 1
            else:
                j += 1
        out[pair] = shared / (starts[a + 1] - starts[a] + starts[b + 1] - starts[b] - shared)
    return out
