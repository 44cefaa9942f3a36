"""The k nearest neighbours of every row among the other rows, of a dense float32 matrix.

Up to EXACT_ROWS rows the search is exact: scikit-learn's ArgKmin (chunked products in float64 with a heap a row; as
fast here as a bare float32 product, and faster than faiss' flat index), block by block. Beyond, rows are put into
cells about the centres of a k-means of a sample, and each row is searched among the rows of the PROBES cells that are
nearest to it (the inverted file of Sivic and Zisserman, ICCV 2003). What is found there is ordered exactly; neighbours
in farther cells are missed. Recall of 10 neighbours, measured: .98 for 100,000 rows in 2,000 clusters in 64
dimensions (benchmarks/dataset.py); for 200,000 rows without any cluster .84 in 16 dimensions, .30 in 64.

Distances are computed anew from differences, so copies are at 0 and not at a rounding error; ties go by index.
Cosine is 1 - cos: half the squared distance of the rows scaled to length 1; a row of zeros is at 1 from every other.
"""

from __future__ import annotations

import numpy as np

EXACT_ROWS = 60_000
BLOCK_ROWS = 8_192
SPARE = 4
"""Candidates beyond k: rounding may swap near ties at the border, and ties among them are put in order."""
FEW_ROWS = 2_048
"""Up to so many rows a plain product and a partition do as well as ArgKmin, and better on a busy machine."""
CELL_ROWS, PROBES, SAMPLE_ROWS = 400, 12, 50_000


def nearest(
    rows: np.ndarray, k: int, metric: str = "euclidean", exact_rows: int = EXACT_ROWS, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """(indices (n, k) int64, distances (n, k) float64), nearest first; a row is no neighbour of itself.

    rows (n, d) finite; 1 <= k < n; metric "euclidean" or "cosine". Same input, same bits.

    >>> indices, distances = nearest(np.array([[0.0], [1.0], [3.0]]), 1)
    >>> indices.ravel().tolist(), distances.ravel().tolist()
    ([1, 0, 1], [1.0, 1.0, 2.0])
    """
    rows = np.ascontiguousarray(rows, np.float32)
    if metric == "cosine":
        length = np.linalg.norm(rows, axis=1, keepdims=True)
        rows = rows / np.where(length > 0, length, 1)
    wanted = min(len(rows), k + 1 + SPARE)
    exact = len(rows) <= exact_rows
    candidates = None if exact else _by_cells(rows, wanted, seed)
    indices, distances = np.empty((len(rows), k), np.int64), np.empty((len(rows), k))
    for start in range(0, len(rows), BLOCK_ROWS):
        queries = np.arange(start, min(start + BLOCK_ROWS, len(rows)))
        closest = _closest(rows[queries], rows, wanted)[0] if exact else candidates[queries]
        indices[queries], distances[queries] = _ordered(rows, queries, closest, k, exact)
    if metric == "cosine":
        empty = ~rows.any(1)
        distances = distances**2 / 2
        distances[empty[indices] | empty[:, None]] = 1.0
        distances[empty[indices] & empty[:, None]] = 0.0
    return indices, distances


def _by_cells(rows: np.ndarray, wanted: int, seed: int) -> np.ndarray:
    """Candidates (n, wanted) of every row from the PROBES cells whose centres are nearest to it; -1: too few there."""
    centres = _centres(rows, seed)
    probes = min(PROBES, len(centres))
    cells = np.empty((len(rows), probes), np.int32)
    for start in range(0, len(rows), BLOCK_ROWS):
        near, apart = _closest(rows[start : start + BLOCK_ROWS], centres, probes)
        cells[start : start + BLOCK_ROWS] = np.take_along_axis(near, np.argsort(apart, axis=1, kind="stable"), 1)
    asked = np.argsort(cells.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(cells.ravel(), minlength=len(centres)))
    members = np.split(np.argsort(cells[:, 0], kind="stable"), np.cumsum(np.bincount(cells[:, 0], minlength=len(ends))))
    best = np.full((len(rows), wanted), -1, np.int32)
    far = np.full((len(rows), wanted), np.inf, np.float32)
    for cell, mine in enumerate(members[:-1]):
        if not len(mine):
            continue
        queries = asked[ends[cell - 1] if cell else 0 : ends[cell]] // probes
        for start in range(0, len(queries), BLOCK_ROWS):
            part = queries[start : start + BLOCK_ROWS]
            closest, distances = _closest(rows[part], rows[mine], min(wanted, len(mine)))
            both = np.concatenate([best[part], mine[closest].astype(np.int32)], 1)
            apart = np.concatenate([far[part], distances.astype(np.float32)], 1)
            keep = np.argpartition(apart, wanted - 1, axis=1)[:, :wanted]
            best[part], far[part] = np.take_along_axis(both, keep, 1), np.take_along_axis(apart, keep, 1)
    return best


def _centres(rows: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.cluster import MiniBatchKMeans

    rng = np.random.default_rng(seed)
    drawn = rows[np.sort(rng.choice(len(rows), min(len(rows), SAMPLE_ROWS), replace=False))]
    count = max(2, min(len(rows) // CELL_ROWS, len(drawn)))
    fitted = MiniBatchKMeans(count, init="random", n_init=1, max_iter=10, batch_size=4_096, random_state=seed)
    return np.unique(fitted.fit(drawn).cluster_centers_.astype(np.float32), axis=0)


def _closest(queries: np.ndarray, among: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Places in `among` (q, k) and distances (q, k), to within rounding, in any order."""
    from sklearn.neighbors import NearestNeighbors

    if max(len(queries), len(among)) > FEW_ROWS:
        distances, indices = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(among).kneighbors(queries)
        return indices, distances
    # ArgKmin's threads wait for each other: where there is little to do, on a busy machine, much longer than this takes
    queries, among = queries.astype(np.float64), among.astype(np.float64)
    squares = np.einsum("ad,ad->a", among, among) - 2 * (queries @ among.T)
    indices = np.argpartition(squares, k - 1, axis=1)[:, :k]
    own = np.einsum("qd,qd->q", queries, queries)[:, None]
    return indices, np.sqrt(np.maximum(np.take_along_axis(squares, indices, 1) + own, 0))


def _ordered(rows: np.ndarray, queries: np.ndarray, candidates: np.ndarray, k: int, exact: bool):
    """The k nearest of the candidates found (q, c), by exact distance and index: (indices, distances) (q, k)."""
    distances = _distances(rows, queries, candidates)
    distances[(candidates == queries[:, None]) | (candidates < 0)] = np.inf
    order = np.lexsort((candidates, distances))
    candidates, distances = np.take_along_axis(candidates, order, 1), np.take_along_axis(distances, order, 1)
    poor = ~np.isfinite(distances[:, k - 1])
    if exact and candidates.shape[1] > k + 1 and candidates.shape[1] < len(rows):
        # where even the last candidate ties with the k-th, equally near rows of a lower index may be missing
        poor |= distances[:, candidates.shape[1] - 2] <= distances[:, k - 1]
    for place in np.flatnonzero(poor):
        candidates[place, :k], distances[place, :k] = _row(rows, queries[place], k)
    return candidates[:, :k], distances[:, :k]


def _row(rows: np.ndarray, query: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """One row, by its distances to all others."""
    distances = np.concatenate(
        [
            np.sqrt(((rows[start : start + BLOCK_ROWS].astype(np.float64) - rows[query]) ** 2).sum(1))
            for start in range(0, len(rows), BLOCK_ROWS)
        ]
    )
    distances[query] = np.inf
    within = np.flatnonzero(distances <= np.partition(distances, k - 1)[k - 1])
    best = within[np.argsort(distances[within], kind="stable")][:k]
    return best, distances[best]


def _distances(rows: np.ndarray, queries: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Euclidean distances (q, c) of queries (q,) to found (q, c), column by column: bounded memory, no cancellation."""
    out = np.empty(candidates.shape)
    own = rows[queries].astype(np.float64)
    for column in range(candidates.shape[1]):
        difference = rows[candidates[:, column]] - own
        out[:, column] = np.sqrt(np.einsum("qd,qd->q", difference, difference))
    return out
