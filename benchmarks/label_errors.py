"""Wrong labels: ours beside cleanlab, on the same arrays in one process.

    python -m benchmarks.label_errors [public | small | canaries | speed ...]

Accuracy on public human labels where they are on this machine (see public_data.py), and on 420 small sets (see
noisy_tables.py): AUROC and AUPRC of our score beside every score of cleanlab, F1 of our flags beside every filter.
"best" is the one of its scores (filters) that is best for the family in hindsight, which a user can't know.
Agreement is checked where both mean the same: the confident joint's counts.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

import labelaudit
from benchmarks import public_data
from benchmarks.noisy_tables import NoisySet, suite
from labelaudit.kernels import confident

REPEATS = 7
SIZES = ((1_000_000, 10), (200_000, 100), (50_000, 1_000))
TARGETS = (15, 15, 10)
DEFAULT_SCORE, DEFAULT_FILTER = "self_confidence", "prune_by_noise_rate"
SCORES = (DEFAULT_SCORE, "normalized_margin", "confidence_weighted_entropy")
FILTERS = (
    DEFAULT_FILTER,
    "prune_by_class",
    "both",
    "confident_learning",
    "predicted_neq_given",
    "low_normalized_margin",
    "low_self_confidence",
)
Result = dict[str, float]


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


def measured(noisy_set: NoisySet) -> Result:
    """Ours and all of cleanlab's on one set; without a wrong label only the share of flags."""
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    check_joint(noisy_set)
    ours = labelaudit.find_label_errors(noisy_set.labels, noisy_set.pred_probs)
    flags = {"ours": ours.is_issue}
    flags |= {
        name: find_label_issues(noisy_set.labels, noisy_set.pred_probs, filter_by=name, n_jobs=1) for name in FILTERS
    }
    made: Result = {f"flagged {name}": float(flagged.mean()) for name, flagged in flags.items()}
    if not noisy_set.wrong.any():
        return made
    quality = {"ours": ours.label_quality}
    for name in SCORES:
        quality[name] = get_label_quality_scores(noisy_set.labels, noisy_set.pred_probs, method=name)
    for name, score in quality.items():
        made[f"AUROC {name}"] = roc_auc_score(noisy_set.wrong, -score)
        made[f"AUPRC {name}"] = average_precision_score(noisy_set.wrong, -score)
    return made | {f"F1 {name}": f1_score(noisy_set.wrong, flagged) for name, flagged in flags.items()}


def check_joint(noisy_set: NoisySet) -> None:
    """Both libraries count the same confident disagreements, but for rows that tie."""
    from cleanlab.count import compute_confident_joint

    joint = confident.survey(noisy_set.labels, np.ascontiguousarray(noisy_set.pred_probs, np.float32))[0].joint
    known = compute_confident_joint(noisy_set.labels, noisy_set.pred_probs, calibrate=False).T
    off = ~np.eye(len(joint), dtype=bool)
    differ = np.abs(joint - known)[off].sum() / max(20, known[off].sum())
    allowed = (
        0.05 if len(noisy_set.labels) > 10_000 else 0.5
    )  # of small tables many rows tie, e.g. votes of 15 neighbours
    assert differ <= allowed, (
        f"{noisy_set.table}, {noisy_set.noise}, {noisy_set.model}: the confident joints differ by {differ:.1%}"
    )


def mean(results: list[Result], key: str) -> float:
    return float(np.mean([result[key] for result in results if key in result]))


def best(results: list[Result], metric: str, names: Iterable[str]) -> float:
    return max(mean(results, f"{metric} {name}") for name in names)


def compare(title: str, families: dict[str, list[Result]]) -> None:
    """Means by family: ours / cleanlab's default / its best in hindsight."""
    table = Table(
        "family", "sets", "AUROC", "AUPRC", "F1 of flags", title=f"{title}: ours / default / best in hindsight"
    )
    for name, results in families.items():
        cells = [name, str(len(results))]
        for metric, names, default in (
            ("AUROC", SCORES, DEFAULT_SCORE),
            ("AUPRC", SCORES, DEFAULT_SCORE),
            ("F1", FILTERS, DEFAULT_FILTER),
        ):
            ours, theirs = mean(results, f"{metric} ours"), mean(results, f"{metric} {default}")
            mark = "" if ours >= theirs else " (below)"
            cells.append(f"{ours:.4f} / {theirs:.4f} / {best(results, metric, names):.4f}{mark}")
        table.add_row(*cells)
    Console(width=130).print(table)


def public() -> None:
    if not public_data.present():
        print(f"the public data are not at {public_data.FOLDER}; set LABELAUDIT_DATA")
        return
    families: dict[str, list[Result]] = {}
    means: dict[str, list[Result]] = {}
    for name, (labels, pred_probs, wrong) in public_data.label_noise().items():
        data, model = name.split("__")
        result = measured(NoisySet(data, "public", model, labels, pred_probs, wrong))
        families[name] = [result]
        means.setdefault(f"mean of {data}", []).append(result)
    compare("public labels", families | means)


def small() -> None:
    """The small tables by noise, model and table; where single sets are behind; flags of clean tables."""
    sets = list(suite())
    results = [measured(noisy_set) for noisy_set in sets]
    noisy = [(noisy_set, result) for noisy_set, result in zip(sets, results, strict=True) if noisy_set.wrong.any()]
    compare("all small tables", {"all": [result for _, result in noisy]})
    for by in ("noise", "model", "table"):
        names = dict.fromkeys(getattr(noisy_set, by) for noisy_set, _ in noisy)
        compare(
            f"by {by}",
            {name: [result for noisy_set, result in noisy if getattr(noisy_set, by) == name] for name in names},
        )
    for metric, margin in (("AUROC", 0.002), ("AUPRC", 0.01)):
        losses = np.array([result[f"{metric} ours"] - result[f"{metric} {DEFAULT_SCORE}"] for _, result in noisy])
        worst = noisy[int(losses.argmin())][0]
        print(
            f"{metric}: {(losses < -margin).sum()} of {len(losses)} single sets more than {margin} below the default,"
            f" {(losses > margin).sum()} more than that above; worst {losses.min():.4f}"
            f" ({worst.table}, {worst.noise}, {worst.model}, {len(worst.labels)} rows)"
        )
    clean = [result for noisy_set, result in zip(sets, results, strict=True) if noisy_set.noise == "none"]
    ours, theirs = mean(clean, "flagged ours"), mean(clean, f"flagged {DEFAULT_FILTER}")
    print(f"share flagged on {len(clean)} sets without a wrong label: ours {ours:.3f}, cleanlab {theirs:.3f}")
    evidence(sets)


def evidence(sets: list[NoisySet]) -> None:
    """All models of a table together: ours beside cleanlab's ensemble and our best single model in hindsight."""
    from cleanlab.rank import get_label_quality_ensemble_scores

    cells: dict[tuple[str, str], list[NoisySet]] = {}
    for noisy_set in sets:
        if noisy_set.wrong.any():
            cells.setdefault((noisy_set.table, noisy_set.noise), []).append(noisy_set)
    rows: dict[str, list[tuple[float, float]]] = {}
    for members in cells.values():
        labels, wrong, models = members[0].labels, members[0].wrong, [member.pred_probs for member in members]
        quality = {
            member.model: labelaudit.find_label_errors(labels, member.pred_probs).label_quality for member in members
        }
        quality["ours, all five"] = labelaudit.find_label_errors(labels, models).label_quality
        quality["cleanlab's ensemble"] = get_label_quality_ensemble_scores(labels, models, verbose=False)
        for name, score in quality.items():
            rows.setdefault(name, []).append((roc_auc_score(wrong, -score), average_precision_score(wrong, -score)))
    table = Table("evidence", "AUROC", "AUPRC", title=f"several models, {len(cells)} tables")
    for name, pairs in rows.items():
        table.add_row(name, *(f"{value:.4f}" for value in np.mean(pairs, 0)))
    Console(width=110).print(table)


def canaries() -> None:
    """Recall and precision as a run reports them, and as they are."""
    from labelaudit.detectors import classification

    table = Table("set", "recall", "told", "precision", "told", title="canaries")
    for name, (labels, pred_probs, wrong) in public_data.label_noise().items() if public_data.present() else ():
        items = np.char.zfill(np.arange(len(labels)).astype(str), 7)
        made = classification.detect(items, None, labels, pred_probs, pred_probs.shape[1])
        add_canaries(table, name, made.is_issue, wrong, made.canaries)
    for name in ("cifar10n", "product-match") if public_data.present() else ():
        data = public_data.delivered(name)
        items, people, given = (data.labels[column].to_numpy(str) for column in ("item_id", "annotator_id", "label"))
        truth, pred_probs, classes = data.truth.loc[items].to_numpy(str), None, sorted(set(given))
        if data.predictions is not None:
            by_item = data.predictions.set_index("item_id").loc[np.unique(items)]
            classes, pred_probs = list(by_item.columns), by_item.to_numpy()
        labels = np.array([classes.index(label) for label in given])
        made = classification.detect(items, people, labels, pred_probs, len(classes))
        add_canaries(table, f"{name}, annotations", made.annotation_is_issue, given != truth, made.canaries)
    Console(width=110).print(table)


def add_canaries(table: Table, name: str, flagged: np.ndarray, wrong: np.ndarray, told: Any) -> None:
    right = (flagged & wrong).sum()
    cells = (right / wrong.sum(), told.recall, right / flagged.sum(), told.precision)
    table.add_row(name, *(f"{value:.3f}" for value in cells))


def speed() -> None:
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    table = Table("rows", "classes", "ours, ms", "cleanlab, ms", "ratio", "asked", title="speed, float32, both warm")
    for (rows, classes), target in zip(SIZES, TARGETS, strict=True):
        labels, pred_probs = simulated(rows, classes)
        seconds, ours = best_time(lambda y=labels, p=pred_probs: labelaudit.find_label_errors(y, p))
        their_seconds, theirs = best_time(
            lambda y=labels, p=pred_probs: (find_label_issues(y, p, n_jobs=1), get_label_quality_scores(y, p))
        )
        agree = (ours.is_issue == theirs[0]).mean()
        assert agree > 0.97, f"{rows} x {classes}: flags agree on {agree:.1%} of the rows only"
        row = (f"{rows:,}", f"{classes:,}", f"{1000 * seconds:.0f}", f"{1000 * their_seconds:.0f}")
        table.add_row(*row, f"{their_seconds / seconds:.1f} x", f"{target} x")
    Console(width=110).print(table)


PARTS = {"public": public, "small": small, "canaries": canaries, "speed": speed}

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()
