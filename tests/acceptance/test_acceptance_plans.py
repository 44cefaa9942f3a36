"""Acceptance plans keep what they promise: against fractions, enumeration of every order, and brute force."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import ceil, comb, floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelaudit.acceptance.plan import AcceptancePlan, Decision, DescribedPlan, PlanStep
from labelaudit.acceptance.sequential import SequentialPlan, sequential_plan
from labelaudit.acceptance.single import SinglePlan, single_plan
from labelaudit.errors import InvalidInput


def binomial(accept: int, n: int, rate: str) -> Fraction:
    p = Fraction(rate)
    return sum((comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(accept + 1)), Fraction(0))


def hypergeometric(accept: int, n: int, lot: int, defectives: int) -> Fraction:
    ways = sum(comb(defectives, k) * comb(lot - defectives, n - k) for k in range(accept + 1))
    return Fraction(ways, comb(lot, n))


def keeps(plan: AcceptancePlan, contract: tuple) -> bool:
    producer_rate, producer_risk, consumer_rate, consumer_risk = contract
    rejects_good, accepts_bad = plan.risks(producer_rate, consumer_rate)
    return rejects_good <= producer_risk * (1 + 1e-9) and accepts_bad <= consumer_risk * (1 + 1e-9)


def by_every_order(plan: AcceptancePlan, rate: float) -> tuple[float, float]:
    """P(accept) and mean audited by walking all 2^n (or all orders of the lot's) answers through `decide_in_order`."""
    accepted = audited = 0.0
    length = plan.n if plan.lot_items is None else plan.lot_items
    defectives = None if plan.lot_items is None else round(rate * plan.lot_items)
    for answers in product((False, True), repeat=length):
        total = sum(answers)
        if defectives is not None and total != defectives:
            continue
        weight = rate**total * (1 - rate) ** (length - total) if defectives is None else 1 / comb(length, defectives)
        decision = plan.decide_in_order(answers)
        accepted += weight * (decision.outcome == "accept")
        audited += weight * decision.audited
    return accepted, audited


def test_the_single_plan_is_the_smallest_that_keeps_both_risks_binomial():
    """By exact fractions over every n below and every Ac."""
    plan = single_plan(0.01, 0.05, 0.06, 0.10)
    assert plan == SinglePlan(n=110, accept=3)

    def kept(n, accept):
        return 1 - binomial(accept, n, "0.01") <= Fraction("0.05") and binomial(accept, n, "0.06") <= Fraction("0.1")

    assert kept(110, 3)
    assert not any(kept(n, accept) for n in range(1, 110) for accept in range(min(n, 8)))


@pytest.mark.parametrize("lot", [1, 2, 10, 37, 80])
@pytest.mark.parametrize("contract", [("0.01", "0.05", "0.06", "0.1"), ("0.07", "0.1", "0.29", "0.2")])
def test_the_single_plan_is_the_smallest_that_keeps_both_risks_for_a_lot(lot, contract):
    p1, a, p2, b = map(Fraction, contract)
    good, bad = floor(p1 * lot), ceil(p2 * lot)

    def kept(n, accept):
        return 1 - hypergeometric(accept, n, lot, good) <= a and hypergeometric(accept, n, lot, bad) <= b

    smallest = next(n for n in range(1, lot + 1) if any(kept(n, accept) for accept in range(n)))
    plan = single_plan(*map(float, contract), lot_items=lot)
    assert plan.n == smallest
    assert kept(plan.n, plan.accept)
    assert plan.full_inspection == (smallest == lot)


def test_zero_acceptance_plan_of_the_textbooks():
    """Success run: n = ceil(ln 0.1 / ln 0.95) = 45 without a defect shows 5 % with 90 %."""
    assert single_plan(0, 0.05, 0.05, 0.10) == SinglePlan(n=45, accept=0)


def test_a_risk_that_is_met_exactly_is_kept():
    """1 of 20: with D = 1, n = 19 of the lot leaves exactly 1/20."""
    assert single_plan(0, 0.05, 0.05, 0.05, lot_items=20).n == 19


def test_a_stated_rate_is_the_decimal_that_was_written():
    """0.07 * 100 is 7.000000000000001 in floats: 7 defectives, not 8. 0.29 * 100 is 28.999999999999996: 29, not 28."""
    plan = SinglePlan(n=30, accept=2, lot_items=100)
    assert plan.risks(0.01, 0.07)[1] == pytest.approx(float(hypergeometric(2, 30, 100, 7)), rel=1e-12)
    assert plan.risks(0.29, 0.5)[0] == pytest.approx(float(1 - hypergeometric(2, 30, 100, 29)), rel=1e-12)


def test_a_lot_too_small_to_sample_is_inspected_whole():
    plan = single_plan(0.01, 0.05, 0.06, 0.10, lot_items=5)
    assert (plan.n, plan.accept, plan.full_inspection) == (5, 0, True)
    assert plan.risks(0.01, 0.06) == (0, 0)


def test_a_huge_lot_is_as_one_without_end():
    rates = np.linspace(0, 0.1, 11)
    without_end = single_plan(0.01, 0.05, 0.03, 0.10)
    huge = single_plan(0.01, 0.05, 0.03, 0.10, lot_items=10_000_000)
    assert (huge.n, huge.accept) == (without_end.n, without_end.accept) == (390, 7)
    np.testing.assert_allclose(
        huge.operating_characteristic(rates), without_end.operating_characteristic(rates), atol=1e-4
    )
    np.testing.assert_allclose(huge.expected_audited(rates), without_end.expected_audited(rates), rtol=1e-4)


@pytest.mark.parametrize(("lot", "n", "accept", "defectives"), [(10_000_000, 390, 7, 300_000), (5_000, 4_990, 89, 90)])
def test_lots_are_exact_to_twelve_digits_by_both_methods(lot, n, accept, defectives):
    plan = SinglePlan(n, accept, lot)
    walked = SequentialPlan(plan.accept_at, plan.reject_at, lot)
    exact = float(hypergeometric(accept, n, lot, defectives))
    for made in (plan, walked):
        assert made.operating_characteristic([defectives / lot])[0] == pytest.approx(exact, rel=1e-12)


def test_an_aql_plan_accepts_a_three_percent_lot_half_the_time():
    plan = SinglePlan(n=125, accept=3)
    assert plan.operating_characteristic([0.03])[0] == pytest.approx(float(binomial(3, 125, "0.03")), rel=1e-12)
    assert plan.operating_characteristic([0.03])[0] == pytest.approx(0.48, abs=0.005)


def test_thousands_of_items_are_decided_exactly():
    plan = SinglePlan(n=3_000, accept=62)
    assert plan.operating_characteristic([0.02])[0] == pytest.approx(float(binomial(62, 3_000, "0.02")), rel=1e-9)


def test_rates_next_to_nothing_count_as_none():
    for plan in (SinglePlan(20, 1), SequentialPlan(np.array([-1, 0]), np.array([1, 1]))):
        for rate in (1e-320, 2.3e-308, 1e-150):
            assert plan.operating_characteristic([rate])[0] == pytest.approx(1)
            assert plan.expected_audited([rate])[0] == pytest.approx(plan.expected_audited([0])[0])


def test_single_stops_when_certain():
    plan = SinglePlan(n=10, accept=2)
    assert plan.decide(0, 0) == "go on"
    assert plan.decide(2, 2) == "go on"
    assert plan.decide(3, 3) == "reject"
    assert plan.decide(7, 0) == "go on"  # three to come may all be defects
    assert plan.decide(8, 0) == "accept"
    assert plan.decide(9, 2) == "go on"
    assert plan.decide(10, 2) == "accept"
    assert plan.decide_in_order([True] * 3 + [False] * 20) == Decision("reject", 3, 3)
    assert plan.decide_in_order([]) == Decision("go on", 0, 0)
    assert plan.decide_in_order([False, True]) == Decision("go on", 2, 1)


@pytest.mark.parametrize("plan", [SinglePlan(7, 2), SinglePlan(4, 0), SinglePlan(6, 2, 9), SinglePlan(8, 3, 8)])
@pytest.mark.parametrize("rate", [0.0, 0.25, 0.6, 1.0])
def test_curtailment_leaves_the_decision_and_its_mean_is_that_of_every_order(plan, rate):
    accepted, audited = by_every_order(plan, rate)
    assert plan.operating_characteristic([rate])[0] == pytest.approx(accepted, abs=1e-12)
    assert plan.expected_audited([rate])[0] == pytest.approx(audited, abs=1e-12)


@given(n=st.integers(1, 60), data=st.data())
def test_closed_forms_of_the_single_plan_equal_the_direct_method_on_its_lines(n, data):
    accept = data.draw(st.integers(0, n - 1))
    lot = data.draw(st.none() | st.integers(n, 500))
    single = SinglePlan(n, accept, lot)
    walked = SequentialPlan(single.accept_at, single.reject_at, lot)
    rates = np.linspace(0, 1, 13)
    np.testing.assert_allclose(
        walked.operating_characteristic(rates), single.operating_characteristic(rates), atol=1e-9
    )
    np.testing.assert_allclose(walked.expected_audited(rates), single.expected_audited(rates), rtol=1e-9)


@pytest.mark.parametrize("plan", [SinglePlan(5, 1), sequential_plan(0.01, 0.05, 0.06, 0.1, 400)])
def test_a_described_plan_comes_back_equal_and_its_steps_are_the_plan(plan):
    described = plan.describe(points=5)
    assert DescribedPlan.model_validate_json(described.model_dump_json()) == described
    assert len(described.curve) == 5
    assert described.curve[0] == (0.0, 1.0, pytest.approx(plan.expected_audited([0.0])[0]))
    assert described.curve[-1].accept_probability <= 0.01
    step = PlanStep(0, None, None)
    changes = {step.audited: step for step in described.steps}
    for audited in range(1, plan.n + 1):
        step = changes.get(audited, step)
        for defects in range(audited + 1):
            outcome = "go on"
            if step.accept is not None and defects <= step.accept:
                outcome = "accept"
            if step.reject is not None and defects >= step.reject:
                outcome = "reject"
            assert outcome == plan.decide(audited, defects)


def test_the_steps_of_a_small_plan_by_hand():
    """n = 5, Ac = 1: two defects reject from the second on; four good ones accept, or one defect among five."""
    steps = SinglePlan(5, 1).describe().steps
    assert steps == ((2, None, 2), (4, 0, 2), (5, 1, 2))


@pytest.mark.parametrize(
    "arguments",
    [
        (0.06, 0.05, 0.01, 0.1),
        (0.01, 0.05, 0.01, 0.1),
        (-0.01, 0.05, 0.06, 0.1),
        (0.01, 0.05, 1.0, 0.1),
        (0.01, 0, 0.06, 0.1),
        (0.01, 0.05, 0.06, 0.51),
        (float("nan"), 0.05, 0.06, 0.1),
        (0.01, 0.05, 0.06, float("inf")),
        (0.01, 0.05, 0.06, 0.1, 0),
        (0.01, 0.05, 0.06, 0.1, 2.5),
        (0.01, 0.05, 0.06, 0.1, True),
        (0.01, 0.05, 0.010001, 0.1),
    ],
)
def test_points_that_no_plan_can_keep_are_refused(arguments):
    for make in (single_plan, sequential_plan):
        with pytest.raises(InvalidInput):
            make(*arguments)


@pytest.mark.parametrize(
    "call",
    [
        lambda: SinglePlan(n=3, accept=3),
        lambda: SinglePlan(n=3, accept=-1),
        lambda: SinglePlan(n=3.5, accept=1),
        lambda: SinglePlan(n=30, accept=1, lot_items=20),
        lambda: SinglePlan(n=3, accept=1).decide(2, 3),
        lambda: SinglePlan(n=3, accept=1).decide(4, 0),
        lambda: SinglePlan(n=3, accept=1).decide_in_order([0.5]),
        lambda: SinglePlan(n=3, accept=1).decide_in_order([[True]]),
        lambda: SinglePlan(n=3, accept=1).operating_characteristic([1.1]),
        lambda: SinglePlan(n=3, accept=1).expected_audited([float("nan")]),
        lambda: SinglePlan(n=3, accept=1).curve(points=1),
        lambda: SequentialPlan(np.array([0, 0]), np.array([1, 2])),
        lambda: SequentialPlan(np.array([1, 0]), np.array([2, 1])),
        lambda: SequentialPlan(np.array([-1]), np.array([1, 1])),
        lambda: SequentialPlan(np.array([], int), np.array([], int)),
        lambda: SequentialPlan(np.array([-1, 0]), np.array([1, 1]), lot_items=1),
    ],
)
def test_what_decides_nothing_is_refused(call):
    with pytest.raises(InvalidInput):
        call()
