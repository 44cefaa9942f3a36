"""Sequential acceptance sampling: decide after every audited item, and audit fewer where a lot is plainly good or bad.

Wald's sequential probability ratio test (Annals of Mathematical Statistics 16, 1945) between the contract's two points,
truncated at a stated n. Its risks are not Wald's approximations: they are computed by the direct method (Aroian,
Technometrics 10, 1968), and the lines are moved until the truncated plan keeps both promises.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import ceil, exp, log
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from labelaudit.acceptance.plan import AcceptancePlan, check_lot, check_points, is_count, stated_quality
from labelaudit.acceptance.single import ROUNDING, exactly, single_plan
from labelaudit.errors import InvalidInput

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class _Ends(NamedTuple):
    """Where walks end: after `audited` (k,) answers with `defects` (k,), by which decision, and the share `weight` of
    the orders of that many defects among that many answers that get there (and end there, not before)."""

    audited: Ints
    defects: Ints
    accepted: NDArray[np.bool_]
    weight: Floats

    def probability(self, quality: float, lot_items: int | None) -> Floats:
        """(k,) probabilities of the ends; all orders of the same answers are equally likely, with any lot."""
        return self.weight * exactly(self.defects, self.audited, quality, lot_items)


@dataclass(frozen=True, eq=False)
class SequentialPlan(AcceptancePlan):
    """Audit in drawn order, and decide by the two lines after each answer (see `AcceptancePlan`, for -1 and m + 1 too).

    Both (n,) int, never falling, accept_at < reject_at, and reject_at[-1] = accept_at[-1] + 1: the plan ends at n.
    Raises InvalidInput for other lines.

    >>> SequentialPlan(np.array([-1, 0]), np.array([1, 1])).operating_characteristic([0.5]).round(9).tolist()
    [0.25]
    """

    accept_at: Ints
    reject_at: Ints
    lot_items: int | None = None
    kind = "sequential"

    def __post_init__(self) -> None:
        check_lot(self.lot_items)
        for name in ("accept_at", "reject_at"):
            line = np.array(getattr(self, name), dtype=np.int64)
            line.flags.writeable = False
            object.__setattr__(self, name, line)
        accept, reject = self.accept_at, self.reject_at
        if accept.ndim != 1 or accept.shape != reject.shape or not len(accept):
            raise InvalidInput("the plan needs one accept and one reject number for every answer")
        falls = (np.diff(accept) < 0).any() or (np.diff(reject) < 0).any()
        if falls or (accept >= reject).any() or accept[0] < -1 or reject[-1] != accept[-1] + 1:
            raise InvalidInput(
                "accept numbers must lie below reject numbers, neither may fall, and they must meet at the last answer"
            )
        if self.lot_items is not None and self.n > self.lot_items:
            raise InvalidInput(f"n = {self.n} of a lot of {self.lot_items} items: audit the whole lot at most")

    @property
    def n(self) -> int:  # type: ignore[override]
        return len(self.accept_at)

    @cached_property
    def _ends(self) -> _Ends:
        return _walk(self.accept_at, self.reject_at)[0]

    def _acceptance(self, quality: NDArray) -> Floats:
        return np.array([self._probability(q) @ self._ends.accepted for q in quality])

    def _mean_audited(self, quality: NDArray) -> Floats:
        return np.array([self._probability(q) @ self._ends.audited for q in quality])

    def _probability(self, quality: float) -> Floats:
        return self._ends.probability(quality, self.lot_items)


def sequential_plan(
    producer_rate: float,
    producer_risk: float,
    consumer_rate: float,
    consumer_risk: float,
    lot_items: int | None = None,
    most_audited: int | None = None,
) -> SequentialPlan:
    """A truncated sequential plan that keeps both promises, with few items audited at both rates.

    Arguments and errors as `single_plan`. `most_audited` is where it ends at the latest: from the single plan's n to
    the lot, by default 1.5 times that n or the lot. Wald's lines at nominal risks a, b: accept where the log likelihood
    ratio is log(b / (1 - a)) or less, reject where it is log((1 - b) / a) or more; for a lot of known size the ratio is
    the hypergeometric one. From a common scale of the risks that just keeps both promises, first a, then b is widened
    while both are kept, if fewer items are then audited on average at the two rates. Where no scale does (a tiny lot),
    it is the single plan, stopped when certain. Takes a second or two where the single plan's n is 10,000.

    >>> plan = sequential_plan(0, 0.05, 0.5, 0.25)  # as the single plan: a defect rejects, two good items accept
    >>> plan.accept_at.tolist(), plan.reject_at.tolist()
    ([-1, 0], [1, 1])
    """
    check_points(producer_rate, producer_risk, consumer_rate, consumer_risk)
    single = single_plan(producer_rate, producer_risk, consumer_rate, consumer_risk, lot_items)
    most = ceil(1.5 * single.n) if most_audited is None else most_audited
    most = most if lot_items is None else min(most, lot_items)
    if not is_count(most, single.n):
        raise InvalidInput(f"the two promises can't be kept with {most} audited items: allow {single.n} or more")
    good, bad = stated_quality(producer_rate, consumer_rate, lot_items).tolist()
    promises = _Promises(good, producer_risk, bad, consumer_risk, lot_items)
    best = SequentialPlan(*_curtailed(single.accept_at, single.reject_at, single.accept), lot_items)
    fewest = promises.mean_audited(best)
    scales = np.zeros(2)
    for widened, low, high, tries in (((1, 1), 0.02, 2.0, 8), ((1, 0), 1.0, 3.0, 5), ((0, 1), 1.0, 3.0, 5)):
        start = scales
        low, high = log(low), log(high)
        for _ in range(tries):
            middle = (low + high) / 2
            trial = start + middle * np.array(widened)
            plan = promises.kept_by(exp(trial[0]) * producer_risk, exp(trial[1]) * consumer_risk, most)
            if plan is None:
                high = middle
                continue
            low = middle
            audited = promises.mean_audited(plan)
            if audited < fewest:
                best, fewest, scales = plan, audited, trial
    return best


@dataclass(frozen=True)
class _Promises:
    """The contract's two points; `good` and `bad` are their rates, or their defectives in the lot."""

    good: float
    producer_risk: float
    bad: float
    consumer_risk: float
    lot_items: int | None

    def mean_audited(self, plan: SequentialPlan) -> float:
        return float(plan._mean_audited(np.array([self.good, self.bad])).mean())

    def kept_by(self, a: float, b: float, most: int) -> SequentialPlan | None:
        """Wald's lines at nominal risks a, b, cut at `most` answers where both promises are kept; None: nowhere."""
        if a + b >= 0.99:
            return None
        audited = np.arange(1, most + 1)
        accept = _first(audited, lambda m, d: self._log_ratio(m, d) > log(b / (1 - a))) - 1
        reject = _first(audited, lambda m, d: self._log_ratio(m, d) >= log((1 - b) / a))
        accept, reject = np.maximum.accumulate(accept), np.maximum.accumulate(reject)
        ends, left = _walk(accept, reject)
        rejected = ends.probability(self.good, self.lot_items)[~ends.accepted].sum()
        accepted = ends.probability(self.bad, self.lot_items)[ends.accepted].sum()
        last = most if len(left.defects) else int(ends.audited.max())
        accept, reject = accept[:last], reject[:last]
        numbers = np.concatenate([[accept[-1]], left.defects])  # Ac at the last answer: those with more are rejected
        rejections = rejected + np.append(np.cumsum(left.probability(self.good, self.lot_items)[::-1])[::-1], 0)
        acceptances = accepted + np.append(0, np.cumsum(left.probability(self.bad, self.lot_items)))
        kept = (rejections <= self.producer_risk * ROUNDING) & (acceptances <= self.consumer_risk * ROUNDING)
        if not kept.any():
            return None
        return SequentialPlan(*_curtailed(accept, reject, int(numbers[np.argmax(kept)])), self.lot_items)

    def _log_ratio(self, audited: Ints, defects: Ints) -> Floats:
        """log P(answers | bad) / P(answers | good); infinite where one of the two can't be."""
        if self.lot_items is None:
            with np.errstate(divide="ignore", invalid="ignore"):
                bad = np.where(defects > 0, defects * (log(self.bad) - np.log(self.good)), 0.0)
            return bad + (audited - defects) * log((1 - self.bad) / (1 - self.good))
        unseen, good, bad = self.lot_items - audited, self.good - defects, self.bad - defects
        with np.errstate(invalid="ignore"):
            ratio = _log_choose(unseen, bad) - _log_choose(unseen, good)
        ratio += _log_choose(self.lot_items, self.good) - _log_choose(self.lot_items, self.bad)
        return np.where(good < 0, np.inf, np.where(bad > unseen, -np.inf, ratio))


def _log_choose(n: Ints | int, k: Ints | int) -> Floats:
    return gammaln(np.add(n, 1.0)) - gammaln(np.add(k, 1.0)) - gammaln(np.subtract(n, k) + 1.0)


def _first(audited: Ints, crossed: Callable[[Ints, Ints], NDArray[np.bool_]]) -> Ints:
    """For each number of answers m the fewest defects with `crossed`, m + 1 where none is; by bisection."""
    low, high = np.full(len(audited), -1), audited + 1
    while (open_ := high - low > 1).any():
        middle = (low + high) // 2
        beyond = crossed(audited, np.maximum(middle, 0))
        high = np.where(open_ & beyond, middle, high)
        low = np.where(open_ & ~beyond, middle, low)
    return high


def _curtailed(accept: Ints, reject: Ints, number: int) -> tuple[Ints, Ints]:
    """Lines that end by acceptance at `number` defects, and stop as soon as that end is certain."""
    audited = np.arange(1, len(accept) + 1)
    reject = np.minimum(reject, number + 1)
    nearest = audited + np.minimum.accumulate((reject - audited)[::-1])[::-1]
    return np.maximum(np.minimum(accept, number), nearest - 1), reject


def _walk(accept_at: Ints, reject_at: Ints) -> tuple[_Ends, _Ends]:
    """All ends of walks between two lines, and what is left between them after the last answer.

    A walk to d defects in m answers came by a good item with (m - d) / m, by a defect with d / m: every order is as
    likely as any other. So one pass does for all rates and lots, in sums of positive numbers only.
    """
    weight = np.zeros(len(accept_at) + 2)
    weight[0] = 1.0
    numbers = np.arange(len(weight), dtype=float)
    ends: list[tuple[int, int, bool, float]] = []
    low = high = m = 0
    for m, (accept, reject) in enumerate(zip(accept_at.tolist(), reject_at.tolist(), strict=True), 1):
        share = numbers[low : high + 2] / m
        moved = weight[low : high + 2] * (1 - share)
        moved[1:] += weight[low : high + 1] * share[1:]
        high += 1
        weight[low : high + 1] = moved
        while low <= high and low <= accept:
            ends.append((m, low, True, weight[low]))
            low += 1
        while high >= low and high >= reject:
            ends.append((m, high, False, weight[high]))
            weight[high] = 0.0
            high -= 1
        if low > high:
            break
    columns = np.array(ends, dtype=float).reshape(-1, 4).T
    left = np.arange(low, high + 1)
    return (
        _Ends(columns[0].astype(np.int64), columns[1].astype(np.int64), columns[2] > 0, columns[3]),
        _Ends(np.full(len(left), m), left, np.zeros(len(left), dtype=bool), weight[low : high + 1]),
    )
