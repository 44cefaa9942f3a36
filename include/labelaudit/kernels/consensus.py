"""Several annotators: hierarchical Dawid-Skene, with a classifier's predictions as one more piece of evidence.

Notation: item i, annotator a, class k, label y_ia; predicted probabilities P (n, K).

    r_ik  ~  softmax_k( lam log P_ik + g sum_a log A_a[k, y_ia] + (1 - lam) log pi_k )       (E)
    A_a    =  (N_a + s Pool) / (N_a. + s),   N_a[k, l] = sum over a's labels l of r_ik        (M)

Dawid and Skene, "Maximum likelihood estimation of observer error-rates", Applied Statistics 28 (1979). It deviates: A_a
is shrunk to the pool of all annotators, s by marginal likelihood; g < 1 discounts annotators that err together; lam and
g are chosen by how well they predict each label from the other labels of its item.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from labelaudit.kernels.shrinkage import concentration

MAX_ITERATIONS = 60
TOLERANCE = 1e-4
GRID_ROWS = 15_000
"""Labels on which lam and g are chosen: enough to tell the grid's cells apart."""
LAMBDAS = (0.2, 0.35, 0.5, 0.7, 0.85, 1.0, 1.25, 1.5)
GAMMAS = (0.4, 0.6, 0.8, 1.0)


@dataclass(frozen=True)
class Votes:
    """Labels as codes: items, annotators, labels (m,) int; and as sparse counts (n, A * K), in column a * K + l."""

    items: np.ndarray
    annotators: np.ndarray
    labels: np.ndarray
    matrix: sp.csr_array
    classes: int

    @property
    def columns(self) -> np.ndarray:
        return self.annotators * self.classes + self.labels


@dataclass(frozen=True)
class Fit:
    """posterior r (n, K); confusion A (A, K, K) as [annotator, true, given]; prior pi (K,); pool (K, K)."""

    posterior: np.ndarray
    confusion: np.ndarray
    prior: np.ndarray
    pool: np.ndarray
    strength: float
    lam: float
    g: float


def votes(items: np.ndarray, annotators: np.ndarray, labels: np.ndarray, n_items: int, classes: int) -> Votes:
    """Votes from codes counted from 0; a label given twice by one annotator to one item counts twice."""
    width = (int(annotators.max()) + 1) * classes
    columns = annotators.astype(np.int64) * classes + labels
    matrix = sp.coo_array((np.ones(len(items)), (items, columns)), shape=(n_items, width)).tocsr()
    return Votes(items, annotators, labels, matrix, classes)


def majority(cast: Votes, pred_probs: np.ndarray | None = None) -> np.ndarray:
    """Each item's most frequent label, (n,); ties go to the likelier class, then to the first."""
    counts = vote_counts(cast)
    if pred_probs is not None:
        counts = counts + 0.5 * pred_probs
    return counts.argmax(1)


def vote_counts(cast: Votes) -> np.ndarray:
    """Labels by item and class, (n, K)."""
    flat = cast.items.astype(np.int64) * cast.classes + cast.labels
    return np.bincount(flat, minlength=cast.matrix.shape[0] * cast.classes).reshape(-1, cast.classes).astype(float)


def fit(cast: Votes, pred_probs: np.ndarray | None = None) -> Fit:
    """The posterior of each item's class, and each annotator's confusion matrix."""
    counts = vote_counts(cast)
    log_p = None if pred_probs is None else np.log(np.maximum(pred_probs, 1e-6, dtype=np.float64))
    start = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    if log_p is not None:
        start = 0.5 * start + 0.5 * pred_probs
    lam = 0.0 if log_p is None else 0.5
    state = _maximise(cast, start, Fit(start, np.empty(0), np.empty(0), np.empty(0), 0.0, lam, 1.0))
    rounds = 1 if log_p is None else 3
    for _ in range(rounds):
        if log_p is not None:
            state = _weigh(cast, log_p, state)
        state = _converge(cast, log_p, state)
    return state


def _converge(cast: Votes, log_p: np.ndarray | None, state: Fit) -> Fit:
    for _ in range(MAX_ITERATIONS):
        before = state.posterior
        posterior = _softmax(_evidence(cast, log_p, state))
        state = _maximise(cast, posterior, state)
        if np.abs(posterior - before).max() < TOLERANCE:
            break
    return state


def _maximise(cast: Votes, posterior: np.ndarray, state: Fit) -> Fit:
    """The M step: prior, pool and every annotator's confusion matrix from the posterior."""
    classes = cast.classes
    counts = (cast.matrix.T @ posterior).reshape(-1, classes, classes).transpose(0, 2, 1)
    pool = counts.sum(0) + 0.01
    pool /= pool.sum(1, keepdims=True)
    rows = counts.reshape(-1, classes)
    strength = concentration(rows, np.tile(pool, (len(counts), 1)))
    confusion = (counts + strength * pool) / (counts.sum(2, keepdims=True) + strength)
    prior = (posterior.sum(0) + 1) / (len(posterior) + classes)
    return replace(state, posterior=posterior, confusion=confusion, prior=prior, pool=pool, strength=strength)


def _evidence(cast: Votes, log_p: np.ndarray | None, state: Fit) -> np.ndarray:
    """The exponent of (E), (n, K)."""
    labels = cast.matrix @ _by_column(np.log(state.confusion))
    out = state.g * labels + (1 - state.lam) * np.log(state.prior)
    return out if log_p is None else out + state.lam * log_p


def _by_column(confusion: np.ndarray) -> np.ndarray:
    """(A, K true, K given) as (A * K given, K true): the row of one annotator's label."""
    return confusion.transpose(0, 2, 1).reshape(-1, confusion.shape[1])


def _weigh(cast: Votes, log_p: np.ndarray, state: Fit) -> Fit:
    """lam and g of the grid under which each label is best predicted from everything else about its item."""
    rows = np.arange(len(cast.items))
    if len(rows) > GRID_ROWS:
        rows = rows[:: -(-len(rows) // GRID_ROWS)]
    items, columns = cast.items[rows], cast.columns[rows]
    # classes first: numpy then adds and compares whole vectors of rows, several times faster than row by row
    own = np.ascontiguousarray(_by_column(state.confusion)[columns].T)
    others = np.ascontiguousarray((cast.matrix @ _by_column(np.log(state.confusion)))[items].T) - np.log(own)
    evidence = np.ascontiguousarray(log_p[items].T)
    log_prior = np.log(state.prior)[:, None]

    def likelihood(lam: float, g: float) -> float:
        exponent = lam * evidence + g * others + (1 - lam) * log_prior
        belief = np.exp(exponent - exponent.max(0))
        return float(np.log((belief * own).sum(0) / belief.sum(0)).mean())

    lam, g = max(((lam, g) for lam in LAMBDAS for g in GAMMAS), key=lambda pair: likelihood(*pair))
    return replace(state, lam=lam, g=g)


def _softmax(exponent: np.ndarray) -> np.ndarray:
    columns = exponent.T.copy()
    columns -= columns.max(0)
    np.exp(columns, out=columns)
    columns /= columns.sum(0)
    return np.ascontiguousarray(columns.T)


def annotator_quality(cast: Votes, state: Fit) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probability that a label of the annotator is right (A,), labels given (A,), and the weight of the pool's prior.

    (sum_i r_{i, y_ia} + s pi . diag Pool) / (n_a + s): an annotator of few labels is near the pool's mean.
    """
    right = state.posterior[cast.items, cast.labels]
    total = np.bincount(cast.annotators, weights=right, minlength=len(state.confusion))
    given = np.bincount(cast.annotators, minlength=len(state.confusion))
    expected = float(state.prior @ np.diag(state.pool))
    return (total + state.strength * expected) / (given + state.strength), given, np.full(len(given), state.strength)
