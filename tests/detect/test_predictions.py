"""Predictions are out of sample, repeatable, and there for every class, however few its examples."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits

from labelaudit.detect import models

pytestmark = pytest.mark.slow


def contract_for(make_contract, source: str, classes: int, **more):
    columns = {"item": {}, "annotator": {}, "label": {}}
    if source == "text":
        columns["text"] = {}
        made = {"source": "text", "column": "text"}
    elif source == "tabular":
        columns |= {f"f{n}": {"type": "number"} for n in range(more["width"])}
        made = {"source": "tabular", "columns": [f"f{n}" for n in range(more["width"])]}
    else:
        columns["image"] = {"type": "vector", "length": more["width"]}
        made = {"source": source, "column": "image"}
        if source == "pixels":
            made |= {"shape": [8, 8], "maximum": 16}
    return make_contract(classes=[f"c{n}" for n in range(classes)], columns=columns, predictions=made)


def everything(labels) -> np.ndarray:
    return np.ones(len(labels), bool)


@pytest.mark.parametrize(
    ("source", "load", "floor"),
    [("pixels", load_digits, 0.95), ("embedding", load_digits, 0.93), ("tabular", load_breast_cancer, 0.92)],
)
def test_predictions_of_real_data_are_distributions_and_mostly_right(make_contract, source, load, floor):
    """With a tenth of the labels wrong, as they would be before an audit."""
    features, truth = load(return_X_y=True)
    rng = np.random.default_rng(0)
    labels = np.where(rng.random(len(truth)) < 0.1, rng.integers(0, truth.max() + 1, len(truth)), truth)
    contract = contract_for(make_contract, source, int(truth.max()) + 1, width=features.shape[1])
    features = features.astype(np.float64 if source == "tabular" else np.float32)
    pred_probs = models.predict(contract, features, labels, everything(labels))
    assert np.allclose(pred_probs.sum(1), 1, atol=1e-5)
    assert (pred_probs > 0).all()
    assert (pred_probs.argmax(1) == truth).mean() > floor
    assert np.array_equal(pred_probs, models.predict(contract, features, labels, everything(labels)))


def test_a_label_never_vouches_for_itself(make_contract):
    """Labels drawn by chance can't be foretold out of sample; a model that saw them would look good."""
    features, _ = load_digits(return_X_y=True)
    labels = np.random.default_rng(1).integers(0, 2, len(features))
    contract = contract_for(make_contract, "embedding", 2, width=64)
    pred_probs = models.predict(contract, features.astype(np.float32), labels, everything(labels))
    assert 0.42 < (pred_probs.argmax(1) == labels).mean() < 0.58


def test_copies_of_one_item_share_a_fold(make_contract):
    """Texts that differ in case and blanks only are copies; a wrong label on one must not be learnt from the other."""
    words = [f"{a} {b} story" for a in ("red", "blue", "green", "old", "new") for b in ("cat", "dog", "cow", "bee")]
    texts = [text for word in words for text in (word, word.upper() + "  ")]
    labels = np.repeat(np.random.default_rng(2).integers(0, 2, len(words)), 2)
    folds = models._folds(models._groups(texts), labels, seed=0)
    assert (folds[::2] == folds[1::2]).all()
    assert len(set(folds)) == models.FOLDS


@pytest.mark.parametrize("examples", [1, 2, 4])
def test_a_class_with_fewer_examples_than_folds_gets_a_probability(make_contract, examples: int):
    features, truth = load_digits(return_X_y=True)
    keep = np.concatenate([np.flatnonzero(truth == 0)[:50], np.flatnonzero(truth == 1)[:examples]])
    contract = contract_for(make_contract, "embedding", 3, width=64)  # of the third class there is none at all
    pred_probs = models.predict(contract, features[keep].astype(np.float32), truth[keep], everything(keep))
    assert (pred_probs > 0).all()
    assert np.allclose(pred_probs.sum(1), 1, atol=1e-5)


@pytest.mark.parametrize(
    "texts",
    [["the same"] * 6, [""] * 6, ["", "?!", "…", "a", "b", ""], ["only one"]],
    ids=["same", "empty", "odd", "one"],
)
def test_texts_that_say_nothing_get_the_class_shares_or_close(make_contract, texts):
    contract = contract_for(make_contract, "text", 2)
    labels = np.arange(len(texts)) % 2
    pred_probs = models.predict(contract, texts, labels, everything(labels))
    assert np.allclose(pred_probs.sum(1), 1, atol=1e-5)


def test_only_what_is_wanted_is_predicted(make_contract):
    features, truth = load_digits(return_X_y=True)
    contract = contract_for(make_contract, "pixels", 10, width=64)
    wanted = np.arange(len(truth)) < 100
    seen: list[tuple[int, int]] = []
    pred_probs = models.predict(contract, features.astype(np.float32), truth, wanted, lambda *done: seen.append(done))
    assert not np.isnan(pred_probs[wanted]).any()
    assert np.isnan(pred_probs[~wanted]).all()
    assert [done for done, _ in seen] == list(range(models.FOLDS))


def test_neighbours_are_heard_and_few_rows_are_enough(make_contract):
    """Two spirals that no linear model tells apart: their neighbours do. And seven rows are no error."""
    rng = np.random.default_rng(2)
    angle, labels = rng.uniform(2, 12, 400), np.arange(400) % 2
    arms = np.stack([angle * np.cos(angle + np.pi * labels), angle * np.sin(angle + np.pi * labels)], 1)
    contract = contract_for(make_contract, "embedding", 2, width=2)
    made = models.predict(contract, arms, labels, everything(labels))
    assert (made.argmax(1) == labels).mean() > 0.9
    few = models.predict(contract, arms[:7], labels[:7], everything(labels[:7]))
    assert np.allclose(few.sum(1), 1)
