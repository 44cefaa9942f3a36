"""Acceptance sampling: take or refuse a whole lot (a delivery, a release) by a random sample that people audited.

A contract states two points. The producer's: a lot as good as `producer_rate` is rejected with at most
`producer_risk`. The consumer's: a lot as bad as `consumer_rate` is accepted with at most `consumer_risk`. In the words
of ISO 2859-1 and ANSI/ASQ Z1.4: AQL and LQ; `accept` is the acceptance number Ac, `accept` + 1 the rejection number Re.
Everything is exact: hypergeometric for a lot of known size, else binomial.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom

from labelaudit.acceptance.plan import AcceptancePlan, check_lot, check_points, is_count, stated_quality
from labelaudit.errors import InvalidInput

MOST_AUDITED = 1_000_000
"""Rates so close that more items must be audited are refused."""
ROUNDING = 1 + 1e-12
"""A risk that equals the promised one in exact arithmetic keeps the promise."""
NEVER = 1e-100
"""Rates below count as 0: scipy's binomial overflows at 1e-308."""


@dataclass(frozen=True)
class SinglePlan(AcceptancePlan):
    """Audit `n` items and accept with at most `accept` (Ac) defects; stop where the outcome is certain (curtailment).

    Curtailment changes what is audited, never what is accepted. 0 <= accept < n <= lot_items; else InvalidInput. Also a
    plan by AQL tables: `SinglePlan(n=125, accept=3)`.
    """

    n: int
    accept: int
    lot_items: int | None = None
    kind = "single"

    def __post_init__(self) -> None:
        check_lot(self.lot_items)
        if not (is_count(self.accept, 0) and is_count(self.n, self.accept + 1)):
            raise InvalidInput(f"n = {self.n}, Ac = {self.accept}: the plan needs 0 <= Ac < n, or it decides nothing")
        if self.lot_items is not None and self.n > self.lot_items:
            raise InvalidInput(f"n = {self.n} of a lot of {self.lot_items} items: audit the whole lot at most")

    @cached_property
    def accept_at(self) -> NDArray[np.int64]:  # type: ignore[override]
        return np.maximum(self.accept - self.n + np.arange(1, self.n + 1), -1)

    @cached_property
    def reject_at(self) -> NDArray[np.int64]:  # type: ignore[override]
        audited = np.arange(1, self.n + 1)
        return np.where(audited > self.accept, self.accept + 1, audited + 1)

    def _acceptance(self, quality: NDArray) -> NDArray[np.float64]:
        return at_most(self.accept, self.n, quality, self.lot_items)

    def _mean_audited(self, quality: NDArray) -> NDArray[np.float64]:
        """Means of the (negative) binomial or hypergeometric waits: m C(m-1, k-1) = k C(m, k), for n - Ac good items
        and for Ac + 1 defects."""
        n, accept, lot = self.n, self.accept, self.lot_items
        if lot is None:
            quality = np.where(quality < NEVER, 0, quality)
            good, bad = 1 - quality, quality
            accepted, rejected = binom.cdf(accept, n + 1, quality), binom.sf(accept + 1, n + 1, quality)
        else:
            good, bad = (lot - quality + 1) / (lot + 1), (quality + 1) / (lot + 1)
            accepted = at_most(accept, n + 1, quality, lot + 1)
            rejected = 1 - at_most(accept + 1, n + 1, quality + 1, lot + 1)
        mean = np.zeros(len(quality))
        for wait, rate, share in ((n - accept, good, accepted), (accept + 1, bad, rejected)):
            mean += wait * np.divide(share, rate, out=np.zeros(len(quality)), where=rate > 0)
        return mean


def single_plan(
    producer_rate: float,
    producer_risk: float,
    consumer_rate: float,
    consumer_risk: float,
    lot_items: int | None = None,
) -> SinglePlan:
    """The single plan with the smallest n that keeps both promises; its n is the whole lot where it must be.

    Rates 0 <= producer_rate < consumer_rate < 1, risks in (0, 0.5]. For each Ac from 0 the smallest n that keeps the
    consumer's risk, until it keeps the producer's too (Hald, Technometrics 9, 1967; Dodge and Romig, 1959, for lots of
    known size). A lot of known size has floor(producer_rate * lot_items) defectives at the producer's point and
    ceil(consumer_rate * lot_items) at the consumer's. Raises InvalidInput for other arguments, and for rates so close
    that a million items would not do.

    >>> single_plan(0, 0.05, 0.5, 0.25)  # two good ones of a half bad lot: 0.5 * 0.5
    SinglePlan(n=2, accept=0, lot_items=None)
    """
    check_points(producer_rate, producer_risk, consumer_rate, consumer_risk)
    check_lot(lot_items)
    good, bad = stated_quality(producer_rate, consumer_rate, lot_items)
    most = MOST_AUDITED if lot_items is None else min(MOST_AUDITED, lot_items)
    first, block = 0, 8
    while first < most:
        accept = np.arange(first, min(first + block, most if lot_items is None else int(good) + 1))
        if not len(accept):
            break
        n = _smallest_n(accept, bad, consumer_risk, lot_items, most)
        kept = n <= most
        kept[kept] = 1 - at_most(accept[kept], n[kept], good, lot_items) <= producer_risk * ROUNDING
        if kept.any():
            smallest = int(np.argmax(kept))
            return SinglePlan(int(n[smallest]), int(accept[smallest]), lot_items)
        if n[-1] > most:
            break
        first, block = first + block, min(2 * block, 4096)
    raise InvalidInput(
        f"telling {producer_rate:g} from {consumer_rate:g} takes more than {most:,} audited items: "
        "set the rates further apart"
    )


def _smallest_n(
    accept: NDArray[np.int64], bad: float, risk: float, lot_items: int | None, most: int
) -> NDArray[np.int64]:
    """For each Ac the smallest n that accepts a bad lot with at most `risk`, by bisection; most + 1 where none does."""
    low, high = accept.copy(), np.full(len(accept), most + 1)
    trial = np.minimum(most, 2 * accept + 8)
    while (high - low > 1).any():
        open_ = high - low > 1
        enough = at_most(accept, trial, bad, lot_items) <= risk * ROUNDING
        high = np.where(open_ & enough, trial, high)
        low = np.where(open_ & ~enough, trial, low)
        trial = np.where(high > most, np.minimum(most, 2 * low), (low + high) // 2)
        trial = np.maximum(trial, 1)
    return high


def at_most(accept: ArrayLike, n: ArrayLike, quality: ArrayLike, lot_items: int | None) -> NDArray[np.float64]:
    """P(at most `accept` defects among n); `quality` is a rate, or the defectives of a lot of `lot_items`.

    For a lot the sum of the lower tail below the mean, of the upper above it, by the ratio of neighbours. scipy's own
    takes a hundred times as long in lots of about 100,000 items as in larger ones, where it is exact to 1e-10 only.
    """
    if lot_items is None:
        return np.asarray(binom.cdf(accept, n, np.where(np.less(quality, NEVER), 0, quality)))
    k, n, bad = np.broadcast_arrays(*(np.asarray(number, dtype=float) for number in (accept, n, quality)))
    upper = k >= n * bad / lot_items
    k = np.where(upper, k + 1, k)
    tail = term = exactly(k, n, bad, lot_items)
    good_left = lot_items - bad - n
    while (term > 1e-18 * tail).any():
        above = np.where(upper, (bad - k) * (n - k), k * (good_left + k))
        below = np.where(upper, (k + 1) * (good_left + k + 1), (bad - k + 1) * (n - k + 1))
        term = term * np.maximum(above, 0) / np.maximum(below, 1)
        tail = tail + term
        k = np.where(upper, k + 1, k - 1)
    return np.clip(np.where(upper, 1 - tail, tail), 0, 1)


def exactly(defects: ArrayLike, n: ArrayLike, quality: ArrayLike, lot_items: int | None) -> NDArray[np.float64]:
    """P(exactly `defects` among n), as `at_most`; for a lot by three binomials at rate n / lot (Loader, 2000)."""
    if lot_items is None:
        return np.asarray(binom.pmf(defects, n, np.where(np.less(quality, NEVER), 0, quality)))
    defects, n, quality = (np.asarray(number, dtype=float) for number in (defects, n, quality))
    rate = n / lot_items
    good = binom.pmf(n - defects, lot_items - quality, rate)
    return binom.pmf(defects, quality, rate) * good / binom.pmf(n, lot_items, rate)
