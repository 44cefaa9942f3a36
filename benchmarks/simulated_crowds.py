"""Simulated crowds whose truth is known: annotators of many kinds, items of unequal difficulty.

Items are scikit-learn's digits, or those of label_noise/*.npz with the predictions that come with them. Simulated is
who labels what and how: heavy and light annotators; skilled, careless, spamming (at random, or always the same class),
good at some classes only, or colluding (copying one annotator). Hard items are hard for all, and draw the same wrong
answer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier

from benchmarks import public_data

MIXED = {"skilled": 0.6, "careless": 0.25, "spamming": 0.15}
UNEVEN = {"skilled": 0.5, "by class": 0.4, "spamming": 0.1}
COLLUDING = {"skilled": 0.6, "colluding": 0.4}


@dataclass(frozen=True)
class Crowd:
    """So many annotators, labels an item, and shares of the kinds; skill as log odds of being right.

    truth: what is asked of a digit ("digit", "half": 5 or more, "eight", "mod": modulo the classes); model: "logistic"
    or "bayes", whose out-of-sample predictions are given; source: "digits", or a file of label_noise.
    """

    classes: int
    annotators: int
    each: float
    kinds: dict[str, float]
    skill: float = 1.6
    truth: str = "digit"
    model: str | None = None
    items: int | None = None
    source: str = "digits"


CROWDS = {
    "K10": Crowd(10, 20, 3, MIXED),
    "K10, model": Crowd(10, 20, 3, MIXED, model="logistic"),
    "K10, 150 annotators": Crowd(10, 150, 3, MIXED),
    "K10, 150 annotators, model": Crowd(10, 150, 3, MIXED, model="logistic"),
    "K10, 2 labels": Crowd(10, 25, 2, MIXED, skill=2.4),
    "K10, 1.5 labels, model": Crowd(10, 20, 1.5, MIXED, model="logistic"),
    "K10, 3 passes, model": Crowd(10, 3, 3, {"skilled": 1.0}, model="logistic"),
    "K10, weak model": Crowd(10, 20, 3, MIXED, model="bayes"),
    "K10, by class": Crowd(10, 15, 4, {"by class": 0.8, "careless": 0.2}),
    "K10, colluding": Crowd(10, 20, 5, COLLUDING, skill=1.2),
    "K10, colluding, model": Crowd(10, 20, 5, COLLUDING, skill=1.2, model="logistic"),
    "K5, 10 labels": Crowd(5, 80, 10, UNEVEN, truth="mod", items=300),
    "K4, 10 labels": Crowd(4, 50, 10, MIXED, skill=0.9, truth="mod", items=800),
    "K2, 5 labels": Crowd(2, 30, 5, MIXED, skill=1.4, truth="half"),
    "K2, 2 labels": Crowd(2, 25, 2, MIXED, skill=2.4, truth="half"),
    "K2, 2 labels, model": Crowd(2, 30, 2, MIXED, truth="half", model="logistic"),
    "K2, rare class": Crowd(2, 170, 3, UNEVEN, skill=2.8, truth="eight"),
    "K2, rare class, model": Crowd(2, 60, 3, UNEVEN, skill=1.4, truth="eight", model="logistic"),
    "K2, 10 labels": Crowd(2, 160, 10, MIXED, skill=2.4, truth="half", items=800),
    "K2, all label all": Crowd(2, 39, 39, {"by class": 0.8, "careless": 0.2}, skill=2.2, truth="half", items=108),
    "K2, colluding": Crowd(2, 30, 8, {"skilled": 0.7, "colluding": 0.3}, skill=2.0, truth="half"),
    "cifar10s, model": Crowd(10, 100, 3, MIXED, source="cifar10s__resnet18"),
    "cifar10n, careless, model": Crowd(
        10, 100, 2, {"skilled": 0.3, "careless": 0.5, "spamming": 0.2}, source="cifar10n_agg__resnet18"
    ),
}


@dataclass(frozen=True)
class Simulated:
    """Codes items, annotators, labels (m,); pred_probs (n, K) or None; truth (n,)."""

    items: np.ndarray
    annotators: np.ndarray
    labels: np.ndarray
    pred_probs: np.ndarray | None
    truth: np.ndarray
    classes: int


def simulate(crowd: Crowd, seed: int = 0) -> Simulated:
    rng = np.random.default_rng(seed)
    truth, pred_probs, hard = _items(crowd, rng)
    items, people = _who_labels_what(crowd, len(truth), rng)
    labels = _answers(crowd, truth, hard, items, people, rng)
    return Simulated(items, people, labels, pred_probs, truth, crowd.classes)


def _items(crowd: Crowd, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    """Truth, predictions, and how hard the items look, 0 to 1."""
    if crowd.source != "digits":
        with np.load(public_data.FOLDER / "label_noise" / f"{crowd.source}.npz") as arrays:
            truth, pred_probs = arrays["true_labels"].astype(np.int64), arrays["pred_probs"].astype(np.float64)
        return truth, pred_probs, 1 - pred_probs[np.arange(len(truth)), truth]
    images, digit = load_digits(return_X_y=True)
    if crowd.items:
        taken = rng.permutation(len(images))[: crowd.items]
        images, digit = images[taken], digit[taken]
    asked = {"digit": digit, "half": digit >= 5, "eight": digit == 8, "mod": digit % crowd.classes}
    truth = asked[crowd.truth].astype(np.int64)
    near = cross_val_predict(KNeighborsClassifier(15), images, truth, cv=5, method="predict_proba")
    pred_probs = None
    if crowd.model:
        model = (
            LogisticRegression(C=0.01, max_iter=300) if crowd.model == "logistic" else GaussianNB(var_smoothing=0.05)
        )
        noisy = images + rng.normal(0, 4, images.shape)
        pred_probs = cross_val_predict(model, noisy, truth, cv=5, method="predict_proba")
    return truth, pred_probs, 1 - near[np.arange(len(truth)), truth]


def _who_labels_what(crowd: Crowd, items: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    least = int(crowd.each)
    sizes = least + (rng.random(items) < crowd.each - least)
    keys = rng.normal(0, 1, crowd.annotators) + rng.gumbel(size=(items, crowd.annotators))
    chosen = np.argsort(-keys, 1)[:, : sizes.max()]
    used = np.arange(sizes.max()) < sizes[:, None]
    return np.nonzero(used)[0], chosen[used]


def _answers(crowd: Crowd, truth, hard, items, people, rng: np.random.Generator) -> np.ndarray:
    classes = crowd.classes
    level = rng.normal(0, 0.8, len(truth)) + 2 * hard
    lookalike = rng.dirichlet(np.full(classes, 0.3), classes) + 0.05
    np.fill_diagonal(lookalike, 0)
    lookalike = (lookalike / lookalike.sum(1, keepdims=True)).cumsum(1)

    def mistaken(rows: np.ndarray) -> np.ndarray:
        return (lookalike[truth[rows]] < rng.random(len(rows))[:, None]).sum(1).clip(0, classes - 1)

    common = mistaken(np.arange(len(truth)))

    def answer(rows: np.ndarray, skill) -> np.ndarray:
        right = rng.random(len(rows)) < 1 / (1 + np.exp(level[rows] - skill))
        return np.where(right, truth[rows], np.where(rng.random(len(rows)) < 0.4, common[rows], mistaken(rows)))

    leader = answer(np.arange(len(truth)), crowd.skill - 0.8)
    edges = np.round(np.cumsum([0, *crowd.kinds.values()]) * crowd.annotators).astype(int)
    kind = np.repeat(list(crowd.kinds), np.diff(edges))
    labels = np.empty(len(items), np.int64)
    for a in range(crowd.annotators):
        rows = np.flatnonzero(people == a)
        skill, of_class = crowd.skill + rng.normal(0, 0.6), rng.normal(0, 1.2, classes)
        own = items[rows]
        if kind[a] == "spamming":
            labels[rows] = rng.integers(classes) if rng.random() < 0.5 else rng.integers(0, classes, len(rows))
        elif kind[a] == "colluding":
            labels[rows] = np.where(rng.random(len(rows)) < 0.85, leader[own], answer(own, skill))
        else:
            extra = of_class[truth[own]] if kind[a] == "by class" else 1.5 * -(kind[a] == "careless")
            labels[rows] = answer(own, skill + extra)
    return labels
