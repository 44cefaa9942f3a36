"""Rules of the watch: how few false incidents it opens, what it finds, and that it never looks ahead."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import PROJECT, few_streams
from hypothesis import given, settings
from hypothesis import strategies as st

from labelaudit.contracts.reading import contract_paths, read_contract
from labelaudit.errors import InvalidInput
from labelaudit.regressions import Terms, watch, watch_all
from labelaudit.regressions.thresholds import HIGHEST, LEAST, QUICK, TABLES, table, thresholds, when_needed

pytestmark = pytest.mark.slow

STEADY = ([5] * 40, [100] * 40)


def test_streams_that_never_change_keep_the_budget():
    """300 streams of several sizes and rates, 365 releases: half an incident each, at most one and a half times."""
    rng = np.random.default_rng(5)
    units = rng.choice([30, 100, 300, 1000], (300, 1))
    rate = rng.choice([0.01, 0.03, 0.1, 0.2], (300, 1))
    n = rng.poisson(units, (300, 365))
    watched = watch_all(rng.binomial(n, rate).astype(float), n.astype(float))
    assert sum(len(stream.shifts) for stream in watched) <= 1.5 * 0.5 * 300


def test_doublings_are_found_within_fourteen_releases():
    rng = np.random.default_rng(6)
    n = rng.poisson(300, (60, 74))
    x = rng.binomial(n, np.where(np.arange(74) >= 60, 0.1, 0.05))
    watched = watch_all(x.astype(float), n.astype(float))
    late = [any(shift.opened >= 60 for shift in stream.shifts) for stream in watched]
    assert np.mean(late) >= 0.95


def test_a_shift_is_dated_by_when_it_began():
    watched = watch([5] * 40 + [20] * 3, [100] * 43)
    assert [(shift.since, shift.closed) for shift in watched.shifts] == [(40, None)]
    assert watched.state == "open"


def test_nothing_opens_until_enough_releases_and_enough_units_are_there():
    worse = [1] * 10 + [60] * 4
    assert watch(worse[:-1], [100] * 13).state == "learning"
    assert watch(worse, [100] * 14).state == "watching", "the fourteenth is learnt; the next can open"
    assert not watch(worse, [100] * 14).shifts
    x, n = [5] * 10 + [15] * 4, [100] * 14
    assert watch(x, n, learning_releases=7, learning_units=150).state == "open"
    with few_streams():
        assert not watch(x, n, learning_releases=7, learning_units=5000).shifts


def test_it_closes_after_as_many_good_releases_as_the_terms_say_and_no_fewer():
    x = [5] * 40 + [30] * 4 + [5] * 6
    for close_after in (2, 5):
        (shift,) = watch(x, [100] * 50, close_after=close_after).shifts
        assert shift.closed == 43 + close_after
    (interrupted,) = watch([5] * 40 + [30] * 4 + [5] * 4 + [30] + [5] * 4, [100] * 53).shifts
    assert interrupted.closed is None


def test_it_reopens_within_the_terms_releases_only():
    x = [5] * 40 + [30] * 4 + [5] * 12 + [30] * 4
    assert [len(shift.reopened) for shift in watch(x, [100] * 60, reopen_within=14).shifts] == [1]
    assert [len(shift.reopened) for shift in watch(x, [100] * 60, reopen_within=2).shifts] == [0, 0]


def test_an_open_incident_teaches_nothing():
    watched = watch([5] * 40 + [30] * 100, [100] * 140)
    assert watched.baseline_rate[-1] == pytest.approx(watched.baseline_rate[45], abs=0.003)
    assert watched.is_open[-1]


def test_a_release_without_units_changes_neither_score_nor_count_of_good_ones():
    x, n = [5] * 40 + [30] * 4, [100] * 44
    plain, paused = watch([*x, 5], [*n, 100]), watch([*x, 0, 0, 0, 0, 0, 0, 5], [*n, 0, 0, 0, 0, 0, 0, 100])
    assert paused.is_open[-1]
    assert paused.evidence[44:50].tolist() == [0] * 6
    assert paused.score[49] == plain.score[43]


def test_releases_that_were_not_accepted_teach_nothing():
    x = [5] * 30 + [7] * 20 + [5] * 10
    accepted = [not 30 <= at < 50 for at in range(60)]
    assert watch(x, [100] * 60, accepted=accepted).baseline_rate[-1] == pytest.approx(0.05, abs=0.002)
    assert watch(x, [100] * 60).baseline_rate[-1] > 0.053


def test_a_restart_ends_what_is_open_and_learns_anew():
    watched = watch([5] * 40 + [20] * 40, [100] * 80, restarts=[44])
    assert [shift.closed for shift in watched.shifts] == [44]
    assert watched.baseline_rate[-1] == pytest.approx(0.2, abs=0.01)
    assert watched.state == "watching"


def test_the_rate_that_can_be_detected_falls_with_units_and_a_tiny_stream_detects_little():
    rng = np.random.default_rng(1)
    rates = []
    for units in (20, 100, 500):
        watched = watch(rng.binomial(units, 0.05, 120), [units] * 120)
        rates.append(watched.detectable_rate or 1.0)
    assert rates[0] > rates[1] >= rates[2]
    assert rates[2] <= 0.1, "five hundred units find a doubling"


def test_thresholds_rise_as_the_budget_falls_and_stay_in_their_range():
    sure = np.tile(np.eye(6)[3], (4, 1))
    limits = thresholds(np.full(4, 300.0), np.full(4, 0.05), sure, np.full(4, 50), np.array([4, 0.5, 0.1, 1e-9]))
    assert (np.diff(limits) >= 0).all()
    assert limits[0] < limits[3]
    assert limits.min() >= LEAST
    assert limits.max() <= HIGHEST


def test_a_doubling_is_evidence_of_a_doubling_and_not_of_the_tenfold():
    x, n = [5] * 40 + [10] * 8, [100] * 48
    with few_streams():
        assert watch(x, n, effect=2).evidence[-1] > 0 > watch(x, n, effect=10).evidence[-1]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(20, 79))
def test_what_is_said_of_a_release_does_not_depend_on_later_ones(seed, at):
    rng = np.random.default_rng(seed)
    n = rng.poisson(rng.choice([10, 100, 500], (3, 1)), (3, 80)).astype(float)
    rate = np.where(np.arange(80) >= rng.integers(20, 80, (3, 1)), 0.2, 0.05)
    x = rng.binomial(n.astype(int), rate).astype(float)
    whole, then = watch_all(x, n), watch_all(x[:, : at + 1], n[:, : at + 1])
    for stream, other in zip(whole, then, strict=True):
        assert stream.is_open[: at + 1].tolist() == other.is_open.tolist()
        assert stream.evidence[: at + 1] == pytest.approx(other.evidence)
        assert stream.baseline_rate[: at + 1] == pytest.approx(other.baseline_rate)
        begun = [(shift.opened, shift.since) for shift in stream.shifts if shift.opened <= at]
        assert begun == [(shift.opened, shift.since) for shift in other.shifts]


@pytest.mark.parametrize(
    ("x", "n"), [([[1, 2], [3, 9]], [[5, 5], [5, 5]]), ([[1, 2], [3, -1]], [[5, 5], [5, 5]])], ids=["more", "negative"]
)
def test_impossible_counts_name_stream_and_release(x, n):
    with pytest.raises(InvalidInput, match="release 1 of stream 1"):
        watch_all(np.array(x, float), np.array(n, float))


def test_other_bad_input_says_what_is_wrong():
    with pytest.raises(InvalidInput, match="same releases"):
        watch([1, 2], [5])
    with pytest.raises(InvalidInput, match="no release"):
        watch([], [])
    with pytest.raises(InvalidInput, match="release 0 of stream 0"):
        watch([float("nan")], [5])
    with pytest.raises(InvalidInput, match="watch_all"):
        watch([[1], [2]], [[5], [5]])


def test_a_stream_says_the_same_alone_by_either_function():
    alone, among = watch(*STEADY), watch_all(*(np.array([series], float) for series in STEADY), Terms())[0]
    assert alone.score.tolist() == among.score.tolist()
    assert (alone.state, alone.threshold) == (among.state, among.threshold)


@pytest.mark.parametrize("point", [(0, 8, 0), (4, 5, 3), (10, 0, 5)], ids=str)
def test_a_table_of_quick_terms_says_what_a_run_would_simulate(point):
    """Kept so that no run of the demo's simulates: with it and without, the thresholds are the same to the digit."""
    assert table(TABLES[QUICK])[point].tolist() == [list(tail) for tail in when_needed(QUICK, *point)]


def test_the_thresholds_of_every_contract_of_the_project_are_in_a_table():
    """An Airflow task of any other simulates its own, for up to half a minute."""
    for path in contract_paths(PROJECT / "include" / "contracts"):
        terms = read_contract(path).regressions
        assert Terms(terms.effect, terms.learning_releases, terms.learning_units) in TABLES, path
