"""The dataset: copies, outliers, overlapping classes, weak slices, what to label next. Ours beside cleanlab's.

    python -m benchmarks.dataset [--large]

Both see the same arrays in one process. Texts are docstrings of the installed packages; cleanlab gets them as TF-IDF of
character n-grams in 64 directions. What both mean alike must agree: exact copies, and the most overlapping pair.
--large searches a million rows. Slices, next labels and second opinions have no peer there: see advice.py.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from benchmarks import advice, public_data
from labelaudit import demo
from labelaudit.detectors.duplicates import find_duplicates
from labelaudit.detectors.outliers import find_outliers
from labelaudit.detectors.overlap import find_overlapping_classes
from labelaudit.kernels import neighbours

GERMAN = """Der Wagen fährt schnell über die Brücke und der Fahrer sieht dabei auf die Straße hinaus.
Wir haben gestern Abend im Garten gesessen und lange über den Sommer gesprochen.
Die Rechnung muss bis zum Ende des Monats bezahlt werden, sonst fallen Gebühren an.
Kinder spielen im Park, während ihre Eltern auf der Bank sitzen und Zeitung lesen.
Nach dem Regen roch die Luft frisch, und überall glänzten kleine Pfützen auf dem Weg.
Der Zug nach Hamburg hat heute wieder eine halbe Stunde Verspätung gehabt."""


def timed(call: Callable[[], Any], repeats: int = 3) -> tuple[float, Any]:
    """The shortest of several runs, in seconds, and what was returned."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        result = call()
        times.append(time.perf_counter() - started)
    return min(times), result


def texts() -> list[str]:
    """Docstrings, each content once."""
    texts = {" ".join(text.split()).casefold(): text for package in demo.PACKAGES for text in demo._paragraphs(package)}
    return list(texts.values())


def embedded(those: list[str]) -> np.ndarray:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    weights = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(2, 4), max_features=30_000, sublinear_tf=True
    ).fit_transform(those)
    return TruncatedSVD(64, random_state=0).fit_transform(weights).astype(np.float32)


def matrices() -> dict[str, np.ndarray]:
    sets = {"digits": load_digits().data}
    for name, load in (("breast cancer", load_breast_cancer), ("wine", load_wine)):
        rows = load().data
        sets[name] = (rows - rows.mean(0)) / rows.std(0)
    if public_data.present():
        pred_probs = public_data.label_noise()["cifar10s__resnet18"][1][:10_000].astype(np.float64)
        sets |= {"probabilities": pred_probs, "log probabilities": np.log(pred_probs + 1e-6)}
    return {name: rows.astype(np.float32) for name, rows in sets.items()}


def their_duplicates(rows: np.ndarray) -> list[np.ndarray]:
    """The sets of Datalab's near_duplicate check with its defaults (without `datasets`, Datalab itself can't start)."""
    from cleanlab.datalab.internal.issue_manager.duplicate import NearDuplicateIssueManager
    from cleanlab.internal.neighbor.knn_graph import create_knn_graph_and_index

    graph, _ = create_knn_graph_and_index(rows, n_neighbors=10)
    median = max(np.median(graph.data.reshape(len(rows), -1)[:, 0]), np.finfo(np.float64).eps)
    return NearDuplicateIssueManager._neighbors_within_radius(graph, 0.13, median)


def duplicates() -> Table:
    """A twentieth of the rows copied, moved by a share of the typical nearest distance; 0 is exact. 200 exact more."""
    table = Table(
        "data", "moved by", "recall: ours", "cleanlab", "false rows: ours", "cleanlab", "ms", "cleanlab", "ratio"
    )
    for name, clean in matrices().items():
        rng = np.random.default_rng(0)
        typical = np.median(neighbours.nearest(np.unique(clean, axis=0), 1)[1])
        for moved in (0.0, 0.05, 0.2, 0.3):
            source = rng.choice(len(clean), len(clean) // 20, replace=False)
            shift = rng.normal(size=(len(source), clean.shape[1]))
            shift *= moved * typical / np.linalg.norm(shift, axis=1, keepdims=True)
            rows = np.concatenate([clean, clean[source] + shift]).astype(np.float32)
            seconds, ours = timed(lambda rows=rows: find_duplicates(rows))
            their_seconds, theirs = timed(lambda rows=rows: their_duplicates(rows))
            copies = np.arange(len(clean), len(rows))
            recall = (ours.group[copies] == ours.group[source]) & (ours.group[copies] >= 0)
            their_recall = [place in theirs[other] for place, other in zip(copies, source, strict=True)]
            flagged, their_flagged = ours.group >= 0, np.array([len(neighbours) > 0 for neighbours in theirs])
            exact = ours.kind == "exact"
            assert their_flagged[exact].all(), f"{name}: an exact copy that cleanlab does not see"
            assert moved or recall.all(), f"{name}: an exact copy was not found"
            innocent = np.setdiff1d(np.arange(len(clean)), source)
            table.add_row(
                name if not moved else "",
                f"{moved:.2f}",
                f"{recall.mean():.3f}",
                f"{np.mean(their_recall):.3f}",
                str(int((flagged & ~exact)[innocent].sum())),
                str(int((their_flagged & ~exact)[innocent].sum())),
                f"{1000 * seconds:.0f}",
                f"{1000 * their_seconds:.0f}",
                f"{their_seconds / seconds:.1f} x",
            )
    return table


def edits(text: str, kind: str, rng: np.random.Generator) -> str:
    words = text.split()
    if kind == "two typos":
        for _ in range(2):
            place = int(rng.integers(len(text)))
            text = text[:place] + "x" + text[place + 1 :]
        return text
    if kind == "words replaced":
        for _ in range(max(1, len(words) // 12)):
            words[int(rng.integers(len(words)))] = "replaced"
        return " ".join(words)
    if kind == "cut to .8":
        return " ".join(words[: max(4, int(len(words) * 0.8))])
    if kind == "sentence added":
        return text + " Please see the note below."
    return " ".join(words[len(words) // 2 :] + words[: len(words) // 2])


def text_duplicates() -> Table:
    kinds = ("two typos", "words replaced", "cut to .8", "sentence added", "halves swapped")
    rng, originals = np.random.default_rng(0), texts()
    source = rng.choice(len(originals), 500, replace=False)
    those = originals + [edits(originals[original], kinds[place % 5], rng) for place, original in enumerate(source)]
    seconds, ours = timed(lambda: find_duplicates(those))
    their_seconds, theirs = timed(lambda: their_duplicates(embedded(those)), 1)
    copies = np.arange(len(originals), len(those))
    same = (ours.group[copies] == ours.group[source]) & (ours.group[copies] >= 0)
    their_same = np.array([place in theirs[other] for place, other in zip(copies, source, strict=True)])
    table = Table("edited texts", "recall: ours", "cleanlab (TF-IDF)", title=f"{len(those):,} texts")
    for place, kind in enumerate(kinds):
        table.add_row(kind, f"{same[place::5].mean():.3f}", f"{their_same[place::5].mean():.3f}")
    grouped = np.isin(np.arange(len(originals)), source, invert=True)
    flagged = (ours.group[: len(originals)] >= 0)[grouped].mean()
    their_flagged = np.array([len(neighbours) > 0 for neighbours in theirs[: len(originals)]])[grouped].mean()
    table.add_row("flagged among the unedited", f"{flagged:.3f}", f"{their_flagged:.3f}")
    table.add_row("seconds", f"{seconds:.2f}", f"{their_seconds:.2f}")
    return table


def planted() -> Iterator[tuple[str, Any, np.ndarray, np.ndarray]]:
    """(name, ours' features, cleanlab's features, planted (n,))."""
    rng, known = np.random.default_rng(0), matrices()
    digits, target = known["digits"], load_digits().target
    strange = {
        "digits + noise": rng.integers(0, 17, (60, 64)),
        "digits + inverted": 16 - digits[:60],
        "digits + shuffled pixels": rng.permuted(digits[:60], axis=1),
        "digits + turned": np.rot90(digits[:60].reshape(-1, 8, 8), axes=(1, 2)).reshape(60, 64),
        "digits + blends": (digits[:60] + digits[60:120]) / 2,
    }
    sets = {name: (digits, rows) for name, rows in strange.items()}
    sets |= {f"digits, few {digit}": (digits[target != digit], digits[target == digit][:30]) for digit in (0, 1, 4, 7)}
    for name in [key for key in known if key != "digits"]:
        rows = known[name][:4_000]
        sets[f"{name} + columns mixed"] = (rows, rng.permuted(rows, axis=0)[:15])
        sets[f"{name} + uniform"] = (rows, rng.uniform(rows.min(0), rows.max(0), (15, rows.shape[1])))
    for name, (clean, odd) in sets.items():
        rows = np.concatenate([clean, odd]).astype(np.float32)
        yield name, rows, rows, np.arange(len(rows)) >= len(clean)
    usual = texts()[::2]
    words = sorted({word for text in usual for word in text.split()})
    letters = list("abcdefghijklmnopqrstuvwxyz")
    odd_texts = {
        "texts + German": GERMAN.splitlines(),
        "texts + random words": [" ".join(rng.choice(words, 20)) for _ in range(30)],
        "texts + random letters": [
            " ".join("".join(rng.choice(letters, rng.integers(2, 9))) for _ in range(15)) for _ in range(30)
        ],
    }
    for name, odd in odd_texts.items():
        yield name, usual + odd, embedded(usual + odd), np.arange(len(usual) + len(odd)) >= len(usual)


def outliers() -> Table:
    from cleanlab.outlier import OutOfDistribution

    table = Table("planted", "AUROC: ours", "cleanlab", "flags: found", "clean flagged", "ms", "cleanlab", "ratio")
    scores = []
    for name, features, rows, odd in planted():
        seconds, ours = timed(lambda features=features: find_outliers(features))
        their_seconds, theirs = timed(lambda rows=rows: OutOfDistribution().fit_score(features=rows, verbose=False))
        scores.append((roc_auc_score(odd, -ours.outlier_quality), roc_auc_score(odd, -theirs)))
        table.add_row(
            name,
            *(f"{score:.3f}" for score in scores[-1]),
            f"{ours.is_outlier[odd].mean():.2f}",
            f"{ours.is_outlier[~odd].mean():.3f}",
            f"{1000 * seconds:.0f}",
            f"{1000 * their_seconds:.0f}",
            f"{their_seconds / seconds:.1f} x",
        )
    mean, their_mean = np.mean(scores, axis=0)
    table.add_row("mean", f"{mean:.3f}", f"{their_mean:.3f}")
    assert mean >= their_mean
    return table


def overlaps() -> Table:
    from cleanlab.dataset import find_overlapping_classes as theirs
    from scipy.stats import spearmanr

    table = Table("data", "first pair: ours", "cleanlab", "rank correlation", "ms", "cleanlab", "with 5 sources")
    for name, (labels, pred_probs, _) in public_data.label_noise().items():
        seconds, ours = timed(lambda y=labels, p=pred_probs: find_overlapping_classes(y, p))
        sources = np.random.default_rng(0).integers(0, 5, len(labels))
        longer, _ = timed(lambda y=labels, p=pred_probs, s=sources: find_overlapping_classes(y, p, s))
        their_seconds, found = timed(lambda y=labels, p=pred_probs: theirs(y, p))
        known = {(int(a), int(b)): int(x) for a, b, x in found.iloc[:, :3].itertuples(index=False)}
        counts = {(pair.a, pair.b): pair.ab + pair.ba for pair in ours}
        first = max(known, key=known.get)
        assert (ours[0].a, ours[0].b) in sorted(known, key=known.get)[-3:], f"{name}: {first}"
        rank = spearmanr([counts.get(pair, 0) for pair in known], list(known.values())).statistic
        table.add_row(
            name,
            f"{ours[0].a}-{ours[0].b}",
            f"{first[0]}-{first[1]}",
            f"{rank:.3f}",
            f"{1000 * seconds:.0f}",
            f"{1000 * their_seconds:.0f}",
            f"{1000 * longer:.0f}",
        )
    return table


def search(rows: int) -> tuple[str, ...]:
    """Clusters in 64 dimensions; the recall of 10 neighbours on 500 rows against all distances."""
    rng = np.random.default_rng(0)
    data = rng.normal(size=(2_000, 64)).astype(np.float32)[rng.integers(0, 2_000, rows)] * np.float32(0.6)
    data += rng.normal(size=(rows, 64)).astype(np.float32) / np.sqrt(1 + np.arange(64), dtype=np.float32)
    seconds, (found, _) = timed(lambda: neighbours.nearest(data, 10), 1)
    asked = rng.choice(rows, 500, replace=False)
    exact = NearestNeighbors(n_neighbors=11, algorithm="brute").fit(data).kneighbors(data[asked])[1][:, 1:]
    recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(exact, found[asked], strict=True)])
    return f"{rows:,} x 64", f"{seconds:.1f}", f"{recall:.4f}"


def main() -> None:
    warnings.simplefilter("ignore")
    console = Console(width=120)
    console.print(duplicates())
    console.print(text_duplicates())
    console.print(outliers())
    if public_data.present():
        console.print(overlaps())
    for table in advice.tables():
        console.print(table)
    table = Table("10 neighbours of", "seconds", "recall")
    for rows in (20_000, 100_000, *([1_000_000] if "--large" in sys.argv else [])):
        table.add_row(*search(rows))
    console.print(table)


if __name__ == "__main__":
    main()
