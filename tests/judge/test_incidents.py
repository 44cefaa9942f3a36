"""Rules of incidents: one for each cause, opened, escalated, closed and reopened by the counts of judged releases."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelaudit.contracts.quality import Regressions
from labelaudit.judge.incidents import Review, review, reviews
from labelaudit.judge.streams import SMALL, watch_streams
from labelaudit.values.counted import Judged
from labelaudit.values.releases import Count
from labelaudit.values.verdicts import Incident

pytestmark = pytest.mark.slow

ISSUES = Regressions(metrics=("issue",))
GOOD, BAD = (5, 100), (30, 100)
Pair = tuple[float, float]


def release(
    at: int,
    vendors: dict[str, Pair],
    metric: str = "issue",
    accepted: bool = True,
    more: Sequence[Count] = (),
    name: str = "",
) -> Judged:
    """Release `at` (from 0) with x of n of each vendor and, with the same metric, of all."""
    counts = [Count(metric=metric, vendor=vendor, x=x, n=n) for vendor, (x, n) in vendors.items()]
    x, n = (sum(pair[side] for pair in vendors.values()) for side in (0, 1))
    counts += [Count(metric=metric, x=x, n=n), *more]
    made = name or f"r{at + 1:04d}"
    return Judged(release=made, sequence=at + 1, accepted=accepted, counts=tuple(counts))


def days(bad: Sequence[int], length: int, **arguments) -> list[Judged]:
    """One vendor, `alder`, bad on some days and good on the others; birch is always good."""
    return [release(at, {"alder": BAD if at in bad else GOOD, "birch": GOOD}, **arguments) for at in range(length)]


def told(found: Sequence[Review]) -> list[tuple[int, str, str]]:
    """(index of the release, id, event), in order."""
    return [
        (at, incident.id, incident.event)
        for at, each in enumerate(found)
        for incident in each.incidents
        if incident.event
    ]


def only(found: Review) -> Incident:
    (incident,) = found.incidents
    return incident


def test_a_bad_vendor_is_one_incident_that_opens_once_and_closes_after_five_good_releases():
    reviewed = reviews(ISSUES, days(range(30, 36), 50))
    events = [(event, at) for at, _, event in told(reviewed) if event in ("opened", "closed")]
    assert [event for event, _ in events] == ["opened", "closed"]
    assert events[0][1] in (30, 31)
    assert events[1][1] == 40, "the fifth good release after the bad ones"
    assert len({name for _, name, _ in told(reviewed)}) == 1
    closed = only(reviewed[40])
    assert (closed.state, closed.closed, closed.since, closed.vendor) == ("closed", "r0041", "r0031", "alder")
    assert not reviewed[41].incidents, "a closed incident is told once"


def test_it_comes_back_with_the_same_id_within_fourteen_releases_and_as_another_later():
    soon = told(reviews(ISSUES, days([*range(30, 36), *range(46, 52)], 60)))
    assert len({name for _, name, _ in soon}) == 1
    assert [event for _, _, event in soon if event != "escalated"] == ["opened", "closed", "reopened", "closed"]
    late = told(reviews(ISSUES, days([*range(30, 36), *range(70, 76)], 90)))
    assert [event for _, _, event in late if event != "escalated"] == ["opened", "closed", "opened", "closed"]
    assert len({name for _, name, _ in late}) == 2


def test_an_old_incident_of_a_stream_does_not_come_back_with_a_new_one():
    assert len(review(ISSUES, days([*range(30, 36), *range(70, 76)], 74)).incidents) == 1


def test_nothing_is_learnt_while_an_incident_is_open():
    """However long it lasts, the former rate stays the baseline."""
    history = days(range(30, 80), 80)
    (alder,) = (stream for stream in watch_streams(ISSUES, history) if stream.vendor == "alder")
    assert alder.watched.baseline_rate[-1] == pytest.approx(0.05, abs=0.005)
    assert only(review(ISSUES, history)).state == "open"


def test_releases_that_were_not_accepted_do_not_teach_the_baseline():
    def baseline(accepted: bool) -> float:
        history = [
            release(at, {"alder": (7, 100) if 20 <= at < 40 else GOOD}, accepted=accepted or not 20 <= at < 40)
            for at in range(60)
        ]
        (alder,) = (stream for stream in watch_streams(ISSUES, history) if stream.vendor == "alder")
        return float(alder.watched.baseline_rate[-1])

    assert baseline(accepted=False) == pytest.approx(0.05, abs=0.002)
    assert baseline(accepted=True) > 0.053


def test_a_release_without_units_says_nothing():
    """A vendor that pauses neither opens, closes nor heals an incident."""
    paused = [release(at, {"alder": (0, 0), "birch": GOOD}) for at in range(36, 56)]
    history = [*days(range(30, 36), 36), *paused]
    found = only(review(ISSUES, history))
    assert (found.state, found.rising) == ("open", False)
    assert not [stream for stream in review(ISSUES, history).watched if stream.vendor == "alder"]


def test_three_metrics_of_one_vendor_are_one_incident_and_it_is_critical():
    metrics = ("issue", "annotation_error", "reject")
    history = []
    for at in range(36):
        pair = (13, 100) if at >= 30 else GOOD
        counts = [count for metric in metrics for count in release(at, {"alder": pair, "birch": GOOD}, metric).counts]
        history.append(Judged(release=f"r{at:04d}", sequence=at, accepted=True, counts=tuple(counts)))
    found = only(review(Regressions(), history))
    assert (found.vendor, found.severity) == ("alder", "critical")
    assert {stream.metric for stream in found.streams if stream.vendor == "alder"} == set(metrics)


def test_a_cause_that_several_vendors_share_is_one_incident_of_no_vendor():
    history = [release(at, dict.fromkeys(("alder", "birch", "cedar"), BAD if at >= 30 else GOOD)) for at in range(36)]
    found = only(review(ISSUES, history))
    assert found.vendor == ""
    assert {stream.vendor for stream in found.streams} >= {"alder", "birch", "cedar"}


def test_vendors_that_turn_bad_at_different_times_are_two_incidents():
    history = [
        release(at, {"alder": BAD if at >= 30 else GOOD, "birch": BAD if at >= 45 else GOOD, "cedar": (50, 1000)})
        for at in range(50)
    ]
    assert {incident.vendor for incident in review(ISSUES, history).incidents} >= {"alder", "birch"}


def test_a_vendor_that_always_was_worse_is_not_blamed_for_another():
    """alder's rate goes from 2 to 8 %, birch stays at 10 %; with two tenths of the units each is seen over all."""
    history = [release(at, {"alder": (16 if at >= 40 else 4, 200), "birch": (20, 200)}) for at in range(60)]
    assert {incident.vendor for found in reviews(ISSUES, history) for incident in found.incidents} == {"alder"}


def by_class(at: int, hard: int, easy: int, hard_rate: float = 0.2) -> Judged:
    """`hard` items at 20 % and `easy` ones at 2 % likely wrong."""
    x = (round(hard * hard_rate), round(easy * 0.02))
    classes = [
        Count(metric="issue", vendor=vendor, label=label, x=own, n=n)
        for vendor in ("", "alder")
        for label, own, n in (("hard", x[0], hard), ("easy", x[1], easy))
    ]
    return release(at, {"alder": (sum(x), hard + easy)}, more=classes)


def test_another_mix_of_classes_opens_none_and_is_explained():
    history = [by_class(at, 150, 50) if at >= 30 else by_class(at, 20, 180) for at in range(45)]
    reviewed = reviews(ISSUES, history)
    assert not told(reviewed)
    explained = [explained for each in reviewed for explained in each.explained]
    assert {(explanation.cause, explanation.vendor) for explanation in explained} == {("mix", ""), ("mix", "alder")}
    assert len(explained) == 2, "it is said once of each stream"


def test_a_class_that_gets_worse_is_an_incident_and_is_named():
    history = [by_class(at, 60, 140, 0.8 if at >= 30 else 0.2) for at in range(36)]
    found = only(review(ISSUES, history))
    assert [(label, round(was, 1), round(now, 1)) for label, was, now in found.classes] == [("hard", 0.2, 0.8)]


@pytest.mark.parametrize(
    ("metric", "vendor", "was", "now"), [("guideline", "alder", "v1", "v2"), ("detector", "", "d 1", "d 2")]
)
def test_a_new_guideline_or_detector_starts_the_baseline_anew_and_is_no_incident(metric, vendor, was, now):
    history = [
        release(
            at,
            {"alder": (15, 100) if at >= 30 else GOOD},
            more=[Count(metric=metric, vendor=vendor, label=now if at >= 30 else was, x=100, n=100)],
        )
        for at in range(60)
    ]
    reviewed = reviews(ISSUES, history)
    assert not told(reviewed)
    assert {(explained.cause, explained.vendor) for explained in reviewed[30].explained} == {
        (metric, ""),
        (metric, "alder"),
    }
    assert "15.0%" in reviewed[30].explained[0].text
    assert not [explained for at, each in enumerate(reviewed) for explained in each.explained if at != 30]
    (alder,) = (stream for stream in review(ISSUES, history).watched if stream.vendor == "alder")
    assert alder.baseline_rate == pytest.approx(0.15, abs=0.01)


def test_gold_counts_wrong_labels():
    """Its counts are of right labels: a fall from 95 to 60 of 100 is an incident, a rise to 100 is none."""
    for right, events in ((60, {"opened"}), (100, set())):
        history = [release(at, {"alder": (right if at >= 30 else 95, 100)}, "gold") for at in range(34)]
        reviewed = reviews(Regressions(metrics=("gold",)), history)
        assert {event for _, _, event in told(reviewed) if event != "escalated"} == events
    history = [release(at, {"alder": (60 if at >= 30 else 95, 100)}, "gold") for at in range(34)]
    (alder,) = (
        stream for stream in only(review(Regressions(metrics=("gold",)), history)).streams if stream.vendor == "alder"
    )
    assert (alder.before_x / alder.before_n, alder.x / alder.n) == (pytest.approx(0.05), pytest.approx(0.4))


def test_a_warning_escalates_once_when_the_rate_is_above_the_effect_for_certain():
    """11 % of 100 after 5 % is above 10 % for certain only after many releases; good days do not calm it."""
    history = [release(at, {"alder": (14, 100) if at >= 30 else GOOD, "birch": (500, 10_000)}) for at in range(60)] + [
        release(at, {"alder": GOOD, "birch": (500, 10_000)}) for at in range(60, 63)
    ]
    reviewed = reviews(ISSUES, history)
    assert [event for _, _, event in told(reviewed)] == ["opened", "escalated"]
    severities = [only(each).severity for each in reviewed if each.incidents]
    assert severities == sorted(severities, reverse=True), "warning, then critical"
    assert severities[0] == "warning"
    assert severities[-1] == "critical"


def test_the_id_is_the_same_when_the_number_of_a_rejected_release_is_used_again():
    history = days(range(30, 40), 40)
    opened = next(at for at, _, event in told(reviews(ISSUES, history)) if event == "opened")
    again = history[opened]
    rejected = again.model_copy(update={"accepted": False, "release": again.release + "-rejected"})
    assert only(review(ISSUES, history)).id == only(review(ISSUES, [*history[:opened], rejected, *history[opened:]])).id


def test_no_terms_and_no_releases_are_no_incidents():
    assert review(None, days([], 3)) == Review()
    assert review(ISSUES, []) == Review()
    assert reviews(None, days([], 3)) == [Review()] * 3


def test_small_vendors_are_watched_together_beside_a_large_one():
    history = [release(at, {"alder": (50, 1000), "elm": (1, 20), "fir": (1, 20)}) for at in range(5)]
    small = next(stream for stream in watch_streams(ISSUES, history) if stream.vendor == SMALL)
    assert (small.x[-1], small.n[-1]) == (2, 40)
    assert SMALL not in {stream.vendor for stream in watch_streams(ISSUES, days([], 5))}


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(25, 59))
def test_what_is_said_of_a_release_does_not_depend_on_later_ones(seed, at):
    rng = np.random.default_rng(seed)
    rates = {"alder": 0.05, "birch": 0.1, "elm": 0.1, "fir": 0.05}
    units = {"alder": 200, "birch": 80, "elm": 15, "fir": 15}
    start = {vendor: rng.integers(18, 60) for vendor in rates}
    end = {vendor: start[vendor] + rng.integers(2, 20) for vendor in rates}
    history = []
    for day in range(60):
        pairs = {}
        for vendor, rate in rates.items():
            n = rng.poisson(units[vendor] * (10 if vendor == "elm" and day > 40 else 1))
            now = min(1.0, rate * 4) if start[vendor] <= day < end[vendor] else rate
            pairs[vendor] = (float(rng.binomial(n, now)), float(n))
        history.append(release(day, pairs, accepted=bool(rng.random() < 0.95)))
    whole, then = reviews(ISSUES, history)[at], review(ISSUES, history[: at + 1])

    def said(incident: Incident) -> tuple:
        streams = [(change.metric, change.vendor, change.x, change.n, change.before_x) for change in incident.streams]
        return (
            incident.id,
            incident.state,
            incident.event,
            incident.severity,
            incident.vendor,
            incident.since,
            incident.closed,
            incident.rising,
            streams,
        )

    assert list(map(said, whole.incidents)) == list(map(said, then.incidents))
    assert whole.explained == then.explained


def test_a_tiny_vendor_beside_a_large_one_stays_quiet_for_most_years():
    """Twenty units a release get less of the budget: 0.2 false incidents a year."""
    quiet = []
    for seed, rate in enumerate((0.02, 0.05, 0.1)):
        rng = np.random.default_rng(seed)
        history = [
            release(at, {"large": (rng.binomial(1000, rate), 1000), "tiny": (rng.binomial(20, rate), 20)})
            for at in range(365)
        ]
        quiet.append(
            not any(incident.vendor == "tiny" for found in reviews(ISSUES, history) for incident in found.incidents)
        )
    assert sum(quiet) >= 2
