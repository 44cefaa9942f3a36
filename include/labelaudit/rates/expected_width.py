"""What an audit will give: the half-width to expect of so many rows, and the rows for a wished half-width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import bdtrik

from labelaudit.rates.strata import allocate
from labelaudit.rates.weighted import finite_trials, weighted_interval

DRAWS = 48
TRIED = 16
RARE = 0.05
"""No stratum counts as rarer than this when rows are shared out: few answers can't tell, and luck must not decide."""


@dataclass(frozen=True)
class Prospect:
    """sizes, shape (a smooth curve of rates), guesses (rates to expect), audited and defects so far, all (H,)."""

    sizes: np.ndarray
    shape: np.ndarray
    guesses: np.ndarray
    audited: np.ndarray
    defects: np.ndarray

    @property
    def shares(self) -> np.ndarray:
        """Rates (H,) to share rows by, none rarer than RARE."""
        return np.clip(self.shape, RARE, 1 - RARE)

    def allocation(self, rows: int) -> np.ndarray:
        """Rows by stratum (H,), answered ones included."""
        return allocate(self.sizes, self.shares, rows, self.audited)

    def half_widths(self, rows: Sequence[int], draws: int = DRAWS) -> np.ndarray:
        """Mean half-widths over simulated answers to `rows` in all; the same numbers every time."""
        allocations = np.repeat([self.allocation(number) for number in rows], draws, axis=0)
        new = _answers(
            allocations - self.audited, self.guesses, np.tile(_latin(draws, len(self.sizes)), (len(rows), 1))
        )
        rates = (self.defects + new) / np.maximum(allocations, 1)
        return self._half_widths(allocations, rates).reshape(len(rows), draws).mean(axis=1)

    def rows_for(self, half_width: float) -> int:
        """The fewest rows whose half-width, over simulated answers, is about the wished one on average.

        Searched with the rates to expect in the answers' place, which is wider where defects are rare; then again with
        the difference made good.
        """
        rows, factor = self._rows_as_guessed(half_width), 1.0
        for _ in range(2):
            allocation = self.allocation(rows)[None]
            guessed = float(self._half_widths(allocation, self._rates(allocation))[0])
            if not guessed:
                break
            factor = float(self.half_widths([rows])[0]) / guessed
            rows = self._rows_as_guessed(half_width / factor)
        return rows

    def _rates(self, allocations: np.ndarray) -> np.ndarray:
        return (self.defects + (allocations - self.audited) * self.guesses) / np.maximum(allocations, 1)

    def _half_widths(self, allocations: np.ndarray, rates: np.ndarray) -> np.ndarray:
        trials = np.maximum(finite_trials(self.sizes, allocations), 1e-9)
        low, high = weighted_interval(self.sizes / self.sizes.sum(), trials, rates)
        return (high - low) / 2

    def _rows_as_guessed(self, half_width: float) -> int:
        low, high = max(int(self.audited.sum()), 1), int(self.sizes.sum())
        while low < high:
            tried = np.unique(np.geomspace(low, high, TRIED).astype(np.int64).clip(low, high - 1))
            allocations = np.stack([self.allocation(rates) for rates in tried])
            enough = self._half_widths(allocations, self._rates(allocations)) <= half_width
            if not enough.all():
                low = int(tried[~enough].max()) + 1
            if enough.any():
                high = max(int(tried[enough].min()), low)
        return low


def _latin(draws: int, strata: int) -> np.ndarray:
    """Quantiles (draws, H), evenly spread in each column (McKay et al. 1979): far less noise than as many by chance."""
    rng = np.random.default_rng(0)
    return np.stack([(rng.permutation(draws) + 0.5) / draws for _ in range(strata)], axis=1)


def _answers(rows: np.ndarray, guesses: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """Binomial defects among rows (R, H) at the quantiles (R, H); more rows never have fewer."""
    defects = np.ceil(bdtrik(quantiles, np.maximum(rows, 1), np.broadcast_to(guesses, rows.shape)))
    return np.where(rows > 0, np.clip(np.nan_to_num(defects), 0, rows), 0)
