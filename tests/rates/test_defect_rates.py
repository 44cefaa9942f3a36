"""Defect rates from a stratified audit: known answers, small cases in full, coverage of made audits."""

from __future__ import annotations

from itertools import product
from math import exp

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelaudit.errors import InvalidInput
from labelaudit.rates import intervals
from labelaudit.rates.defect_rates import Rate, defect_rate, domain_rate, pooled_rate, ratio_rate
from labelaudit.rates.plans import plan_audit
from labelaudit.rates.strata import allocate, draw, stratify
from labelaudit.rates.weighted import finite_trials, weighted_interval


@st.composite
def audits(drawn) -> tuple[list[int], list[int], list[int]]:
    """sizes, audited, defects of 1 to 6 strata, at least one item audited."""
    rows = []
    for _ in range(drawn(st.integers(1, 6))):
        size = drawn(st.integers(0, 500))
        audited = drawn(st.integers(0, size))
        rows.append((size, audited, drawn(st.integers(0, audited))))
    if not any(audited for _, audited, _ in rows):
        rows.append((10, 5, drawn(st.integers(0, 5))))
    return tuple(map(list, zip(*rows, strict=True)))


def test_the_value_is_the_weighted_sum_of_the_strata():
    assert defect_rate([80, 20], [10, 20], [1, 10]).value == pytest.approx(0.8 * 0.1 + 0.2 * 0.5)


def test_without_defects_the_upper_end_is_the_mid_p_one():
    """exp(-3.0) / 2 = .025; the last term is the correction for 1,000 trials."""
    low, high = weighted_interval(np.ones(1), np.array([1000.0]), np.array([[0.0]]))
    assert low[0] == 0
    assert high[0] == pytest.approx(1 - exp(-(1 + 0.56 + 0.001) * intervals.Z95**2 / 2 / 1000), abs=1e-7)
    assert 1000 * high[0] == pytest.approx(3.0, abs=0.02)


def test_with_many_answers_it_is_wilsons_interval():
    rate = defect_rate([10**9], [20_000], [3_000])
    assert (rate.low, rate.high) == pytest.approx(intervals.wilson(3_000, 20_000), abs=1e-4)


def test_the_ends_are_symmetrical_in_defects_and_fine_labels():
    one, other = defect_rate([500, 300], [40, 30], [2, 25]), defect_rate([500, 300], [40, 30], [38, 5])
    assert (one.low, one.high) == pytest.approx((1 - other.high, 1 - other.low), abs=1e-7)


def test_the_profile_is_the_best_fit_of_all_rates_with_that_sum():
    """Against a grid: the upper end is the largest sum of two rates within the limit of likelihood."""
    weights, trials, seen = np.array([0.7, 0.3]), np.array([30.0, 20.0]), np.array([0.1, 0.6])
    high = weighted_interval(weights, trials, seen[None])[1][0]
    step = weights / trials
    surprises = ((step / step.max()) ** 2 * trials * np.minimum(seen, 1 - seen)).sum()
    limit = intervals.Z95**2 / 2 * (1 + (step**2).sum() / (step**2 * trials).sum() + 0.56 / (1 + surprises))
    p = np.stack(np.meshgrid(np.linspace(0.001, 0.999, 999), np.linspace(0.001, 0.999, 999)), -1)
    loss = trials * (seen * np.log(seen / p) + (1 - seen) * np.log((1 - seen) / (1 - p)))
    assert high == pytest.approx((p @ weights)[loss.sum(-1) <= limit].max(), abs=1.5e-3)


def test_a_full_audit_is_exact():
    assert defect_rate([30, 7], [30, 7], [3, 7]) == Rate(10 / 37, 10 / 37, 10 / 37, 37, 10, 37)


def test_a_stratum_audited_whole_adds_no_width():
    alone, beside = defect_rate([100], [20], [4]), defect_rate([100, 100], [20, 100], [4, 50])
    assert beside.high - beside.low == pytest.approx((alone.high - alone.low) / 2)


def test_half_of_the_items_leave_half_of_the_variance():
    assert finite_trials(np.array([201.0]), np.array([101.0])).tolist() == [202.0]


def test_a_stratum_without_answers_is_pooled_with_the_nearest_of_higher_score():
    assert defect_rate([50, 30, 20], [10, 0, 10], [0, 0, 5]) == defect_rate([50, 50], [10, 10], [0, 5])
    assert defect_rate([50, 30, 20], [10, 10, 0], [0, 5, 0]) == defect_rate([50, 50], [10, 10], [0, 5])


@given(audits())
def test_the_interval_holds_the_value_and_lies_between_0_and_1(audit):
    rate = defect_rate(*audit)
    assert 0 <= rate.low <= rate.value <= rate.high <= 1


@given(audits(), st.randoms(use_true_random=False))
def test_the_order_of_the_strata_does_not_matter_where_each_was_audited(audit, random):
    rows = [row for row in zip(*audit, strict=True) if row[1]]
    one = defect_rate(*zip(*rows, strict=True))
    random.shuffle(rows)
    other = defect_rate(*zip(*rows, strict=True))
    assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high), abs=1e-6)


@given(audits())
def test_labels_are_items_where_every_item_has_one(audit):
    sizes, audited, defects = audit
    codes = np.repeat(np.arange(len(sizes)), audited)
    wrong = np.concatenate([np.arange(m) < x for m, x in zip(audited, defects, strict=True)])
    labels = ratio_rate(sizes, codes, wrong, np.ones(len(codes)), sizes)
    items = defect_rate(*audit)
    assert (labels.value, labels.low, labels.high) == pytest.approx((items.value, items.low, items.high), abs=1e-6)


def test_labels_that_are_wrong_together_tell_less():
    """10 of 100 labels: ten items with one each, or one item with all of its ten."""
    apart, together = np.ones(10), np.r_[10, np.zeros(9)]
    spread, clustered = (ratio_rate([1000], np.zeros(10, int), d, np.full(10, 10), [10_000]) for d in (apart, together))
    assert spread.value == clustered.value == 0.1
    assert clustered.high - clustered.low > 1.5 * (spread.high - spread.low)


@pytest.mark.parametrize(
    ("sizes", "audited", "defects"),
    [([5], [6], [0]), ([5], [2], [3]), ([5], [2], [-1]), ([5], [0], [0]), ([5], [1, 1], [0])],
)
def test_counts_that_contradict_each_other_are_refused(sizes, audited, defects):
    with pytest.raises(InvalidInput):
        defect_rate(sizes, audited, defects)


def test_a_part_of_which_nothing_was_audited_has_no_rate():
    assert domain_rate([50, 50], [0, 0], [0, 0]) is None


def test_equal_releases_pooled_are_one_sample_of_both():
    """Both by the same rule, so ten samples of 100 without a defect say what one of 1,000 says."""
    rate = defect_rate([10**9], [100], [0])
    pooled, whole = pooled_rate([rate] * 10, [10**9] * 10), defect_rate([10**9], [1000], [0])
    assert pooled.value == 0
    assert pooled.high == pytest.approx(whole.high, rel=0.02)


def test_releases_known_exactly_pool_exactly():
    one, other = defect_rate([10], [10], [1]), defect_rate([30], [30], [9])
    pooled = pooled_rate([one, other], [10, 30])
    assert (pooled.low, pooled.value, pooled.high) == pytest.approx((0.25, 0.25, 0.25))


@given(st.lists(st.sampled_from([0, 0.05, 0.3, 0.5, 0.81, 1.0]), min_size=1, max_size=80), st.integers(1, 8))
def test_strata_rise_with_the_score_and_equal_scores_share_one(doubt, strata):
    codes = stratify(doubt, strata)
    assert len(set(codes.tolist())) == codes.max() + 1 <= strata
    order = np.argsort(doubt, kind="stable")
    assert (np.diff(codes[order]) >= 0).all()
    assert len(set(zip(doubt, codes.tolist(), strict=True))) == len(set(doubt))
    assert stratify(doubt[::-1], strata).tolist() == codes.tolist()[::-1]


def test_strata_have_about_equal_sums_of_the_roots():
    doubt = np.random.default_rng(0).beta(1, 5, 20_000)
    sums = np.bincount(stratify(doubt), np.sqrt(np.clip(doubt, 0.01, 0.99) * (1 - np.clip(doubt, 0.01, 0.99))))
    assert len(sums) == 6
    assert sums == pytest.approx(np.full(6, sums.mean()), rel=0.01)


def test_rows_by_neyman_and_by_size():
    """Roots .3 and .5: Neyman gives 3 : 5, size 1 : 1; of 160 rows .75 * (60, 100) + .25 * (80, 80)."""
    assert allocate([1000, 1000], [0.1, 0.5], 160).tolist() == [65, 95]


@given(st.lists(st.tuples(st.integers(0, 40), st.floats(0, 1)), min_size=1, max_size=6), st.integers(0, 200))
def test_rows_sum_up_and_fit_into_every_stratum(strata, rows):
    sizes, guesses = map(np.array, zip(*strata, strict=True))
    given_ = allocate(sizes, guesses, rows)
    assert given_.sum() == min(rows, sizes.sum())
    assert (given_ <= sizes).all()
    if rows >= np.minimum(sizes, 2).sum():
        assert (given_ >= np.minimum(sizes, 2)).all()


def test_a_drawn_sample_is_the_plans_and_leaves_out_what_was_drawn_before():
    codes = np.repeat([0, 1, 2], [50, 20, 5])
    first = draw(codes, [4, 3, 2], seed=1)
    more = draw(codes, [10, 5, 3], seed=1, already=first)
    assert np.bincount(codes[first]).tolist() == [4, 3, 2]
    assert np.bincount(codes[more]).tolist() == [10, 5, 3]
    assert not set(first) & set(more)
    assert draw(codes, [4, 3, 2], seed=1).tolist() == first.tolist() != draw(codes, [4, 3, 2], seed=2).tolist()
    with pytest.raises(InvalidInput, match="stratum 2"):
        draw(codes, [0, 0, 1], seed=1, already=np.r_[first, more])


def test_every_pair_of_a_stratum_is_drawn_equally_often():
    """Six pairs of four items, 1,200 draws: 200 each, five standard deviations are 65."""
    drawn = [tuple(sorted(draw([0, 0, 0, 0], [2], seed))) for seed in range(1200)]
    counts = [drawn.count(pair) for pair in product(range(4), repeat=2) if pair[0] < pair[1]]
    assert sum(counts) == 1200
    assert max(abs(count - 200) for count in counts) < 65


def test_a_plan_answers_both_ways():
    doubt = np.random.default_rng(0).beta(1, 8, 5_000)
    wished = plan_audit(doubt, half_width=0.03)
    assert wished.half_width == pytest.approx(0.03, rel=0.1)
    assert plan_audit(doubt, rows=wished.rows).half_width == pytest.approx(wished.half_width, rel=1e-9)
    assert wished.allocation.sum() == wished.rows
    assert (wished.phase <= wished.allocation).all()
    assert (wished.rows, wished.half_width) in wished.table
    rows, widths = zip(*wished.table, strict=True)
    assert list(rows) == sorted(rows)
    assert list(widths) == sorted(widths, reverse=True)


def test_answers_without_a_defect_end_the_audit_earlier_than_many_defects():
    doubt = np.random.default_rng(0).beta(1, 8, 5_000)
    first = plan_audit(doubt, half_width=0.03)
    none, half = (plan_audit(doubt, 0.03, answered=(first.sizes, first.phase, first.phase * x)) for x in (0, 0.5))
    assert none.rows < first.rows < half.rows
    assert (none.allocation >= first.phase).all()


@pytest.mark.parametrize("wished", [{}, {"half_width": 0.1, "rows": 5}, {"half_width": 0.6}])
def test_a_plan_needs_one_wish(wished):
    with pytest.raises(InvalidInput):
        plan_audit([0.1, 0.9], **wished)


@pytest.mark.parametrize(
    "wrong",
    [[40, 60, 90, 150, 400, 900], [0, 0, 5, 20, 100, 1500], [300, 300, 300, 300, 300, 300], [10, 10, 10, 10, 20, 30]],
)
def test_made_audits_cover_the_truth(wrong):
    """600 audits of 200 rows, each within three standard errors of 93 to 98 % (.031, .017)."""
    sizes, wrong, m = np.array([6000, 4000, 3000, 3000, 2000, 2000]), np.array(wrong), np.full(6, 33)
    x = np.random.default_rng(0).hypergeometric(wrong, sizes - wrong, m, (600, 6))
    low, high = weighted_interval(sizes / sizes.sum(), finite_trials(sizes, m), x / m)
    truth = wrong.sum() / sizes.sum()
    assert 0.93 - 0.031 <= np.mean((low <= truth) & (truth <= high)) <= 0.98 + 0.017
