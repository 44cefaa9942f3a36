"""Strata of the detector's score, rows a stratum, and the items drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from labelaudit.errors import InvalidInput

STRATA = 6
LEAST = 2
"""Rows a stratum, where it has them."""
PER_STRATUM = 5
"""Items that a stratum has on average, at least."""
CERTAIN = 0.01
"""Doubts nearer to 0 or 1 count as this far away: no score is that sure."""


def stratify(doubt: ArrayLike, strata: int = STRATA) -> np.ndarray:
    """Stratum (n,) int64 of each item, 0 for the lowest scores.

    doubt (n,) is the detector's score that a label is wrong, 0 to 1, high = likely wrong. Strata have about equal sums
    of sqrt(p (1 - p)) (Dalenius and Hodges' rule for a rate). Equal scores share a stratum, whatever their order, so
    there may be fewer than `strata`; and fewer where items are few. Raises InvalidInput for scores outside 0 to 1.

    >>> stratify([0.5, 0.1, 0.5, 0.9], strata=2).tolist()
    [0, 0, 0, 0]
    """
    doubt = np.asarray(doubt, float)
    if doubt.ndim != 1 or not ((doubt >= 0) & (doubt <= 1)).all():
        raise InvalidInput("doubt must be one number between 0 and 1 an item")
    if not doubt.size:
        return np.zeros(0, np.int64)
    strata = max(1, min(strata, doubt.size // PER_STRATUM))
    values, of, times = np.unique(doubt, return_inverse=True, return_counts=True)
    p = np.clip(values, CERTAIN, 1 - CERTAIN)
    spread = np.sqrt(p * (1 - p)) * times
    middle = (np.cumsum(spread) - spread / 2) / spread.sum()
    rank = np.minimum((middle * strata).astype(np.int64), strata - 1)
    return np.unique(rank, return_inverse=True)[1][of].astype(np.int64)


def allocate(sizes: ArrayLike, guesses: ArrayLike, rows: int, least: ArrayLike = 0) -> np.ndarray:
    """Rows to audit by stratum (H,) int: 75 % by Neyman, sizes * sqrt(p (1 - p)), and 25 % by size.

    guesses (H,) of the strata's rates. The rows sum to min(rows, items), are never above sizes, at least `least` (H,)
    (what was audited already), and at least 2 of every stratum that has them, where rows allow.

    >>> allocate([900, 100], [0.01, 0.5], 40).tolist()
    [28, 12]
    """
    sizes, guesses = np.asarray(sizes, np.int64), np.asarray(guesses, float)
    if (sizes < 0).any() or sizes.shape != guesses.shape or rows < 0:
        raise InvalidInput("sizes and rows must not be negative, and each stratum needs a guess between 0 and 1")
    least = np.broadcast_to(np.asarray(least, np.int64), sizes.shape)
    rows = int(min(max(rows, least.sum()), sizes.sum()))
    floor = np.maximum(np.minimum(sizes, LEAST), least)
    if floor.sum() > rows:
        return _largest_first(sizes, least, rows)
    neyman = sizes * np.sqrt(np.clip(guesses * (1 - guesses), 1e-12, None))
    wished = 0.75 * neyman / max(neyman.sum(), 1e-300) + 0.25 * sizes / max(sizes.sum(), 1)
    return _filled(wished, floor, sizes, rows)


def _filled(wished: np.ndarray, floor: np.ndarray, sizes: np.ndarray, rows: int) -> np.ndarray:
    """Integers between floor and sizes, in proportion to `wished` where neither binds, that sum to rows."""
    wished = np.maximum(wished, 1e-12)
    bounds = np.sort(np.concatenate([floor / wished, sizes / wished]))
    totals = np.clip(bounds[:, None] * wished, floor, sizes).sum(axis=1)
    exact = np.clip(np.interp(rows, totals, bounds) * wished, floor, sizes)
    given = np.minimum(np.floor(exact + 1e-9).astype(np.int64), sizes)
    order = np.argsort(-(exact - given), kind="stable")
    while given.sum() < rows:
        for stratum in order[: rows - given.sum()]:
            given[stratum] += given[stratum] < sizes[stratum]
    return given


def _largest_first(sizes: np.ndarray, least: np.ndarray, rows: int) -> np.ndarray:
    """Too few rows for two a stratum: one after the other, the largest strata first."""
    given = least.copy()
    order = np.argsort(-sizes, kind="stable")
    while given.sum() < rows:
        for stratum in order[: rows - given.sum()]:
            given[stratum] += given[stratum] < min(sizes[stratum], max(LEAST, least[stratum]))
    return given


def draw(codes: ArrayLike, allocation: ArrayLike, seed: int, already: Sequence[int] = ()) -> np.ndarray:
    """Indices of the items to audit: `allocation` (H,) new ones of each stratum, none of `already`, in random order.

    codes (n,) from `stratify`. The same seed draws the same items. Raises InvalidInput where a stratum has too few.

    >>> sorted(draw([0, 0, 1, 1], [1, 2], seed=0, already=[0]).tolist())
    [1, 2, 3]
    """
    codes, allocation = np.asarray(codes, np.int64), np.asarray(allocation, np.int64)
    rng = np.random.default_rng(seed)
    free = np.ones(len(codes), bool)
    free[np.asarray(already, np.int64)] = False
    drawn = []
    for stratum, rows in enumerate(allocation):
        left = np.flatnonzero(free & (codes == stratum))
        if rows > len(left):
            raise InvalidInput(f"stratum {stratum} has {len(left)} items left, and {rows} are to be drawn")
        drawn.append(rng.permutation(left)[:rows])
    return rng.permutation(np.concatenate([np.zeros(0, np.int64), *drawn]))
