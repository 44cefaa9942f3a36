"""The consensus over shards: the same bits however the items are cut, near what memory gives, and clear refusals."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import labelaudit
from labelaudit.errors import InvalidInput
from labelaudit.kernels import consensus

CLASSES = ["ant", "bee", "cow", "dog"]
ITEMS = 3_000


@pytest.fixture(scope="module")
def crowd():
    """Three of eleven annotators an item, one a spammer who hardly ever comes, two who copy each other; and a model."""
    rng = np.random.default_rng(6)
    truth = rng.integers(0, 4, ITEMS)
    skill = np.array([0.95, 0.9, 0.9, 0.85, 0.8, 0.8, 0.75, 0.7, 0.7, 0.7, 0.25])
    rows, chance = [], np.r_[np.full(10, 0.0999), 0.001]
    for item in range(ITEMS):
        for who in sorted(rng.choice(11, 3, replace=False, p=chance / chance.sum())):
            right = rng.random() < skill[who]
            rows.append((f"i{item:05d}", f"p{who:02d}", truth[item] if right else rng.integers(0, 4)))
    items, people, codes = (np.array(column) for column in zip(*rows, strict=True))
    pred_probs = rng.dirichlet(np.ones(4), ITEMS) * 0.6
    pred_probs[np.arange(ITEMS), truth] += 0.4
    return items, people, np.array(CLASSES)[codes], pred_probs.astype(np.float32), np.array(CLASSES)[truth]


def cut(crowd, at, predicted: bool):
    """Shards that end before the items `at`."""
    items, people, labels, pred_probs, _ = crowd
    names = np.unique(items)
    edges = [0, *at, len(names)]
    made = []
    for first, last in itertools.pairwise(edges):
        here = np.isin(items, names[first:last])
        made.append((items[here], people[here], labels[here], pred_probs[first:last] if predicted else None))
    return lambda: iter(made)


@pytest.mark.parametrize("sampled", [600, 10**6])
@pytest.mark.parametrize("predicted", [False, True])
def test_the_same_bits_however_the_items_are_cut(crowd, predicted, sampled, monkeypatch):
    """Also where the model is fitted on a part of the items; and nearly what aggregate_labels gives."""
    monkeypatch.setattr(consensus, "SAMPLE_LABELS", sampled)
    monkeypatch.setattr(consensus, "SAMPLE_LABELS_EACH", 50)
    seen = set()
    for at in ((), (1,), (100, 101, 2_000), range(500, ITEMS, 500)):
        made = labelaudit.aggregate_labels_in_shards(cut(crowd, at, predicted), CLASSES)
        parts = list(made.parts())
        posterior = np.concatenate([part.posterior for part in parts])
        quality = np.concatenate([part.quality for part in parts])
        seen.add((posterior.tobytes(), quality.tobytes(), made.annotator_quality.tobytes(), made.confusion.tobytes()))
    assert len(seen) == 1
    items, people, labels, pred_probs, truth = crowd
    whole = labelaudit.aggregate_labels(items, people, labels, pred_probs if predicted else None, CLASSES)
    label = np.concatenate([part.label for part in parts])
    assert np.array_equal(np.concatenate([part.items for part in parts]), whole.items)
    assert (label == whole.label).mean() > 0.99
    assert (label == truth).mean() > (whole.majority == truth).mean()
    assert np.array_equal(made.annotator_labels, whole.annotator_labels)
    assert np.abs(made.annotator_quality - whole.annotator_quality).max() < 0.05
    assert (made.items, made.labels) == (ITEMS, 3 * ITEMS)


def test_gold_is_fixed_in_every_shard(crowd):
    wrong = {"i00007": "cow", "i02999": "dog"}
    made = labelaudit.aggregate_labels_in_shards(cut(crowd, (1_500,), False), CLASSES, gold=wrong)
    found = {item: label for part in made.parts() for item, label in zip(part.items, part.label, strict=True)}
    assert {item: found[item] for item in wrong} == wrong


@pytest.mark.parametrize(
    ("shards", "said"),
    [
        ([(["a", "b"], ["x", "x"], ["ant", "ant"]), (["b"], ["y"], ["ant"])], "shard 1: item b comes after b"),
        ([(["b"], ["x"], ["ant"]), (["a"], ["y"], ["ant"])], "shard 1: item a comes after b"),
        ([(["a"], ["x"], ["ant"]), (["b"], ["y"], ["eel"])], "shard 1: labels holds 'eel'"),
        ([(["a"], ["x"], ["ant"], [[0.5, 0.5]])], r"shard 0: pred_probs must be \(1, 4\), not \(1, 2\)"),
        ([(["a"], ["x"], ["ant"], [[0.5, 0.9, 0, 0]])], "shard 0: every row of pred_probs"),
        ([(["a"], ["x"], ["ant"], [[1, 0, 0, 0]]), (["b"], ["y"], ["ant"])], "some shards have pred_probs"),
        ([(["a", "b"], ["x"], ["ant"])], r"shard 0: items, annotators and labels must be \(m,\)"),
        ([([], [], [])], "no labels in any shard"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_shard(shards, said):
    with pytest.raises(InvalidInput, match=said):
        labelaudit.aggregate_labels_in_shards(lambda: iter(shards), CLASSES)
