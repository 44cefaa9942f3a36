"""Annotators and vendors: consensus among unlike ones, gold, drift, and fairness to who gets the hard items."""

from __future__ import annotations

import numpy as np
import pytest

import labelaudit
from labelaudit.detectors.annotators import annotator_drift
from labelaudit.detectors.consensus import codes_of
from labelaudit.detectors.vendors import item_difficulty, vendor_quality
from labelaudit.errors import InvalidInput
from labelaudit.kernels import change_point, consensus, dependence

pytestmark = pytest.mark.slow


def crowd(skills, items: int, each: int, classes: int, seed: int = 0):
    """Every item has labels of `each` of the annotators; right with their skill, else any other class."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, items)
    people = np.argsort(rng.random((items, len(skills))), 1)[:, :each].ravel()
    rows = np.repeat(np.arange(items), each)
    right = rng.random(len(rows)) < np.asarray(skills)[people]
    wrong = (truth[rows] + rng.integers(1, classes, len(rows))) % classes
    return rows, people, np.where(right, truth[rows], wrong), truth


# --- consensus


def test_skill_is_shared_among_classes_where_annotators_have_few_labels_of_each():
    """Thirty labels over ten classes each, half the annotators guess: consensus gains clearly on the majority."""
    items, people, labels, truth = crowd([0.85] * 60 + [0.1] * 60, 1_200, 3, 10)
    made = labelaudit.aggregate_labels(items, people, labels)
    assert (made.label == truth).mean() > (made.majority == truth).mean() + 0.08
    assert made.annotator_quality[:60].min() > made.annotator_quality[60:].max()


def test_annotators_who_copy_each_other_count_as_one():
    """Four of ten hand in one poor annotator's labels; those who work alone are better and must win."""
    items, people, labels, truth = crowd([0.8] * 10, 900, 6, 5)
    rng = np.random.default_rng(1)
    leader = np.where(rng.random(900) < 0.55, truth, (truth + rng.integers(1, 5, 900)) % 5)
    copies = (people >= 6) & (rng.random(len(people)) < 0.95)
    labels = np.where(copies, leader[items], labels)
    made = labelaudit.aggregate_labels(items, people, labels)
    assert (made.label == truth).mean() > (made.majority == truth).mean() + 0.03
    assert made.annotator_quality[:6].min() > made.annotator_quality[6:].max()
    cast = consensus.votes(items, people, labels, 900, 5)
    copied = dependence.copying(cast.start, cast.people, cast.given, 5)
    assert (copied[6:, 6:][~np.eye(4, dtype=bool)] > 0.7).all()
    assert not copied[:6].any()


def test_independent_annotators_are_not_said_to_copy():
    for seed in range(10):
        items, people, labels, _ = crowd([0.9, 0.85, 0.8, 0.7, 0.6, 0.5, 0.9, 0.8], 500, 4, 3, seed)
        cast = consensus.votes(items, people, labels, 500, 3)
        assert dependence.copying(cast.start, cast.people, cast.given, 3).size == 0


def test_the_same_labels_in_another_order_give_the_same_consensus():
    items, people, labels, _ = crowd([0.9, 0.7, 0.6, 0.5], 300, 3, 3)
    shuffled = np.random.default_rng(2).permutation(len(items))
    one = labelaudit.aggregate_labels(items, people, labels)
    two = labelaudit.aggregate_labels(items[shuffled], people[shuffled], labels[shuffled])
    assert np.allclose(one.posterior, two.posterior, atol=1e-9)
    again = labelaudit.aggregate_labels(items, people, labels)
    assert np.array_equal(one.posterior, again.posterior)


@pytest.mark.parametrize(
    "values", [["b", "a", "ab", "b", ""], [f"item-{n % 700:06d}" for n in range(2_000)], ["é", "漢"]]
)
def test_codes_of_texts_are_those_of_unique(values):
    texts = np.array(values * (1 + 1_001 // len(values)))
    names, codes = codes_of(texts)
    expected_names, expected_codes = np.unique(texts, return_inverse=True)
    assert np.array_equal(names, expected_names)
    assert np.array_equal(codes, expected_codes)


@pytest.mark.parametrize(("annotators", "each", "classes"), [(20, 3, 4), (40, 3, 2), (5, 3, 3)])
def test_an_annotators_interval_covers_the_skill(annotators, each, classes):
    """The truth is not known, and the interval must say so: it covers about 95 % of skills, and no less than 87 %."""
    covered, width = [], []
    for seed in range(15):
        skills = np.random.default_rng(seed).uniform(0.6, 0.95, annotators)
        items, people, labels, _ = crowd(skills, 800, each, classes, seed)
        made = labelaudit.aggregate_labels(items, people, labels)
        covered.append(((made.annotator_low <= skills) & (skills <= made.annotator_high)).mean())
        width.append((made.annotator_high - made.annotator_low).mean())
    assert np.mean(covered) > 0.87
    assert np.mean(width) < 0.32


def test_quality_is_no_surer_than_right_where_items_are_of_unequal_difficulty():
    """Errors that labels of hard items share make a plain posterior too sure by more than .05."""
    rng = np.random.default_rng(0)
    truth, level = rng.integers(0, 4, 2_000), rng.normal(1.5, 1.3, 2_000)
    items, people = np.repeat(np.arange(2_000), 5), np.tile(np.arange(20), 500)
    right = rng.random(10_000) < 1 / (1 + np.exp(-level[items]))
    labels = np.where(right, truth[items], (truth[items] + rng.integers(1, 4, 10_000)) % 4)
    made = labelaudit.aggregate_labels(items, people, labels)
    assert abs(made.quality.mean() - (made.label == truth).mean()) < 0.04
    assert np.array_equal(made.label, made.posterior.argmax(1))


# --- gold


def misled(seed: int):
    """Seven of ten annotators share a wrong guideline: class 2 is labelled 1. Three know better."""
    items, people, labels, truth = crowd([0.9] * 10, 600, 5, 3, seed)
    labels = np.where((people < 7) & (truth[items] == 2) & (labels == 2), 1, labels)
    quality = np.array([(labels == truth[items])[people == a].mean() for a in range(10)])
    return items, people, labels, truth, quality


def test_gold_on_five_percent_of_the_items_corrects_a_majority_that_is_wrong_together():
    for seed in range(5):
        items, people, labels, truth, quality = misled(seed)
        known = np.random.default_rng(seed).choice(600, 30, replace=False)
        alone = labelaudit.aggregate_labels(items, people, labels)
        helped = labelaudit.aggregate_labels(items, people, labels, gold={i: truth[i] for i in known})
        error = [np.abs(made.annotator_quality - quality).mean() for made in (alone, helped)]
        assert error[1] < 0.5 * error[0]
        rest = np.setdiff1d(np.arange(600), known)
        assert (helped.label == truth)[rest].mean() > (alone.label == truth)[rest].mean() + 0.15


def test_gold_is_fixed_and_counted_by_annotator():
    items, people, labels = [1, 1, 1, 2, 2, 2, 3, 3], list("abcabcab"), list("xxyyyyxy")
    made = labelaudit.aggregate_labels(items, people, labels, gold={1: "y", 3: "x"})
    assert made.label[[0, 2]].tolist() == ["y", "x"]
    assert made.posterior[[0, 2]].max(1).tolist() == [1, 1]
    assert made.gold_right.tolist() == [1, 0, 1]
    assert made.gold_labels.tolist() == [2, 2, 1]
    same = labelaudit.aggregate_labels(items, people, labels, gold=["y", None, "x"])
    assert np.array_equal(made.posterior, same.posterior)
    assert labelaudit.aggregate_labels(items, people, labels).gold_labels.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("gold", "said"),
    [({4: "x"}, "item 4"), ({1: "z"}, "gold holds 'z'"), (["x"], "one value an item"), ({"a": "x"}, "item 'a'")],
)
def test_gold_that_does_not_fit_is_refused(gold, said):
    with pytest.raises(InvalidInput, match=said):
        labelaudit.aggregate_labels([1, 1, 2, 2], list("abab"), list("xyxy"), gold=gold)


# --- drift


def test_the_known_likelihood_ratio():
    """Ten right then ten wrong: 2 x 20 ln 2, after the tenth."""
    right, may = np.r_[np.ones(10), np.zeros(10)], np.ones(21, bool)
    p, place, ratio = change_point.change_point(right, may, 5, 1)
    assert place == 10
    assert ratio == pytest.approx(40 * np.log(2))
    assert p < 0.001


def test_a_stable_annotator_is_called_changed_as_rarely_as_stated():
    """300 deliveries of ten stable annotators of 200 labels: any false change in about 5 % of them."""
    rng = np.random.default_rng(0)
    people, order = np.repeat(np.arange(10), 200), np.tile(np.arange(200), 10)
    rates = np.repeat(np.linspace(0.5, 0.97, 10), 200)
    false = sum(annotator_drift(rng.random(2_000) < rates, people, order, seed=s).changed.any() for s in range(300))
    assert 0.02 < false / 300 < 0.09


def test_a_fall_from_95_to_75_percent_after_200_labels_is_found_in_most_cases():
    rng = np.random.default_rng(0)
    people, order = np.repeat(np.arange(10), 400), np.tile(np.arange(400), 10)
    rates = np.full(4_000, 0.95)
    rates[200:400] = 0.75
    drift = [annotator_drift(rng.random(4_000) < rates, people, order, seed=s) for s in range(50)]
    hits = [made for made in drift if made.changed[0]]
    assert len(hits) >= 45
    assert 190 <= np.median([made.labels_before[0] for made in hits]) <= 215
    assert np.mean([made.before[0] for made in hits]) == pytest.approx(0.95, abs=0.02)
    assert np.mean([made.after[0] for made in hits]) == pytest.approx(0.75, abs=0.03)


def test_order_is_by_time_and_labels_of_the_same_time_stay_together():
    day = np.repeat([3, 1, 2], 40)
    drift = annotator_drift(np.where(day == 3, 0.1, 0.9), np.full(120, "ann"), day)
    assert (drift.changed.tolist(), drift.labels_before.tolist(), drift.changed_at.tolist()) == ([True], [80], [3])
    assert not annotator_drift(np.r_[np.zeros(60), np.ones(60)], np.full(120, "ann"), np.ones(120)).changed.any()


def test_few_labels_are_no_ground_to_speak_of_change():
    drift = annotator_drift([1] * 14 + [0] * 14, ["ann"] * 28, range(28))
    assert (drift.p_value.tolist(), drift.labels_before.tolist(), drift.before.tolist()) == ([1.0], [-1], [0.5])


def test_what_is_no_probability_is_refused_with_its_row():
    with pytest.raises(InvalidInput, match=r"row 1 holds 1\.5"):
        annotator_drift([0.5, 1.5], ["a", "a"], [1, 2])
    with pytest.raises(InvalidInput, match="row 0 holds nan"):
        vendor_quality([np.nan, 1], ["a", "a"], [0, 1])


# --- vendors


def delivered(seed: int, skills, hardness, rows: int = 500, noise: float = 0.4):
    """Rows of vendors of such skill (logit), items of such hardness; a measure of it that errs; true adjusted rates."""
    rng = np.random.default_rng(seed)
    vendors = np.repeat(np.arange(len(skills)), rows)
    hard = rng.normal(np.asarray(hardness, float)[vendors], 1)
    chance = 1 / (1 + np.exp(hard - 2.2 - np.asarray(skills)[vendors]))
    fair = np.array([(1 / (1 + np.exp(hard - 2.2 - skill))).mean() for skill in skills])
    return rng.random(len(hard)) < chance, vendors, hard + rng.normal(0, noise, len(hard)), fair


def test_a_vendor_of_hard_items_is_no_bad_vendor():
    """Equal skill: the raw share differs by more than ten points; the adjusted one is found equal."""
    raw, covered, equal = [], np.zeros(4), 0
    for seed in range(100):
        right, vendors, measured, fair = delivered(seed, [0, 0, 0, 0], [0, 0, 0, 1])
        quality = vendor_quality(right, vendors, measured)
        raw.append(quality.raw[:3].mean() - quality.raw[3])
        equal += not quality.differs[3]
        covered += (quality.adjusted_low <= fair) & (fair <= quality.adjusted_high)
    assert np.mean(raw) > 0.1
    assert equal >= 90
    assert (covered >= 90).all()


def test_a_bad_vendor_of_easy_items_is_still_found():
    """Its raw share is as good as the others'."""
    found = []
    for seed in range(50):
        right, vendors, measured, _ = delivered(seed, [0, 0, 0, -1], [0, 0, 0, -1], rows=800)
        found.append(vendor_quality(right, vendors, measured))
    assert abs(np.mean([made.raw[3] - made.raw[:3].mean() for made in found])) < 0.02
    assert sum(made.differs[3] and made.difference[3] < 0 for made in found) >= 45
    assert np.mean([made.expected[3] - made.raw[3] for made in found]) > 0.03


def test_labels_of_one_item_vary_together():
    """The same rows four times over are no more evidence."""
    right, vendors, measured, _ = delivered(0, [0, 0.3], [0, 0])
    once = vendor_quality(right, vendors, measured, reliability=1)
    rows = np.tile(np.arange(len(right)), 4)
    many = vendor_quality(right[rows], vendors[rows], measured[rows], items=rows, reliability=1)
    width = [made.difference_high - made.difference_low for made in (once, many)]
    assert width[1] == pytest.approx(width[0], rel=0.15)
    assert many.raw_high - many.raw_low == pytest.approx(once.raw_high - once.raw_low, rel=0.15)


def test_difficulty_is_what_the_other_vendors_and_the_model_say():
    items = np.repeat(["p", "q"], 5)
    vendors = np.array(list("aabbc") * 2)
    labels = np.array(["x", "x", "x", "y", "y", "x", "y", "x", "x", "x"])
    probs = np.repeat([[0.9, 0.1], [0.6, 0.4]], 5, axis=0)
    difficulty = item_difficulty(items, vendors, labels, probs)
    # item p: a's others x y y, of three pairs two differ; b's x x y; c's x x x y
    assert difficulty[:5, 0].tolist() == pytest.approx([2 / 3, 2 / 3, 2 / 3, 2 / 3, 1 / 2])
    assert difficulty[5:, 0].tolist() == pytest.approx([0, 0, 2 / 3, 2 / 3, 1 / 2])
    assert difficulty[:, 1].tolist() == pytest.approx([0.1] * 5 + [0.4] * 5)
    labels[:2] = "y"
    assert np.array_equal(item_difficulty(items, vendors, labels, probs)[:2], difficulty[:2]), (
        "own labels have no part in it"
    )


def test_a_vendor_alone_with_its_items_has_unknown_difficulty():
    difficulty = item_difficulty([1, 1, 2], ["a", "a", "b"], ["x", "y", "x"])
    assert np.isnan(difficulty).all()
    made = vendor_quality([1, 0, 1], ["a", "a", "b"], difficulty)
    assert made.labels.tolist() == [2, 1]
    assert made.adjusted_low[0] < made.raw[0] < made.adjusted_high[0]
