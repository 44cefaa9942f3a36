"""Part of benchmarks/dataset.py: weak slices, what to label next, and whom to ask again, beside what is usual."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from rich.table import Table
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from labelaudit import demo
from labelaudit.detectors.next_labels import label_next
from labelaudit.detectors.second_opinions import order_second_opinions
from labelaudit.detectors.slices import find_weak_slices

SEEDS = 40


def tables() -> Iterator[Table]:
    yield slices()
    yield next_labels()
    yield second_opinions()


def slices() -> Table:
    """One slice of known rows that errs at 30 % where the rest errs at 8 %, and none at all; SEEDS draws each."""
    rng = np.random.default_rng(0)
    age, country, score = (
        rng.integers(18, 90, 4_000),
        rng.choice(["NO", "SE", "DE", "FR"], 4_000),
        rng.normal(size=4_000),
    )
    table_rows = np.array(list(zip(age.tolist(), country.tolist(), score.tolist(), strict=True)), dtype=object)
    digits = load_digits()
    docstrings = [text for _, _, text in demo._corpus()]
    data = {
        "table: age > 61 in NO": (table_rows, (age > 61) & (country == "NO"), ["age", "country", "score"]),
        "digits: the eights": (digits.data, digits.target == 8, None),
        "docstrings: 'array'": (docstrings, np.array(["array" in text.lower().split() for text in docstrings]), None),
    }
    table = Table("slices", "rows", "found", "its precision", "its recall", "rate in the interval", "false (no slice)")
    for name, (features, weak, names) in data.items():
        found, precision, recall, covered, false = 0, [], [], 0, 0
        for seed in range(SEEDS):
            draw = np.random.default_rng(seed).random(len(weak))
            made = find_weak_slices(features, draw < np.where(weak, 0.3, 0.08), names, seed=seed)
            false += bool(find_weak_slices(features, draw < 0.1, names, seed=seed))
            if made:
                found += 1
                share = weak[made[0].rows].mean()
                precision.append(share)
                recall.append(weak[made[0].rows].sum() / weak.sum())
                covered += made[0].low <= share * 0.3 + (1 - share) * 0.08 <= made[0].high
        table.add_row(
            name,
            str(int(weak.sum())),
            f"{found / SEEDS:.2f}",
            f"{np.mean(precision or [0]):.2f}",
            f"{np.mean(recall or [0]):.2f}",
            f"{covered / max(found, 1):.2f}",
            f"{false / SEEDS:.3f}",
        )
    return table


def learn(rows: np.ndarray, truth: np.ndarray, how: str, seed: int, start: int, batch: int, strength: float) -> float:
    """Mean accuracy on a third of the rows over 5 rounds of `batch` more labels."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(truth))
    test, train = order[: len(truth) // 3], order[len(truth) // 3 :]
    known, classes = truth[train], int(truth.max()) + 1
    labelled = np.zeros(len(train), bool)
    labelled[rng.choice(len(train), start, replace=False)] = True
    reached = []
    for turn in range(6):
        model = LogisticRegression(C=strength, max_iter=400).fit(rows[train][labelled], known[labelled])
        if turn:
            reached.append(model.score(rows[test], truth[test]))
        pred_probs = np.zeros((len(train), classes))
        pred_probs[:, model.classes_] = model.predict_proba(rows[train])
        if how == "random":
            chosen = rng.choice(np.flatnonzero(~labelled), batch, replace=False)
        elif how == "margin":
            top = np.partition(pred_probs, -2, axis=1)
            chosen = np.argsort(np.where(labelled, 9, top[:, -1] - top[:, -2]), kind="stable")[:batch]
        else:
            fresh = LogisticRegression(C=strength, max_iter=400)
            held_out = cross_val_predict(fresh, rows[train][labelled], known[labelled], cv=3, method="predict_proba")
            pred_probs[np.ix_(labelled, model.classes_)] = held_out
            wrong = labelled & (pred_probs.argmax(1) != known)
            chosen = label_next(rows[train], pred_probs, labelled, wrong, batch, seed).order
        labelled[chosen] = True
    return float(np.mean(reached))


def next_labels() -> Table:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    digits, corpus = load_digits(), demo._corpus()
    weights = TfidfVectorizer(sublinear_tf=True, min_df=2, stop_words="english").fit_transform(
        [entry[2] for entry in corpus]
    )
    reduced = TruncatedSVD(100, random_state=0).fit_transform(weights)
    reduced /= np.maximum(np.linalg.norm(reduced, axis=1, keepdims=True), 1e-9)
    packages = np.array([demo.PACKAGES.index(entry[1]) for entry in corpus])
    data = {
        "digits, 60 labels + 5 x 60": (digits.data / 16, digits.target, 60, 60, 1.0),
        "docstrings, 80 + 5 x 60": (reduced, packages, 80, 60, 3.0),
    }
    table = Table(
        "what to label next", "random", "least margin", "ours", title="mean accuracy of the 5 rounds, 10 seeds"
    )
    for name, (rows, truth, start, batch, strength) in data.items():
        means = [
            np.mean([learn(rows, truth, how, 100 + seed, start, batch, strength) for seed in range(10)])
            for how in ("random", "margin", "ours")
        ]
        table.add_row(name, *(f"{mean:.4f}" for mean in means))
    return table


def second_opinions() -> Table:
    """Simulated: 20,000 items, one more label for a fifth of them."""
    table = Table("accuracy after one more label for 20 %", "before", "random", "lowest confidence", "ours")
    for name, blind in (("all classes alike", 0), ("two classes that nobody tells apart", 2)):
        rng = np.random.default_rng(0)
        confusion = np.full((6, 6), 0.04) + 0.76 * np.eye(6)
        confusion[:blind, :blind] = 0.42
        confusion /= confusion.sum(1, keepdims=True)
        posterior = rng.dirichlet(np.full(6, 0.4), 20_000)
        truth = (rng.random((20_000, 1)) > posterior.cumsum(1)).sum(1).clip(0, 5)
        answer = (rng.random((20_000, 1)) > confusion[truth].cumsum(1)).sum(1).clip(0, 5)
        orders = (
            np.arange(0),
            rng.permutation(20_000),
            np.argsort(posterior.max(1), kind="stable"),
            order_second_opinions(posterior, confusion).order,
        )
        row = []
        for order in orders:
            after, asked = posterior.copy(), order[:4_000]
            after[asked] *= confusion[:, answer[asked]].T
            row.append(f"{(after.argmax(1) == truth).mean():.4f}")
        table.add_row(name, *row)
    return table
