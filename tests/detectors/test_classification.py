"""The detector of a run: by predictions or by consensus, and whether it works at all, told by canaries."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import PUBLIC, needs_public_data

from benchmarks import public_data
from labelaudit.detectors import classification
from labelaudit.errors import AuditImpossible


def test_without_predictions_and_overlap_nothing_is_made_up():
    items, labels = np.array(["a", "b"]), np.array([0, 1])
    with pytest.raises(AuditImpossible, match="no item has labels of several"):
        classification.detect(items, np.array(["x", "y"]), labels, None, 2)


def test_a_single_annotators_item_keeps_its_label(digits):
    """Below the overlap that a consensus needs, labels are judged by predictions and published as given."""
    labels, pred_probs, truth = digits
    items = np.array([f"{n:05d}" for n in range(len(labels))])
    detection = classification.detect(items, None, labels, pred_probs, 10)
    assert np.array_equal(detection.label, labels)
    assert (detection.suggested[detection.is_issue] == truth[detection.is_issue]).mean() > 0.75
    assert np.array_equal(detection.suggested[~detection.is_issue], labels[~detection.is_issue])


@pytest.mark.parametrize("annotators", [None, 3])
def test_the_issue_rate_range_speaks_of_the_judged_items_only(digits, annotators):
    """A bad day must not look good because the history beside it is."""
    labels, pred_probs, truth = digits
    bad = labels != truth
    items = np.array([f"{n:05d}" for n in range(len(labels))])
    if annotators:
        items, labels = np.tile(items, 3), np.tile(labels, 3)
        people = np.repeat(list("xyz"), len(truth))
    else:
        people = None
    detection = classification.detect(items, people, labels, pred_probs, 10, scope=bad)
    low, middle, high = detection.issue_rate_range
    assert low <= middle <= high
    assert middle == pytest.approx(detection.is_issue[bad].mean())
    assert high > 0.5 or annotators


def informed(tried) -> float:
    """Youden's J of canaries: 0 for a detector that knows nothing."""
    return tried.found_anywhere / tried.planted_anywhere - tried.flagged / tried.judged


def test_canaries_tell_a_detector_that_works_from_one_that_cannot(digits):
    labels, pred_probs, truth = digits
    items = np.array([f"{place:05d}" for place in range(len(labels))])
    works = classification.detect(items, None, labels, pred_probs, 10)
    recall = (works.is_issue & (labels != truth)).sum() / (labels != truth).sum()
    assert works.canaries.planted >= 1_000
    assert abs(works.canaries.recall - recall) < 0.15
    blind = np.random.default_rng(5).dirichlet(np.ones(10), len(labels))
    cannot = classification.detect(items, None, labels, blind, 10).canaries
    assert informed(cannot) < 0.2
    assert informed(works.canaries) > 0.6
    # the planted labels are a function of the data and the seed
    assert classification.detect(items, None, labels, pred_probs, 10).canaries == works.canaries


def test_canaries_without_predictions_are_found_by_the_other_annotators():
    rng = np.random.default_rng(7)
    truth = rng.integers(0, 4, 400)
    items = np.repeat([f"{place:04d}" for place in range(400)], 3)
    people = np.tile(["ada", "bo", "cy"], 400)
    labels = np.where(rng.random(1200) < 0.05, rng.integers(0, 4, 1200), np.repeat(truth, 3))
    canaries = classification.detect(items, people, labels, None, 4).canaries
    assert canaries.planted == 500
    assert canaries.recall > 0.75
    assert 0.8 < canaries.precision <= 1


def test_items_of_one_annotator_do_not_count_against_a_detector_that_compares_annotators():
    """A tenth of the items is labelled by three, without predictions: the others cannot be judged."""
    several, single = (
        np.repeat([f"a{place:04d}" for place in range(300)], 3),
        [f"b{place:04d}" for place in range(2700)],
    )
    items = np.concatenate([several, single])
    labels = np.concatenate([np.repeat(np.arange(300) % 4, 3), np.arange(2700) % 4])
    people = np.concatenate([np.tile(["ada", "bo", "cy"], 300), np.tile(["ada", "bo", "cy"], 900)])
    tried = classification.detect(items, people, labels, None, 4).canaries
    assert tried.judged == 900
    assert informed(tried) > 0.8


@needs_public_data
@pytest.mark.parametrize("name", PUBLIC)
def test_canaries_tell_the_recall_of_public_labels(name: str):
    """Within 5 points of the truth; the expected precision, which rests on the model's own word, within 6."""
    labels, pred_probs, wrong = public_data.label_noise()[name]
    detection = classification.detect(
        np.char.zfill(np.arange(len(labels)).astype(str), 6), None, labels, pred_probs, 10
    )
    right = (detection.is_issue & wrong).sum()
    assert detection.canaries.recall == pytest.approx(right / wrong.sum(), abs=0.05)
    assert detection.canaries.precision == pytest.approx(right / detection.is_issue.sum(), abs=0.06)
