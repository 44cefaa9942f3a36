"""Small tables whose wrong labels are known: what scikit-learn ships and makes, and docstrings of installed packages.

Every table is labelled wrong in seven ways and predicted, out of sample, by five kinds of models that saw the wrong
labels. Everything follows from the seeds. Made once (some minutes), then kept in the folder LABELAUDIT_SUITE.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed

FOLDER = Path(os.environ.get("LABELAUDIT_SUITE") or Path(tempfile.gettempdir()) / "labelaudit-suite-1")
FOLDS = 5
RATE = 0.1
"""Share of wrong labels; sparse noise has twice as many, in few pairs of classes."""

NOISES = ("none", "uniform", "pairwise", "sparse", "one-sided", "instance-dependent", "open-set")
MODELS = ("logistic", "naive Bayes", "forest", "boosting", "neighbours")

Table = tuple[np.ndarray, np.ndarray]
"""features float (n, d), true labels int (n,)."""


@dataclass(frozen=True)
class NoisySet:
    """labels int (n,), pred_probs float32 (n, K) of `model`, wrong bool (n,)."""

    table: str
    noise: str
    model: str
    labels: np.ndarray
    pred_probs: np.ndarray
    wrong: np.ndarray


def tables() -> dict[str, Callable[[], Table]]:
    from sklearn import datasets

    def generated(**given) -> Callable[[], Table]:
        return lambda: datasets.make_classification(shuffle=True, random_state=0, **given)

    return {
        "iris": lambda: datasets.load_iris(return_X_y=True),
        "wine": lambda: datasets.load_wine(return_X_y=True),
        "breast cancer (2)": lambda: datasets.load_breast_cancer(return_X_y=True),
        "digits": lambda: datasets.load_digits(return_X_y=True),
        "digits, odd (2)": lambda: _relabelled(datasets.load_digits(return_X_y=True), lambda y: y % 2),
        "diabetes, thirds": lambda: _relabelled(
            datasets.load_diabetes(return_X_y=True), lambda y: np.digitize(y, np.quantile(y, [1 / 3, 2 / 3]))
        ),
        "made (2)": generated(n_samples=1500, n_features=15, n_informative=6, n_classes=2),
        "made (4)": generated(n_samples=1500, n_features=20, n_informative=8, n_classes=4, class_sep=1.5),
        "made (20)": generated(
            n_samples=2000, n_features=24, n_informative=14, n_classes=20, n_clusters_per_class=1, class_sep=2.0
        ),
        "made, rare classes": generated(
            n_samples=1500, n_features=15, n_informative=8, n_classes=4, weights=[0.7, 0.2, 0.06, 0.04], class_sep=1.5
        ),
        "moons (2)": lambda: datasets.make_moons(800, noise=0.25, random_state=0),
        "docstrings (4)": _docstrings,
    }


def _relabelled(table: Table, change: Callable[[np.ndarray], np.ndarray]) -> Table:
    return table[0], change(table[1]).astype(np.int64)


def _docstrings() -> Table:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    from labelaudit import demo

    corpus = demo._corpus()[:1500]
    words = TfidfVectorizer(sublinear_tf=True, max_features=20_000).fit_transform([text for _, _, text in corpus])
    labels = np.array([demo.PACKAGES.index(package) for _, package, _ in corpus])
    return TruncatedSVD(60, random_state=0).fit_transform(words), labels


def noisy(features: np.ndarray, truth: np.ndarray, noise: str, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, labels and which of them are wrong, (n,) bool."""
    rng = np.random.default_rng(seed)
    n, classes = len(truth), int(truth.max()) + 1
    labels = truth.copy()
    if noise == "none":
        return features, labels, np.zeros(n, bool)
    if noise == "open-set":  # the item belongs to no class: its features are another's, mixed up column by column
        wrong = rng.random(n) < RATE
        mixed = np.stack([rng.permutation(column) for column in features.T], 1)
        return np.where(wrong[:, None], mixed, features), labels, wrong
    transition = _transition(noise, classes, rng)
    if noise == "instance-dependent":
        return features, *_instance_dependent(features, truth, rng)
    flipped = rng.random(n) < transition[truth].sum(1)
    steps = transition[truth].cumsum(1)
    drawn = (rng.random(n)[:, None] * steps[:, -1:] >= steps).sum(1).clip(max=classes - 1)
    labels[flipped] = drawn[flipped]
    return features, labels, labels != truth


def _transition(noise: str, classes: int, rng: np.random.Generator) -> np.ndarray:
    """Rate of each wrong label by true class, (K, K)."""
    rates = np.zeros((classes, classes))
    if noise == "uniform":
        rates[:] = RATE / (classes - 1)
    elif noise == "pairwise":
        rates[np.arange(classes), (np.arange(classes) + 1) % classes] = RATE
    elif noise == "sparse":
        for true in rng.choice(classes, max(1, classes // 2), replace=False):
            rates[true, (true + rng.integers(1, classes)) % classes] = 2 * RATE
    elif noise == "one-sided":
        rates[0, 1:] = 2 * RATE / (classes - 1)
    np.fill_diagonal(rates, 0)
    return rates


def _instance_dependent(features: np.ndarray, truth: np.ndarray, rng: np.random.Generator) -> tuple:
    """Wrong where a linear model on part of the columns is torn between two classes, as people are."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    columns = rng.permutation(features.shape[1])[: max(2, features.shape[1] // 2)]
    part = StandardScaler().fit_transform(features[:, columns])
    seen = LogisticRegression(C=0.1, max_iter=200).fit(part, truth).predict_proba(part)
    rows = np.arange(len(truth))
    seen[rows, truth] = 0
    temptation = seen.max(1)
    chosen = np.argsort(-(np.log(temptation + 1e-9) + rng.gumbel(size=len(truth))))[: round(RATE * len(truth))]
    labels = truth.copy()
    labels[chosen] = seen[chosen].argmax(1)
    return labels, labels != truth


def _model(name: str):
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return {
        "logistic": lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)),
        "naive Bayes": lambda: GaussianNB(),
        "forest": lambda: RandomForestClassifier(100, min_samples_leaf=2, random_state=0),
        "boosting": lambda: HistGradientBoostingClassifier(max_iter=40, random_state=0),
        "neighbours": lambda: make_pipeline(StandardScaler(), KNeighborsClassifier(15)),
    }[name]()


def made(table: str, noise: str, models: tuple[str, ...] = MODELS) -> list[NoisySet]:
    """The sets of one table and one kind of noise, made anew."""
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    features, truth = tables()[table]()
    seed = 1 + NOISES.index(noise)
    features, labels, wrong = noisy(np.asarray(features, float), np.asarray(truth, np.int64), noise, seed)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    noisy_sets = []
    for model in models:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pred_probs = cross_val_predict(_model(model), features, labels, cv=folds, method="predict_proba")
        noisy_sets.append(NoisySet(table, noise, model, labels, pred_probs.astype(np.float32), wrong))
    return noisy_sets


def _kept(table: str, noise: str) -> list[NoisySet]:
    path = FOLDER / f"{table}__{noise}.npz"
    if not path.exists():
        fresh = made(table, noise)
        FOLDER.mkdir(parents=True, exist_ok=True)
        arrays = {"labels": fresh[0].labels, "wrong": fresh[0].wrong} | {
            noisy_set.model: noisy_set.pred_probs for noisy_set in fresh
        }
        part = path.with_suffix(f".{os.getpid()}.npz")
        np.savez(part, **arrays)
        part.replace(path)
    with np.load(path) as arrays:
        return [NoisySet(table, noise, model, arrays["labels"], arrays[model], arrays["wrong"]) for model in MODELS]


def suite() -> Iterator[NoisySet]:
    """All sets, in a fixed order; a set without a wrong label (noise "none") tells only how many flags are false."""
    cells = [(table, noise) for table in tables() for noise in NOISES]
    for found in Parallel(n_jobs=os.cpu_count(), return_as="generator")(delayed(_kept)(*cell) for cell in cells):
        yield from found
