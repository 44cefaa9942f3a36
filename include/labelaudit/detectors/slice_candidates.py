"""Slices that might be weak, proposed from one half of the rows: rules of a shallow tree, or clusters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

DEPTH, CATEGORIES, TERMS, EXEMPLARS, MOST_TERMS = 3, 30, 4, 5, 50
LEAST_ROWS = 20
"""Rows of the proposing half that a slice must have: with fewer, the other half can't confirm it."""

LEAST_SCORE, LONGER = 1.5, 0.5
"""Standard errors above the mean that a candidate needs, and each further condition costs: few tests, short rules."""


@dataclass(frozen=True)
class Candidate:
    """member (n,) bool over all rows; rule in words; exemplars: row indices."""

    member: np.ndarray
    rule: str
    exemplars: tuple[int, ...]


def rules(table: np.ndarray, names: Sequence[str], values: np.ndarray, half: np.ndarray, most: int) -> list[Candidate]:
    """Nodes of a regression tree of depth 3 over the columns of table (n, d) object, grown on `half` of the rows."""
    from sklearn.tree import DecisionTreeRegressor

    columns, words = _columns(table, names, half)
    least = max(LEAST_ROWS, half.sum() // 100)
    tree = DecisionTreeRegressor(max_depth=DEPTH, min_samples_leaf=least, random_state=0)
    tree.fit(columns[half], values[half])
    paths = tree.decision_path(columns).toarray().astype(bool)
    leaves = [(paths[:, node], _rule(path, words)) for node, path in _paths(tree.tree_) if path]
    return [
        Candidate(member, rule, tuple(map(int, np.flatnonzero(member)[:EXEMPLARS])))
        for member, rule in _best(leaves, values, half, most)
    ]


def clusters(rows: np.ndarray, values: np.ndarray, half: np.ndarray, most: int, seed: int) -> list[Candidate]:
    """Clusters of rows (n, d); each is named by its exemplars, the rows nearest to its centre."""
    candidates = [
        (member, f"rows are like row {', '.join(map(str, near[:3]))}", near)
        for member, near in _members(np.asarray(rows, np.float32), half, seed)
    ]
    return [Candidate(*candidate) for candidate in _best(candidates, values, half, most)]


def text_clusters(texts: list[str], values: np.ndarray, half: np.ndarray, most: int, seed: int) -> list[Candidate]:
    """Texts with a word in common, and clusters (words reduced to 50 directions) named by their typical terms."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(sublinear_tf=True, min_df=2, max_df=0.5, max_features=20_000, stop_words="english")
    try:
        weights = vectorizer.fit_transform(texts)
    except ValueError:
        # no word is in two texts: there is nothing to cluster by
        return []
    if weights.shape[1] < 3:
        return []
    reduced = TruncatedSVD(min(50, weights.shape[1] - 1), random_state=seed).fit_transform(weights)
    length = np.linalg.norm(reduced, axis=1, keepdims=True)
    terms = vectorizer.get_feature_names_out()
    overall = np.asarray(weights.mean(0)).ravel()
    scaled = (reduced / np.where(length > 0, length, 1)).astype(np.float32)
    candidates = [(*cluster, "") for cluster in _members(scaled, half, seed)] + _terms(weights, terms, values, half)
    out = []
    for member, near, term in _best(candidates, values, half, most):
        if term:
            out.append(Candidate(member, f"the text says {term!r}", near))
            continue
        excess = np.asarray(weights[member].mean(0)).ravel() - overall
        typical = [str(terms[term]) for term in np.argsort(-excess, kind="stable")[:TERMS] if excess[term] > 0]
        out.append(Candidate(member, f"the text is about {', '.join(typical)}", near))
    return out


def _terms(weights, terms, values: np.ndarray, half: np.ndarray) -> list[tuple]:
    """The texts that hold a word, for the words that stand out most on the proposing half."""
    present = weights[half].astype(bool).astype(np.float64)
    count = np.asarray(present.sum(0)).ravel()
    score = (present.T @ (values[half] - values[half].mean())) / np.sqrt(np.maximum(count, 1))
    score[count < LEAST_ROWS] = -np.inf
    members = []
    for term in np.argsort(-score, kind="stable")[:MOST_TERMS]:
        member = weights[:, [term]].toarray().ravel() > 0
        members.append((member, tuple(map(int, np.flatnonzero(member)[:EXEMPLARS])), str(terms[term])))
    return members


def _best(candidates: list[tuple], values: np.ndarray, half: np.ndarray, most: int) -> list[tuple]:
    """The candidates that stand out most on the proposing half, none overlapping another."""
    mean, spread = values[half].mean(), max(values[half].std(), 1e-12)
    scored = []
    for place, candidate in enumerate(candidates):
        inside = candidate[0] & half
        count = inside.sum()
        if count >= LEAST_ROWS and count <= half.sum() / 2:
            longer = LONGER * candidate[1].count(" and ") if isinstance(candidate[1], str) else 0.0
            scored.append(((values[inside].mean() - mean) * np.sqrt(count) / spread - longer, place))
    taken, kept = np.zeros(len(values), bool), []
    for score, place in sorted(scored, key=lambda pair: (-pair[0], pair[1])):
        if score > LEAST_SCORE and len(kept) < most and not (taken & candidates[place][0]).any():
            kept.append(candidates[place])
            taken |= candidates[place][0]
    return kept


def _members(rows: np.ndarray, half: np.ndarray, seed: int) -> list[tuple[np.ndarray, tuple[int, ...]]]:
    """Clusters of several sizes as (member (n,) bool, exemplars): small cells, and what Ward's method joins them to.

    Cells come from all rows: they know nothing of the values.
    """
    from scipy.cluster.hierarchy import linkage
    from sklearn.cluster import MiniBatchKMeans

    count = int(np.clip(half.sum() // 30, 2, 64))
    fitted = MiniBatchKMeans(count, n_init=3, batch_size=2_048, random_state=seed).fit(rows)
    used, cell = np.unique(fitted.labels_, return_inverse=True)
    nodes = [np.array([item]) for item in range(len(used))]
    if len(used) > 1:
        for left, right, _, _ in linkage(fitted.cluster_centers_[used], "ward"):
            nodes.append(np.concatenate([nodes[int(left)], nodes[int(right)]]))
    members = []
    for cells in nodes:
        member = np.isin(cell, cells)
        inside = np.flatnonzero(member)
        apart = np.linalg.norm(rows[inside] - rows[inside].mean(0), axis=1)
        members.append((member, tuple(map(int, inside[np.argsort(apart, kind="stable")[:EXEMPLARS]]))))
    return members


def _columns(table: np.ndarray, names: Sequence[str], half: np.ndarray) -> tuple[np.ndarray, list[tuple[str, str]]]:
    """Numbers as they are, categories as one column a value, missing as a column: float32 (n, D) and (name, value)."""
    out, words = [], []
    for place, name in enumerate(names):
        column = table[:, place]
        missing = np.array([value is None or value != value for value in column])
        if all(isinstance(value, int | float | np.number | np.bool_) for value in column[~missing]):
            numbers = np.array([0.0 if gone else float(value) for value, gone in zip(column, missing, strict=True)])
            numbers[missing] = np.median(numbers[~missing]) if not missing.all() else 0.0
            out.append(numbers)
            words.append((name, ""))
        else:
            texts = np.array(["" if gone else str(value) for value, gone in zip(column, missing, strict=True)])
            known, counts = np.unique(texts[half & ~missing], return_counts=True)
            for value in known[np.argsort(-counts, kind="stable")[:CATEGORIES]]:
                out.append(((texts == value) & ~missing).astype(float))
                words.append((name, f"is {str(value)!r}"))
        if missing.any():
            out.append(missing.astype(float))
            words.append((name, "is missing"))
    return np.stack(out, 1).astype(np.float32), words


def _paths(tree) -> list[tuple[int, list[tuple[int, bool, float]]]]:
    """Every node with its conditions (column, above, threshold)."""
    leaves, waiting = [], [(0, [])]
    while waiting:
        node, path = waiting.pop()
        leaves.append((node, path))
        if tree.children_left[node] >= 0:
            column, threshold = int(tree.feature[node]), float(tree.threshold[node])
            waiting.append((int(tree.children_right[node]), [*path, (column, True, threshold)]))
            waiting.append((int(tree.children_left[node]), [*path, (column, False, threshold)]))
    return leaves


def _rule(path: list[tuple[int, bool, float]], words: list[tuple[str, str]]) -> str:
    """Conditions in words; of two bounds on the same side of a column only the tighter."""
    bounds: dict[tuple[int, bool], float] = {}
    for column, above, threshold in path:
        known = bounds.get((column, above), threshold)
        bounds[column, above] = max(known, threshold) if above else min(known, threshold)
    said = []
    for (column, above), threshold in bounds.items():
        name, value = words[column]
        if value:
            said.append(f"{name} {value if above else value.replace('is ', 'is not ', 1)}")
        else:
            said.append(f"{name} {'>' if above else '<='} {threshold:.4g}")
    return " and ".join(said)
