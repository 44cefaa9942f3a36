"""Wrong labels: ours beside cleanlab, on the same arrays in one process. Prints both, and the ratios of the times.

    python -m benchmarks.label_errors

Public data where they are on this machine (see public_data.py), and scikit-learn's digits with known wrong labels.
Agreement is checked where both mean the same: the confident joint's counts.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

import labelaudit
from benchmarks import public_data
from labelaudit.kernels import confident

REPEATS = 5


def digits() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """8 % of scikit-learn's digits labelled as a lookalike; probabilities cross-validated."""
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict

    images, truth = load_digits(return_X_y=True)
    rng = np.random.default_rng(3)
    lookalike = np.array([6, 7, 3, 8, 9, 6, 5, 1, 3, 4])
    labels = np.where(rng.random(len(truth)) < 0.08, lookalike[truth], truth)
    model = LogisticRegression(C=0.05, max_iter=300)
    return labels, cross_val_predict(model, images / 16, labels, cv=5, method="predict_proba"), labels != truth


SIZES = ((1_000_000, 10), (200_000, 100), (50_000, 1_000))


def simulated(rows: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels of which a tenth is drawn by chance, and float32 probabilities of a good model."""
    rng = np.random.default_rng(0)
    pred_probs = rng.random((rows, classes), np.float32) ** 8
    labels = rng.integers(0, classes, rows)
    pred_probs[np.arange(rows), labels] += 0.5 * np.sqrt(classes)
    pred_probs /= pred_probs.sum(1, keepdims=True)
    return np.where(rng.random(rows) < 0.1, rng.integers(0, classes, rows), labels), pred_probs


def best_time(call: Callable[[], Any]) -> tuple[float, Any]:
    """The shortest of several runs, in seconds, and what was returned."""
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        result = call()
        times.append(time.perf_counter() - started)
    return min(times), result


def main() -> None:
    from cleanlab.count import compute_confident_joint
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    warnings.simplefilter("ignore")
    data = {"digits (8 % wrong)": digits()}
    if public_data.present():
        data |= public_data.label_noise()
    table = Table("data", "rows", "classes", "method", "AUROC", "AUPRC", "F1", "ms", "ratio")
    for name, (labels, pred_probs, wrong) in data.items():
        labels, pred_probs = np.asarray(labels, np.int64), np.asarray(pred_probs)
        seconds, ours = best_time(lambda y=labels, p=pred_probs: labelaudit.find_label_errors(y, p))

        def theirs(y=labels, p=pred_probs):
            return find_label_issues(y, p, n_jobs=1), get_label_quality_scores(y, p)

        their_seconds, (issues, quality) = best_time(theirs)
        joint = confident.survey(labels, pred_probs.astype(np.float32))[0].joint
        known = compute_confident_joint(labels, pred_probs, calibrate=False).T
        off = ~np.eye(len(joint), dtype=bool)
        differ = np.abs(joint - known)[off].sum() / max(1, known[off].sum())
        assert differ < 0.05, f"{name}: the confident joints differ by {differ:.1%}"
        rows = [("ours", ours.label_quality, ours.is_issue, seconds), ("cleanlab", quality, issues, their_seconds)]
        for method, score, flagged, taken in rows:
            table.add_row(
                name if method == "ours" else "",
                f"{len(labels):,}" if method == "ours" else "",
                str(pred_probs.shape[1]) if method == "ours" else "",
                method,
                f"{roc_auc_score(wrong, -score):.4f}",
                f"{average_precision_score(wrong, -score):.4f}",
                f"{f1_score(wrong, flagged):.4f}",
                f"{1000 * taken:.1f}",
                f"{their_seconds / seconds:.1f} x" if method == "ours" else "",
            )
    Console(width=110).print(table)
    table = Table("rows", "classes", "ours, ms", "cleanlab, ms", "ratio", title="speed, float32, both warm")
    for rows, classes in SIZES:
        labels, pred_probs = simulated(rows, classes)
        seconds, _ = best_time(lambda y=labels, p=pred_probs: labelaudit.find_label_errors(y, p))
        their_seconds, _ = best_time(
            lambda y=labels, p=pred_probs: (find_label_issues(y, p, n_jobs=1), get_label_quality_scores(y, p))
        )
        row = (f"{rows:,}", f"{classes:,}", f"{1000 * seconds:.0f}", f"{1000 * their_seconds:.0f}")
        table.add_row(*row, f"{their_seconds / seconds:.1f} x")
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
