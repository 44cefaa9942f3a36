"""The public detectors: what they promise, on data whose wrong labels are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from conftest import PUBLIC, needs_public_data
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score
from sklearn.model_selection import cross_val_predict

import labelaudit
from benchmarks import public_data
from labelaudit.errors import InvalidInput


def test_wrong_labels_of_digits_are_found(digits):
    labels, pred_probs, truth = digits
    errors = labelaudit.find_label_errors(labels, pred_probs)
    wrong = labels != truth
    assert roc_auc_score(wrong, -errors.label_quality) > 0.98
    assert average_precision_score(wrong, -errors.label_quality) > 0.90
    assert (errors.suggested_label[wrong & errors.is_issue] == truth[wrong & errors.is_issue]).mean() > 0.95
    low, middle, high = errors.issue_rate_range
    assert low <= middle <= high
    assert abs(middle - wrong.mean()) < 0.02


@needs_public_data
@pytest.mark.parametrize("name", PUBLIC)
def test_accuracy_floor_on_public_labels(name: str):
    """Against the known wrong labels, as benchmarks/label_errors.py prints it."""
    labels, pred_probs, wrong = public_data.label_noise()[name]
    errors = labelaudit.find_label_errors(labels, pred_probs)
    ranking, flags = PUBLIC[name]
    assert roc_auc_score(wrong, -errors.label_quality) > ranking
    assert f1_score(wrong, errors.is_issue) > flags


@needs_public_data
@pytest.mark.parametrize(("name", "floor"), [("cifar10n", 0.964), ("product-match", 0.937)])
def test_consensus_floor_on_public_labels(name: str, floor: float):
    data = public_data.delivered(name)
    columns = [data.labels[column].to_numpy(str) for column in ("item_id", "annotator_id", "label")]
    pred_probs, classes = None, sorted(set(columns[2]))
    if data.predictions is not None:
        by_item = data.predictions.set_index("item_id").loc[np.unique(columns[0])]
        classes, pred_probs = list(by_item.columns), by_item.to_numpy()
    made = labelaudit.aggregate_labels(*columns, pred_probs, classes)
    assert (made.label == data.truth.loc[made.items].to_numpy()).mean() >= floor


def test_evidence_of_several_models_and_of_neighbours_adds_up(digits):
    """A weak linear model, a useless one, the pixels' neighbours: better than the weak one, the useless one unheard."""
    labels, good, truth = digits
    images = load_digits().data / 16
    wrong = labels != truth
    weak = cross_val_predict(LogisticRegression(C=0.002), images, labels, cv=5, method="predict_proba")
    useless = np.random.default_rng(1).dirichlet(np.ones(10), len(labels))

    def ranking(found) -> float:
        return average_precision_score(wrong, -found.label_quality)

    alone = labelaudit.find_label_errors(labels, weak)
    both = labelaudit.find_label_errors(labels, [weak, good, useless])
    near = labelaudit.find_label_errors(labels, weak, features=images)
    assert alone.weights == (1.0,)
    assert labelaudit.find_label_errors(labels, np.stack([weak, good, useless])).weights == both.weights
    frame = labelaudit.find_label_errors(pd.Series(labels), pd.DataFrame(weak))
    assert np.array_equal(frame.label_quality, alone.label_quality)
    assert sum(both.weights) == pytest.approx(1)
    assert both.weights[2] < 0.02
    assert ranking(both) > ranking(alone) + 0.05
    assert ranking(near) > ranking(alone) + 0.05
    with pytest.raises(InvalidInput, match=r"features must be \(n, d\) with n = 1797"):
        labelaudit.find_label_errors(labels, weak, features=images[:5])
    with pytest.raises(InvalidInput, match=r"features\[3\]"):
        labelaudit.find_label_errors(labels, weak, features=np.where(np.arange(1797)[:, None] == 3, np.nan, images))


probabilities = arrays.arrays(np.float64, (7, 3), elements=st.floats(0, 1)).map(
    lambda raw: (raw + 1e-6) / (raw + 1e-6).sum(1, keepdims=True)
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(pred_probs=probabilities, labels=arrays.arrays(np.int64, 7, elements=st.integers(0, 2)))
def test_any_distribution_gives_qualities_within_zero_and_one(pred_probs, labels):
    """And the order of the rows changes nothing."""
    errors = labelaudit.find_label_errors(labels, pred_probs)
    assert ((errors.label_quality > 0) & (errors.label_quality < 1)).all()
    back = labelaudit.find_label_errors(labels[::-1], pred_probs[::-1])
    assert np.allclose(back.label_quality[::-1], errors.label_quality)
    assert np.array_equal(back.is_issue[::-1], errors.is_issue)


@pytest.mark.parametrize(
    ("labels", "pred_probs", "said"),
    [
        ([0, 1], [[0.5, 0.5]], r"n = 1"),
        ([0], [0.5, 0.5], r"K >= 2"),
        ([], np.empty((0, 2)), r"n = 0"),
        ([2], [[0.5, 0.5]], "K is 2"),
        ([-1], [[0.5, 0.5]], "from -1"),
        ([0.0], [[0.5, 0.5]], "integers"),
        (["a"], [[0.5, 0.5]], "integers"),
        ([0], [[0.5, 0.6]], "distribution"),
        ([0], [[-0.5, 1.5]], "distribution"),
        ([0, 0], [[0.5, 0.5], [np.nan, 0.5]], r"pred_probs\[1\]"),
        ([0], [[[0.5, 0.5]], [[0.2, 0.3, 0.5]]], r"model 1: pred_probs is \(1, 3\), that of model 0 \(1, 2\)"),
        ([0, 1], [[[0.5, 0.5], [0.5, 0.5]], [[0.5, 0.5], [0.5, 0.9]]], r"model 1: pred_probs\[1\] is no distribution"),
        ([], [], "K >= 2"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(labels, pred_probs, said):
    with pytest.raises(InvalidInput, match=said):
        labelaudit.find_label_errors(labels, pred_probs)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"labels": ["cat"]}, r"\(m,\)"),
        ({"items": [], "annotators": [], "labels": []}, "m >= 1"),
        ({"classes": ["dog", "cow"]}, "'cat'"),
        ({"pred_probs": [[0.5, 0.5]]}, r"\(2, 2\)"),
        ({"pred_probs": [[0.5, 0.5], [0.5, 0.9]]}, "distribution"),
    ],
)
def test_a_consensus_refuses_what_does_not_fit(change, said):
    sound = {"items": ["a", "a", "b"], "annotators": ["x", "y", "x"], "labels": ["cat", "dog", "dog"]}
    with pytest.raises(InvalidInput, match=said):
        labelaudit.aggregate_labels(**(sound | change))


def simulated(skills: list[float], items: int = 400, classes: int = 4, seed: int = 5):
    """Every annotator labels every item; right with their skill, else any other class."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, items)
    given = [
        np.where(rng.random(items) < s, truth, (truth + rng.integers(1, classes, items)) % classes) for s in skills
    ]
    return (
        np.tile(np.arange(items), len(skills)),
        np.repeat(np.arange(len(skills)), items),
        np.concatenate(given),
        truth,
    )


def test_annotators_are_told_apart_within_their_intervals():
    skills = [0.95, 0.9, 0.8, 0.6, 0.3]
    items, annotators, labels, truth = simulated(skills)
    made = labelaudit.aggregate_labels(items, annotators, labels)
    assert np.array_equal(np.argsort(-made.annotator_quality), np.arange(5))
    assert ((made.annotator_low - 0.03 < skills) & (np.array(skills) < made.annotator_high + 0.03)).all()
    assert (made.label == truth).mean() > (made.majority == truth).mean() > 0.85
    assert abs(made.quality.mean() - (made.label == truth).mean()) < 0.02, "qualities are calibrated"


def test_one_who_always_answers_the_same_gains_nothing_by_it():
    items, annotators, labels, truth = simulated([0.8, 0.8, 0.8])
    spam = np.zeros(400, int)
    made = labelaudit.aggregate_labels(
        np.r_[items, np.arange(400)], np.r_[annotators, np.full(400, 9)], np.r_[labels, spam]
    )
    assert made.annotator_quality[-1] < 0.4
    assert (made.label == truth).mean() > 0.88


def test_an_annotator_of_few_labels_is_judged_with_caution():
    items, annotators, labels, _ = simulated([0.9, 0.9, 0.9])
    made = labelaudit.aggregate_labels(np.r_[items, 0], np.r_[annotators, 7], np.r_[labels, (labels[0] + 1) % 4])
    assert made.annotator_labels[-1] == 1
    assert made.annotator_high[-1] - made.annotator_low[-1] > 3 * (made.annotator_high[0] - made.annotator_low[0])
