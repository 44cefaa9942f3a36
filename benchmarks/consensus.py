"""One label from several annotators: ours beside cleanlab's CROWDLAB and crowd-kit, on the same rows in one process.

    python -m benchmarks.consensus [--public]

First public crowds, then simulated ones (--public: without them; with them it takes some minutes, nearly all of it
GLAD's). Agreement is checked: all methods judge the same items, and majority vote gives the same labels as crowd-kit's
wherever it is not a tie. Every method gets the labels in the form it wants before its time starts; ours has been called
once, so that its compiled loops are loaded.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from sklearn.metrics import roc_auc_score

import labelaudit
from benchmarks import public_data
from benchmarks.simulated_crowds import CROWDS, simulate

MOST_LABELS_FOR_SLOW = 30_000
"""GLAD and MACE take minutes on more."""


@dataclass(frozen=True)
class Task:
    """items, annotators, labels (m,); pred_probs (n, K) or None; classes (K,); truth (n,), by sorted item."""

    items: np.ndarray
    annotators: np.ndarray
    labels: np.ndarray
    pred_probs: np.ndarray | None
    classes: list
    truth: np.ndarray


@dataclass(frozen=True)
class Found:
    accuracy: float
    auroc: float
    seconds: float

    def __str__(self) -> str:
        return f"{self.accuracy:.4f} / {self.auroc:.3f}"


def main() -> None:
    warnings.simplefilter("ignore")
    console = Console(width=140)
    if not public_data.present():
        raise SystemExit(f"the public data are not at {public_data.FOLDER}; set LABELAUDIT_DATA")
    table = Table("data", "labels", "method", "accuracy", "AUROC of quality", "s", "ratio")
    for name in ("cifar10n", "product-match"):
        task = public(name)
        check_majority(task)
        results = judged(task)
        for method, result in results.items():
            first = method == "ours"
            table.add_row(
                name if first else "",
                f"{len(task.labels):,}" if first else "",
                method,
                f"{result.accuracy:.4f}",
                f"{result.auroc:.4f}",
                f"{result.seconds:.3f}",
                "" if first else f"{result.seconds / results['ours'].seconds:.1f} x",
            )
    console.print(table)
    if "--public" in sys.argv:
        return
    methods = ["ours", "CROWDLAB", "Dawid-Skene", "GLAD", "MACE", "majority"]
    table = Table("simulated: accuracy / AUROC of quality", *methods)
    sums: dict[str, list[tuple[float, float]]] = {method: [] for method in methods}
    for name, crowd in CROWDS.items():
        made = simulate(crowd)
        task = Task(made.items, made.annotators, made.labels, made.pred_probs, list(range(made.classes)), made.truth)
        results = judged(task)
        best = max(result.accuracy for result in results.values())
        cells = {method: str(result) for method, result in results.items()}
        marked = {m: f"[bold]{cells[m]}[/]" if results[m].accuracy == best else cells[m] for m in results}
        table.add_row(name, *(marked.get(method, "") for method in methods))
        for method, result in results.items():
            sums[method].append((results["ours"].accuracy - result.accuracy, results["ours"].auroc - result.auroc))
    ahead = [np.array(sums[method]) for method in methods]
    table.add_row("ours ahead by, mean", *(f"{gap[:, 0].mean():+.4f} / {np.nanmean(gap[:, 1]):+.3f}" for gap in ahead))
    table.add_row("ours behind in", *(f"{(gap[:, 0] < 0).sum()} of {len(gap)}" for gap in ahead))
    console.print(table)


def public(name: str) -> Task:
    data = public_data.delivered(name)
    items, annotators, labels = (data.labels[column].to_numpy(str) for column in ("item_id", "annotator_id", "label"))
    pred_probs, classes, names = None, sorted(set(labels)), np.unique(items)
    if data.predictions is not None:
        by_item = data.predictions.set_index("item_id").loc[names]
        pred_probs, classes = by_item.to_numpy(), list(by_item.columns)
    return Task(items, annotators, labels, pred_probs, classes, data.truth.loc[names].to_numpy(str))


def judged(task: Task) -> dict[str, Found]:
    """By method: the best time of up to three."""
    frame = pd.DataFrame({"task": task.items, "worker": task.annotators, "label": task.labels})
    calls: dict[str, Callable] = {"ours": lambda: ours(task)}
    if task.pred_probs is not None:
        wide = wide_codes(task)
        calls["CROWDLAB"] = lambda: crowdlab(wide, task)
    calls["Dawid-Skene"] = lambda: crowd_kit("DawidSkene", frame, n_iter=100)
    if len(frame) <= MOST_LABELS_FOR_SLOW:
        calls["GLAD"] = lambda: crowd_kit("GLAD", frame, n_iter=20)
        calls["MACE"] = lambda: crowd_kit("MACE", frame, random_state=0)
    calls["majority"] = lambda: crowd_kit("MajorityVote", frame)
    ours(task)
    results = {}
    for method, call in calls.items():
        seconds = []
        while not seconds or (len(seconds) < 3 and sum(seconds) < 5):
            started = time.perf_counter()
            labels, quality = call()
            seconds.append(time.perf_counter() - started)
        assert len(labels) == len(task.truth), f"{method} judges other items"
        right = labels == task.truth
        auroc = roc_auc_score(right, quality) if len(set(right)) == 2 else float("nan")
        results[method] = Found(right.mean(), auroc, min(seconds))
    return results


def ours(task: Task) -> tuple[np.ndarray, np.ndarray]:
    made = labelaudit.aggregate_labels(task.items, task.annotators, task.labels, task.pred_probs, task.classes)
    return made.label, made.quality


def wide_codes(task: Task) -> pd.DataFrame:
    codes = pd.Categorical(task.labels, task.classes).codes
    frame = pd.DataFrame({"item": task.items, "annotator": task.annotators, "code": codes})
    return frame.pivot(index="item", columns="annotator", values="code").sort_index()


def crowdlab(wide: pd.DataFrame, task: Task) -> tuple[np.ndarray, np.ndarray]:
    from cleanlab.multiannotator import get_label_quality_multiannotator

    made: Any = get_label_quality_multiannotator(wide, task.pred_probs, verbose=False)["label_quality"]
    labels = np.array(task.classes)[made["consensus_label"].to_numpy(int)]
    return labels, made["consensus_quality_score"].to_numpy()


def crowd_kit(method: str, frame: pd.DataFrame, **settings) -> tuple[np.ndarray, np.ndarray]:
    from crowdkit import aggregation

    model = getattr(aggregation, method)(**settings)
    labels = model.fit_predict(frame).sort_index()
    return labels.to_numpy(), model.probas_.max(axis=1).loc[labels.index].to_numpy()


def check_majority(task: Task) -> None:
    """Both majority votes agree on every item that has one most frequent label."""
    made = labelaudit.aggregate_labels(task.items, task.annotators, task.labels, task.pred_probs, task.classes)
    frame = pd.DataFrame({"task": task.items, "worker": task.annotators, "label": task.labels})
    counts = frame.groupby(["task", "label"]).size()
    top = counts.groupby("task").max()
    clear = (counts == top.reindex(counts.index, level="task")).groupby("task").sum() == 1
    theirs, _ = crowd_kit("MajorityVote", frame)
    assert (theirs == made.majority)[clear.sort_index().to_numpy()].all(), "the majority votes differ"


if __name__ == "__main__":
    main()
