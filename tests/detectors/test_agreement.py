"""Agreement: textbook values, intervals that cover, and what becomes of items with unequal numbers of labels."""

from __future__ import annotations

import numpy as np
import pytest

from labelaudit.detectors.agreement import agreement
from labelaudit.errors import InvalidInput
from labelaudit.kernels import agreement as kernel

FLEISS_1971 = np.array(
    [
        [0, 0, 0, 0, 14],
        [0, 2, 6, 4, 2],
        [0, 0, 3, 5, 6],
        [0, 3, 9, 2, 0],
        [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0],
        [3, 2, 6, 3, 0],
        [2, 5, 3, 2, 2],
        [6, 5, 2, 1, 0],
        [0, 2, 2, 3, 7],
    ]
)
"""Fourteen raters, ten items, five classes: the example that Fleiss' kappa of .210 is known by."""


def textbook_alpha(counts: np.ndarray) -> float:
    """Krippendorff's alpha for nominal labels from counts (n, K) by item and class, as the textbook writes it."""
    counts = counts[counts.sum(1) >= 2]
    sizes = counts.sum(1)
    n, totals = sizes.sum(), counts.sum(0)
    observed = ((sizes**2 - (counts**2).sum(1)) / (sizes - 1)).sum() / n
    return 1 - observed / ((n**2 - (totals**2).sum()) / (n * (n - 1)))


def labelled(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Long rows that have these counts by item and class; annotators are numbered within the item."""
    items, labels = (np.repeat(part, counts.ravel()) for part in np.indices(counts.shape).reshape(2, -1))
    people = np.concatenate([np.arange(size) for size in counts.sum(1)])
    return items, people, labels


def test_fleiss_kappa_of_the_textbook():
    measured = agreement(*labelled(FLEISS_1971))
    assert round(measured.fleiss.value, 3) == 0.210
    assert round(measured.raw.value, 3) == 0.378
    assert measured.prevalence.round(3).tolist() == [0.143, 0.2, 0.279, 0.15, 0.229]
    assert (measured.items, measured.labels, measured.repeated) == (10, 140, 0)


def test_alpha_of_the_textbook_with_missing_labels():
    """Krippendorff, "Computing Krippendorff's alpha-reliability" (2011), C: nominal, four coders: 0.743."""
    coders = ["123321412***", "1233224125*3", "*3332342251*", "12332441251*"]
    rows = [(u, c, v) for c, values in enumerate(coders) for u, v in enumerate(values) if v != "*"]
    measured = agreement(*zip(*rows, strict=True))
    assert measured.alpha.value == pytest.approx(0.743, abs=0.001)
    assert measured.items == 11, "the unit that one coder judged is left out"


def test_alpha_is_the_same_by_both_ways():
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 4, (200, 3))
    measured = agreement(*labelled(counts))
    assert measured.alpha.value == pytest.approx(textbook_alpha(counts.astype(float)), abs=1e-12)


def test_items_of_one_label_say_nothing_of_agreement():
    items, people, labels = labelled(FLEISS_1971)
    more = agreement(np.r_[items, 100, 101], np.r_[people, 0, 0], np.r_[labels, 0, 4])
    assert more.alpha == agreement(items, people, labels).alpha
    assert more.items == 10


def test_items_of_unequal_size_count_once_for_kappa_and_by_their_labels_for_alpha():
    """One item of ten labels that agree beside one of two that differ: raw agreement is a half, alpha's is 10/12."""
    measured = agreement(*labelled(np.array([[10, 0], [1, 1]])))
    assert measured.raw.value == pytest.approx(0.5)
    assert measured.prevalence.tolist() == pytest.approx([0.75, 0.25])
    assert measured.fleiss.value == pytest.approx((0.5 - 0.625) / (1 - 0.625))
    assert measured.alpha.value == pytest.approx(1 - (2 / 12) / ((144 - 121 - 1) / (12 * 11)))


def test_an_annotator_judges_an_item_once():
    measured = agreement([1, 1, 1, 2, 2], ["a", "a", "b", "a", "b"], ["x", "x", "y", "y", "y"])
    assert (measured.repeated, measured.labels, measured.raw.value) == (1, 4, 0.5)


def test_without_overlap_there_is_no_agreement_to_speak_of():
    assert agreement([1, 2, 3], ["a", "b", "a"], ["x", "y", "x"]) is None
    assert agreement([1, 1], ["a", "a"], ["x", "y"]) is None


def test_full_agreement_is_one_and_not_certain():
    """Ten items on which all agree: alpha 1, but as many as three in ten may be disagreed on."""
    measured = agreement(np.repeat(np.arange(10), 2), np.tile([0, 1], 10), np.repeat([0, 1] * 5, 2))
    assert (measured.alpha.value, measured.fleiss.value, measured.raw.value) == (1, 1, 1)
    assert measured.raw.low == pytest.approx(1 - (1 - 0.025**0.1))
    assert measured.alpha.low < measured.raw.low
    assert measured.alpha.high == 1


def test_one_item_settles_nothing():
    measured = agreement([1, 1], ["a", "b"], ["x", "y"])
    assert (measured.alpha.value, measured.fleiss.value, measured.raw.value) == (0, -1, 0)
    assert (measured.raw.low, measured.raw.high) == (0, pytest.approx(0.975))
    assert measured.alpha.high - measured.alpha.low > 1.9
    assert measured.fleiss.high > 0.9


def crowd(rng: np.random.Generator, items: int, right: float, prevalence: list[float]):
    """Items' starts, and labels: two to four each, some items harder."""
    truth = rng.choice(len(prevalence), p=prevalence, size=items)
    size = rng.integers(2, 5, items)
    each = np.repeat(np.where(rng.random(items) < 0.3, 0.75 * right, right), size)
    truth = np.repeat(truth, size)
    given = np.where(rng.random(len(truth)) < each, truth, rng.integers(0, len(prevalence), len(truth)))
    return np.r_[0, np.cumsum(size)], given


@pytest.mark.parametrize(
    ("items", "right", "prevalence"), [(50, 0.9, [0.5, 0.5]), (200, 0.95, [0.9, 0.1]), (100, 0.7, [0.3, 0.3, 0.4])]
)
def test_intervals_cover_the_truth_95_times_of_100(items, right, prevalence):
    rng = np.random.default_rng(0)
    truth = kernel.coefficients(*crowd(rng, 300_000, right, prevalence), len(prevalence))
    covered = np.zeros(4)
    for _ in range(800):
        coefficients = kernel.coefficients(*crowd(rng, items, right, prevalence), len(prevalence))
        for place, name in enumerate(("alpha", "fleiss", "raw")):
            interval = getattr(coefficients, name)
            covered[place] += interval.low <= getattr(truth, name).value <= interval.high
        covered[3] += coefficients.prevalence_low[0] <= truth.prevalence[0] <= coefficients.prevalence_high[0]
    assert ((covered / 800 > 0.925) & (covered / 800 < 0.98)).all()


def test_blocks_of_items_make_no_difference(monkeypatch):
    start, given = crowd(np.random.default_rng(1), 500, 0.8, [0.5, 0.5])
    whole = kernel.coefficients(start, given, 2)
    monkeypatch.setattr(kernel, "BLOCK_ITEMS", 7)
    parts = kernel.coefficients(start, given, 2)
    for name in ("alpha", "fleiss", "raw"):
        one, two = getattr(whole, name), getattr(parts, name)
        assert (one.value, one.low, one.high) == pytest.approx((two.value, two.low, two.high), rel=1e-12)


def test_what_does_not_fit_is_refused():
    with pytest.raises(InvalidInput, match="must be"):
        agreement([1, 2], ["a"], ["x", "y"])
    with pytest.raises(InvalidInput, match="not one of the classes"):
        agreement([1, 1], ["a", "b"], ["x", "z"], classes=["x", "y"])
