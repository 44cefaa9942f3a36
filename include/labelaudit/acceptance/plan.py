"""What every acceptance plan can do: decide a lot by its answers, and say what it would decide and what that costs."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor, isfinite
from numbers import Integral
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labelaudit.errors import InvalidInput
from labelaudit.values.value import Value

Outcome = Literal["accept", "reject", "go on"]


class CurvePoint(NamedTuple):
    rate: float
    accept_probability: float
    expected_audited: float


class PlanStep(NamedTuple):
    """From `audited` answers on: accept at `accept` defects or fewer, reject at `reject` or more; None: not yet."""

    audited: int
    accept: int | None
    reject: int | None


class DescribedPlan(Value):
    """A plan for a report: its numbers where they change, and its operating characteristic as points."""

    kind: Literal["single", "sequential"]
    n: int
    lot_items: int | None
    full_inspection: bool
    steps: tuple[PlanStep, ...]
    curve: tuple[CurvePoint, ...]


@dataclass(frozen=True)
class Decision:
    """What the answers decide, and how many of them it took (all that there were, with "go on")."""

    outcome: Outcome
    audited: int
    defects: int


class AcceptancePlan:
    """What every plan can do; `n` items are audited at most, out of `lot_items` (None: a lot without end).

    `accept_at` and `reject_at` (n,) are the numbers to hang on the wall: after m answers the lot is accepted with
    `accept_at[m - 1]` defects or fewer (-1: it can't be yet) and rejected with `reject_at[m - 1]` or more (m + 1: it
    can't be yet).
    """

    kind: Literal["single", "sequential"]
    n: int
    lot_items: int | None
    accept_at: NDArray[np.int64]
    reject_at: NDArray[np.int64]

    def decide(self, audited: int, defects: int) -> Outcome:
        """Whether `audited` answers with `defects` defects decide the lot.

        Looks at this moment only: call it after every answer, or use `decide_in_order` on a batch. A single plan may be
        asked at any time: what once is certain stays so. Raises InvalidInput for counts that can't be, or more answers
        than `n`: which of them are defects then depends on the order.

        >>> from labelaudit.acceptance.single import SinglePlan
        >>> SinglePlan(n=125, accept=3).decide(40, 4)
        'reject'
        """
        if not (is_count(defects, 0) and is_count(audited, defects)):
            raise InvalidInput(f"{defects} defects among {audited} audited items can't be: give 0 to {audited}")
        if audited > self.n:
            raise InvalidInput(f"{audited} items audited, the plan ends at {self.n}: give the answers in drawn order")
        if audited and defects >= self.reject_at[audited - 1]:
            return "reject"
        return "accept" if audited and defects <= self.accept_at[audited - 1] else "go on"

    def decide_in_order(self, defective: ArrayLike) -> Decision:
        """Walk answers in drawn order to the first that decides; those behind it do not count.

        `defective` (m,) bool, any m. Raises InvalidInput for anything but booleans or 0 and 1.

        >>> from labelaudit.acceptance.single import SinglePlan
        >>> SinglePlan(n=3, accept=0).decide_in_order([False, True, True])
        Decision(outcome='reject', audited=2, defects=1)
        """
        answers = np.asarray(defective)
        if answers.ndim != 1 or not np.isin(answers, (0, 1)).all():
            raise InvalidInput("the answers must be one list of true (defective) and false, in drawn order")
        answers = answers[: self.n].astype(np.int64)
        defects = np.cumsum(answers)
        rejected = defects >= self.reject_at[: len(answers)]
        stops = np.flatnonzero(rejected | (defects <= self.accept_at[: len(answers)]))
        if not len(stops):
            return Decision("go on", len(answers), int(answers.sum()))
        first = stops[0]
        return Decision("reject" if rejected[first] else "accept", int(first) + 1, int(defects[first]))

    def operating_characteristic(self, rates: ArrayLike) -> NDArray[np.float64]:
        """Exact probability (r,) that a lot of each defect rate (r,) is accepted.

        A lot of known size has round(rate * lot_items) defectives. Raises InvalidInput for rates outside [0, 1].

        >>> from labelaudit.acceptance.single import SinglePlan
        >>> SinglePlan(n=125, accept=3).operating_characteristic([0.01, 0.03]).round(2).tolist()
        [0.96, 0.48]
        """
        return np.clip(self._acceptance(self._quality(rates)), 0, 1)

    def expected_audited(self, rates: ArrayLike) -> NDArray[np.float64]:
        """Exact mean number (r,) of items audited until the decision is certain, for lots of each rate (r,).

        The average sample number (ASN), between 1 and `n`. Lots and errors as `operating_characteristic`.

        >>> from labelaudit.acceptance.single import SinglePlan
        >>> SinglePlan(n=2, accept=0).expected_audited([0.5]).tolist()  # the first is a defect: the second is spared
        [1.5]
        """
        return self._mean_audited(self._quality(rates))

    def risks(self, producer_rate: float, consumer_rate: float) -> tuple[float, float]:
        """The risks that the plan has at two stated rates: that it rejects at the first, that it accepts at the second.

        A lot of known size has floor(producer_rate * lot_items) and ceil(consumer_rate * lot_items) defectives.
        """
        good, bad = np.clip(self._acceptance(stated_quality(producer_rate, consumer_rate, self.lot_items)), 0, 1)
        return float(1 - good), float(bad)

    def curve(self, points: int = 21, highest_rate: float | None = None) -> tuple[CurvePoint, ...]:
        """The operating characteristic at `points` (2 or more) evenly spaced rates from 0 to `highest_rate`.

        By default up to about the rate that is accepted with 1 %.
        """
        if points < 2:
            raise InvalidInput(f"a curve of {points} points: ask for 2 or more")
        if highest_rate is None:
            low, highest_rate = 0.0, 1.0
            while highest_rate - low > 0.01 * highest_rate and highest_rate > 1e-6:
                middle = (low + highest_rate) / 2
                accepted = self.operating_characteristic([middle])[0] > 0.01
                low, highest_rate = (middle, highest_rate) if accepted else (low, middle)
        rates = np.linspace(0, highest_rate, points)
        columns = rates, self.operating_characteristic(rates), self.expected_audited(rates)
        return tuple(CurvePoint(*map(float, row)) for row in zip(*columns, strict=True))

    def describe(self, points: int = 21, highest_rate: float | None = None) -> DescribedPlan:
        """The plan as a value for a report: `steps` where its numbers change, and `curve(points, highest_rate)`."""
        audited = np.arange(1, self.n + 1)
        accept, reject = self.accept_at, np.where(self.reject_at > audited, -1, self.reject_at)
        changes = np.flatnonzero((np.diff(accept, prepend=-1) != 0) | (np.diff(reject, prepend=-1) != 0))
        return DescribedPlan(
            kind=self.kind,
            n=self.n,
            lot_items=self.lot_items,
            full_inspection=self.full_inspection,
            steps=tuple(
                PlanStep(int(i) + 1, *(None if line[i] < 0 else int(line[i]) for line in (accept, reject)))
                for i in changes
            ),
            curve=self.curve(points, highest_rate),
        )

    @property
    def full_inspection(self) -> bool:
        """Whether the plan may audit the whole lot."""
        return self.n == self.lot_items

    def _quality(self, rates: ArrayLike) -> NDArray:
        rates = np.atleast_1d(np.asarray(rates, dtype=float))
        if rates.ndim != 1 or not ((rates >= 0) & (rates <= 1)).all():
            raise InvalidInput("the rates must be one list of numbers from 0 to 1")
        return rates if self.lot_items is None else np.rint(rates * self.lot_items).astype(np.int64)

    def _acceptance(self, quality: NDArray) -> NDArray[np.float64]:
        raise NotImplementedError

    def _mean_audited(self, quality: NDArray) -> NDArray[np.float64]:
        raise NotImplementedError


def stated_quality(producer_rate: float, consumer_rate: float, lot_items: int | None) -> NDArray:
    """Two stated rates (2,) as they are, or as defectives of a lot: floor and ceil of the decimal that was written.

    >>> stated_quality(0.29, 0.07, 100).tolist()  # 0.29 * 100 is 28.999999999999996, 0.07 * 100 is 7.000000000000001
    [29, 7]
    """
    if lot_items is None:
        return np.array([producer_rate, consumer_rate], dtype=float)
    good, bad = (Fraction(str(float(rate))) * lot_items for rate in (producer_rate, consumer_rate))
    return np.array([floor(good), ceil(bad)], dtype=np.int64)


def check_points(producer_rate: float, producer_risk: float, consumer_rate: float, consumer_risk: float) -> None:
    """Raise InvalidInput unless the two points are rates and risks that a plan can keep."""
    if not all(isfinite(number) for number in (producer_rate, producer_risk, consumer_rate, consumer_risk)):
        raise InvalidInput("rates and risks must be numbers")
    if not 0 <= producer_rate < consumer_rate < 1:
        raise InvalidInput(
            f"producer's rate {producer_rate:g}, consumer's rate {consumer_rate:g}: the consumer's must be the higher, "
            "both from 0 to below 1"
        )
    for who, risk in (("producer's", producer_risk), ("consumer's", consumer_risk)):
        if not 0 < risk <= 0.5:
            raise InvalidInput(f"the {who} risk is {risk:g}: set it above 0, at most 0.5 (usual are 0.05 and 0.1)")


def check_lot(lot_items: int | None) -> None:
    """Raise InvalidInput for a lot without an item."""
    if lot_items is not None and not is_count(lot_items, 1):
        raise InvalidInput(f"a lot of {lot_items} items: give a whole number from 1, or None for a lot without end")


def is_count(number: object, least: int) -> bool:
    """Whether `number` is a whole number of at least `least`; True and False are none."""
    return isinstance(number, Integral) and not isinstance(number, bool) and number >= least
