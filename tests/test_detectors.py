"""The public detectors: what they promise, on data whose wrong labels are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.datasets import load_digits
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline

import labelaudit
from benchmarks import public_data
from labelaudit.detectors import classification
from labelaudit.errors import AuditImpossible, InvalidInput
from labelaudit.kernels.agreement import krippendorff_alpha

PUBLIC = {
    "cifar10n_agg__resnet18": (0.979, 0.80),
    "cifar10s__resnet18": (0.998, 0.96),
    "cifar10s__swin": (0.9995, 0.99),
    "cifar10n_agg__twins": (0.991, 0.88),
}
"""AUROC of the score and F1 of the flags that are never to be lost again."""

needs_public_data = pytest.mark.skipif(not public_data.present(), reason="the public data are not on this machine")


@pytest.fixture(scope="module")
def digits():
    """Digits with 8 % wrong labels, of lookalikes; (labels, pred_probs out of sample, truth)."""
    images, truth = load_digits(return_X_y=True)
    rng = np.random.default_rng(3)
    lookalike = np.array([6, 7, 3, 8, 9, 6, 5, 1, 3, 4])
    labels = np.where(rng.random(len(truth)) < 0.08, lookalike[truth], truth)
    model = make_pipeline(Nystroem(n_components=300, gamma=0.3, random_state=0), LogisticRegression(C=3, max_iter=300))
    return labels, cross_val_predict(model, images / 16, labels, cv=5, method="predict_proba"), truth


def test_wrong_labels_of_digits_are_found(digits):
    labels, pred_probs, truth = digits
    found = labelaudit.find_label_errors(labels, pred_probs)
    wrong = labels != truth
    assert roc_auc_score(wrong, -found.label_quality) > 0.98
    assert average_precision_score(wrong, -found.label_quality) > 0.90
    assert (found.suggested_label[wrong & found.is_issue] == truth[wrong & found.is_issue]).mean() > 0.95
    low, middle, high = found.issue_rate_range
    assert low <= middle <= high
    assert abs(middle - wrong.mean()) < 0.02


@needs_public_data
@pytest.mark.parametrize("name", PUBLIC)
def test_accuracy_floor_on_public_labels(name: str):
    """Against the known wrong labels, as benchmarks/label_errors.py prints it."""
    labels, pred_probs, wrong = public_data.label_noise()[name]
    found = labelaudit.find_label_errors(labels, pred_probs)
    ranking, flags = PUBLIC[name]
    assert roc_auc_score(wrong, -found.label_quality) > ranking
    assert f1_score(wrong, found.is_issue) > flags


@needs_public_data
@pytest.mark.parametrize("name", PUBLIC)
def test_canaries_tell_the_recall_of_public_labels(name: str):
    """Within 5 points of the truth; the expected precision, which rests on the model's own word, within 6."""
    labels, pred_probs, wrong = public_data.label_noise()[name]
    found = classification.detect(np.char.zfill(np.arange(len(labels)).astype(str), 6), None, labels, pred_probs, 10)
    right = (found.is_issue & wrong).sum()
    assert found.canaries.recall == pytest.approx(right / wrong.sum(), abs=0.05)
    assert found.canaries.precision == pytest.approx(right / found.is_issue.sum(), abs=0.06)


@needs_public_data
@pytest.mark.parametrize(("name", "floor"), [("cifar10n", 0.964), ("product-match", 0.937)])
def test_consensus_floor_on_public_labels(name: str, floor: float):
    data = public_data.delivered(name)
    columns = [data.labels[one].to_numpy(str) for one in ("item_id", "annotator_id", "label")]
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
    found = labelaudit.find_label_errors(labels, pred_probs)
    assert ((found.label_quality > 0) & (found.label_quality < 1)).all()
    back = labelaudit.find_label_errors(labels[::-1], pred_probs[::-1])
    assert np.allclose(back.label_quality[::-1], found.label_quality)
    assert np.array_equal(back.is_issue[::-1], found.is_issue)


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


def test_without_predictions_and_overlap_nothing_is_made_up():
    items, labels = np.array(["a", "b"]), np.array([0, 1])
    with pytest.raises(AuditImpossible, match="no item has labels of several"):
        classification.detect(items, np.array(["x", "y"]), labels, None, 2)


def test_a_single_annotators_item_keeps_its_label(digits):
    """Below the overlap that a consensus needs, labels are judged by predictions and published as given."""
    labels, pred_probs, truth = digits
    items = np.array([f"{n:05d}" for n in range(len(labels))])
    found = classification.detect(items, None, labels, pred_probs, 10)
    assert np.array_equal(found.label, labels)
    assert (found.suggested[found.is_issue] == truth[found.is_issue]).mean() > 0.75
    assert np.array_equal(found.suggested[~found.is_issue], labels[~found.is_issue])


def test_krippendorffs_alpha_of_the_textbook():
    """Krippendorff, "Computing Krippendorff's alpha-reliability" (2011), C: nominal, four coders: 0.743."""
    coders = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
        [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
    ]
    votes = np.zeros((12, 5))
    for coder in coders:
        for unit, value in enumerate(coder):
            if value is not None:
                votes[unit, value - 1] += 1
    assert krippendorff_alpha(votes) == pytest.approx(0.743, abs=0.001)


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
    found = classification.detect(items, people, labels, pred_probs, 10, scope=bad)
    low, middle, high = found.issue_rate_range
    assert low <= middle <= high
    assert middle == pytest.approx(found.is_issue[bad].mean())
    assert high > 0.5 or annotators


@pytest.mark.parametrize("confidence", [1.0, 3.0])
@pytest.mark.parametrize("cuts", [(1,), (4096, 4097, 9000), (100, 8192, 19_999)])
def test_shards_give_the_same_bits_however_the_rows_are_cut(cuts, confidence, monkeypatch):
    """Also for an over-confident model, whose flags have a cut of their own; and on one thread."""
    rng = np.random.default_rng(11)
    truth = rng.integers(0, 6, 20_000)
    logits = rng.normal(size=(20_000, 6))
    logits[np.arange(20_000), truth] += 2.0
    labels = np.where(rng.random(20_000) < 0.1, rng.integers(0, 6, 20_000), truth)
    pred_probs = np.exp(confidence * logits)
    pred_probs = (pred_probs / pred_probs.sum(1, keepdims=True)).astype(np.float32)
    whole = labelaudit.find_label_errors(labels, pred_probs)
    pieces = list(zip(np.split(labels, cuts), np.split(pred_probs, cuts), strict=True))
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    made = labelaudit.find_label_errors_in_shards(lambda: pieces, 6)
    parts = list(made.parts())
    for name in ("label_quality", "is_issue", "suggested_label"):
        assert np.concatenate([getattr(part, name) for part in parts]).tobytes() == getattr(whole, name).tobytes()
    assert made.issue_rate_range == whole.issue_rate_range
    assert made.flagged == whole.is_issue.sum() > 0


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


def test_a_bad_row_of_a_shard_is_named_with_its_shard_and_empty_shards_are_nothing():
    good, bad = np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([[0.9, 0.1], [0.2, np.nan]])
    empty = (np.zeros(0, int), np.zeros((0, 2)))
    y = np.array([0, 1])
    assert labelaudit.find_label_errors_in_shards(lambda: [empty, (y, good), empty], 2).rows == 2
    with pytest.raises(InvalidInput, match=r"shard 2: pred_probs\[1\] is no distribution"):
        labelaudit.find_label_errors_in_shards(lambda: [(y, good), empty, (y, bad)], 2)
    with pytest.raises(InvalidInput, match="shard 1: labels go from 0 to 2"):
        labelaudit.find_label_errors_in_shards(lambda: [(y, good), (y * 2, good)], 2)
    with pytest.raises(InvalidInput, match="no rows"):
        labelaudit.find_label_errors_in_shards(lambda: [empty], 2)
