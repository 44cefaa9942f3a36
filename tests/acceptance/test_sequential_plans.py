"""Sequential plans keep what they promise, by enumeration of every order, and audit fewer items for it."""

from __future__ import annotations

from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelaudit.acceptance.plan import Decision
from labelaudit.acceptance.sequential import SequentialPlan, sequential_plan
from labelaudit.acceptance.single import single_plan
from labelaudit.errors import InvalidInput
from tests.acceptance.test_acceptance_plans import by_every_order, keeps

pytestmark = pytest.mark.slow

CONTRACTS = [(0.01, 0.05, 0.06, 0.10), (0.02, 0.05, 0.08, 0.10), (0.1, 0.1, 0.3, 0.05), (0, 0.05, 0.04, 0.10)]
PLANS = [single_plan(0.1, 0.1, 0.3, 0.1), sequential_plan(0.1, 0.1, 0.3, 0.1)]


@pytest.mark.parametrize("lot", [None, 1, 9, 60, 1_000, 10_000_000])
@pytest.mark.parametrize("contract", CONTRACTS)
def test_sequential_keeps_both_promises_and_audits_no_more(contract, lot):
    single, plan = single_plan(*contract, lot_items=lot), sequential_plan(*contract, lot_items=lot)
    assert keeps(single, contract)
    assert keeps(plan, contract)
    assert plan.n <= ceil(1.5 * single.n)
    points = [contract[0], contract[2]]
    assert plan.expected_audited(points).mean() <= single.expected_audited(points).mean() * (1 + 1e-9)
    assert (plan.expected_audited(points) <= single.n).all()


@pytest.mark.parametrize("contract", CONTRACTS[:3])
@pytest.mark.parametrize("lot", [None, 5_000])
def test_sequential_audits_a_quarter_less_at_both_points(contract, lot):
    single, plan = single_plan(*contract, lot_items=lot), sequential_plan(*contract, lot_items=lot)
    assert (plan.expected_audited([contract[0], contract[2]]) < 0.75 * single.n).all()


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("lot", [None, 12])
def test_sequential_is_what_every_order_gives(rate, lot):
    plan = sequential_plan(0.2, 0.2, 0.5, 0.2, lot_items=lot)
    assert plan.n >= 8
    accepted, audited = by_every_order(plan, rate)
    assert plan.operating_characteristic([rate])[0] == pytest.approx(accepted, abs=1e-12)
    assert plan.expected_audited([rate])[0] == pytest.approx(audited, abs=1e-12)


def test_lines_of_a_persons_own_by_hand():
    """Accept after two good items, reject after two defects, and the third answer decides: P = q^2 (1 + 2 p)."""
    plan = SequentialPlan(np.array([-1, 0, 1]), np.array([2, 2, 2]))
    p = 0.3
    assert plan.operating_characteristic([p])[0] == pytest.approx(0.7**2 * (1 + 2 * p))
    assert plan.expected_audited([p])[0] == pytest.approx(2 + 2 * p * 0.7)
    assert plan.decide_in_order([True, False, True, False]) == Decision("reject", 3, 2)
    assert plan.decide_in_order([False, False, True]) == Decision("accept", 2, 0)


@given(st.lists(st.booleans(), max_size=80), st.sampled_from(PLANS))
def test_walking_answers_is_deciding_after_each(answers, plan):
    defects, expected = 0, Decision("go on", min(len(answers), plan.n), sum(answers[: plan.n]))
    for audited, defective in enumerate(answers[: plan.n], 1):
        defects += defective
        outcome = plan.decide(audited, defects)
        if outcome != "go on":
            expected = Decision(outcome, audited, defects)
            break
    assert plan.decide_in_order(answers) == expected
    assert plan.decide_in_order(np.array(answers + [True] * 300, dtype=bool)).outcome != "go on"


@settings(max_examples=30, deadline=None)
@given(
    producer_rate=st.floats(0, 0.3),
    further=st.floats(0.05, 0.5),
    producer_risk=st.floats(0.01, 0.5),
    consumer_risk=st.floats(0.01, 0.5),
    lot=st.none() | st.integers(1, 3_000),
)
def test_any_contract_is_kept_by_both_kinds(producer_rate, further, producer_risk, consumer_risk, lot):
    contract = producer_rate, producer_risk, producer_rate + further, consumer_risk
    rates = np.linspace(0, 1, 101)
    for plan in (single_plan(*contract, lot_items=lot), sequential_plan(*contract, lot_items=lot)):
        assert keeps(plan, contract)
        accepted, audited = plan.operating_characteristic(rates), plan.expected_audited(rates)
        assert (np.diff(accepted) <= 1e-9).all()
        assert ((accepted >= 0) & (accepted <= 1)).all()
        assert ((audited >= 1 - 1e-9) & (audited <= plan.n * (1 + 1e-9))).all()
        assert accepted[-1] == 0
        assert (plan.accept_at < plan.reject_at).all()
        assert plan.decide_in_order(np.ones(plan.n, bool)).outcome == "reject"


def test_the_largest_plans_are_within_reach():
    """n in the thousands of a lot of 10 million: both promises, and near half the items at both points."""
    contract = 0.02, 0.05, 0.03, 0.05
    single, plan = (make(*contract, lot_items=10_000_000) for make in (single_plan, sequential_plan))
    assert single.n > 2_000
    assert keeps(plan, contract)
    assert (plan.expected_audited([0.02, 0.03]) < 0.55 * single.n).all()


def test_a_sequential_plan_shorter_than_the_single_is_refused_with_the_number_to_allow():
    with pytest.raises(InvalidInput, match="allow 110 or more"):
        sequential_plan(0.01, 0.05, 0.06, 0.1, most_audited=100)
