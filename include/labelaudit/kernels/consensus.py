"""Several annotators: hierarchical Dawid-Skene, with a classifier's predictions as one more piece of evidence.

Notation: item i, annotator a, class k, label y_ia; predicted probabilities P (n, K).

    r_ik  ~  softmax_k( lam log P_ik + g_i sum_a w_ia log A_a[k, y_ia] + (1 - lam) log pi_k )     (E)
    A_a    =  (N_a + s B_a) / (N_a. + s),   N_a[k, l] = sum over a's labels l of r_ik             (M)

Dawid and Skene, "Maximum likelihood estimation of observer error-rates", Applied Statistics 28 (1979). It deviates: A_a
is shrunk to B_a, what few numbers tell of the annotator (annotator_prior), s by marginal likelihood; w discounts labels
copied of each other (dependence). Labels of one item share its errors, which predictions show up: with them, the item's
L_i labels have the weight g_i = 1 / (1 + h (L_i - 1)) each, as in a design effect (Kish, "Survey Sampling", 1965); lam
and h are chosen by how well they foretell each label from the others of its item. Known items (gold) keep r fixed, and
EM starts from them.

Memory: 8 bytes a label, 8 an item and class (the posterior), and 4 more where there are predictions.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from labelaudit.kernels import consensus_rows as compiled
from labelaudit.kernels.annotator_prior import Effects, expected_confusion, pool_of
from labelaudit.kernels.dependence import copying
from labelaudit.kernels.shrinkage import concentration

MAX_ITERATIONS = 60
TOLERANCE = 1e-3
MOST_STRENGTH = 100.0
"""No annotator is believed to be just what B_a says, were it ever so likely."""

SAMPLE_LABELS = 30_000
"""EM runs on so many labels first, where annotators have many each: all of them then only finish it."""

SAMPLE_LABELS_EACH = 2_000
FINISH = 2
"""Iterations over all items then."""

ROUNDS = 3
SHARED_UNTOLD = 0.1
GRID_LABELS = 6_000
"""Labels on which lam and h are chosen: enough to tell the grid's cells apart."""
LAMBDAS = (0.2, 0.35, 0.5, 0.7, 0.85, 1.0, 1.25, 1.5, 2.0)
SHARED = (0.0, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0)
START = 3, 0
"""The cell of the grid from which lam and h climb. Where no item has three labels, h can't be told, and stays 0."""
REST_BESIDE_GOLD = 0.1
"""Weight of all other items, as a share of the gold's, where EM starts from gold."""


@dataclass(frozen=True)
class Votes:
    """Labels sorted by item: those of item i are start[i] to start[i + 1]; people, given (m,) codes int32."""

    start: np.ndarray
    people: np.ndarray
    given: np.ndarray
    annotators: int
    classes: int

    @property
    def items(self) -> int:
        return len(self.start) - 1


@dataclass
class Fit:
    """posterior r (n, K); confusion A (A, K, K) as [annotator, true, given]; prior pi (K,); pool (K, K)."""

    posterior: np.ndarray
    table: np.ndarray
    prior: np.ndarray
    pool: np.ndarray
    effects: Effects
    strength: float = MOST_STRENGTH
    lam: float = 0.0
    shared: float = 0.0
    cell: tuple[int, int] = START
    weights: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    copying: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))

    @property
    def confusion(self) -> np.ndarray:
        return np.ascontiguousarray(np.exp(self.table).transpose(0, 2, 1))


def votes(items: np.ndarray, annotators: np.ndarray, labels: np.ndarray, n_items: int, classes: int) -> Votes:
    """Votes from codes counted from 0; a label given twice by one annotator to one item counts twice."""
    start = np.zeros(n_items + 1, np.int64)
    np.cumsum(np.bincount(items, minlength=n_items), out=start[1:])
    people, given = np.empty((2, len(items)), np.int32)
    compiled.place(items, annotators, labels, start[:-1].copy(), people, given)
    return Votes(start, people, given, int(annotators.max()) + 1, classes)


def majority(counts: np.ndarray, pred_probs: np.ndarray | None = None) -> np.ndarray:
    """Each item's most frequent label, (n,), of its counts (n, K); ties go to the likelier class, then to the first."""
    if pred_probs is None:
        return counts.argmax(1)
    out = np.empty(len(counts), np.int64)
    compiled.most_frequent(counts, pred_probs, out)
    return out


def vote_counts(cast: Votes, weights: np.ndarray | None = None) -> np.ndarray:
    """Labels by item and class, (n, K); of weights (m,), where they are given."""
    counts = np.zeros((cast.items, cast.classes))
    compiled.add_votes(cast.start, cast.given, np.zeros(0, np.float32) if weights is None else weights, counts)
    return counts


def fit(
    cast: Votes, pred_probs: np.ndarray | None = None, gold: np.ndarray | None = None, counts: np.ndarray | None = None
) -> Fit:
    """The posterior of each item's class, and each annotator's confusion matrix.

    pred_probs (n, K); gold (n,) the item's known class, or -1; counts: vote_counts(cast), which become the posterior.
    """
    known = np.full(cast.items, -1) if gold is None else gold
    copied = copying(cast.start, cast.people, cast.given, cast.classes)
    weights = np.zeros(len(cast.given) if len(copied) else 0, np.float32)
    if len(copied):
        compiled.label_weights(cast.start, cast.people, copied, weights)
    posterior = vote_counts(cast, weights) if counts is None or len(copied) else counts
    posterior /= np.maximum(posterior.sum(1, keepdims=True), 1e-9)
    log_p = np.zeros((0, cast.classes), np.float32)
    if pred_probs is not None:
        log_p = np.maximum(pred_probs, 1e-6, dtype=np.float32)
        posterior += log_p
        posterior *= 0.5
        np.log(log_p, out=log_p)
    posterior[known >= 0] = np.eye(cast.classes)[known[known >= 0]]
    shape = (cast.annotators, cast.classes, cast.classes)
    state = Fit(
        posterior,
        np.empty(shape),
        np.empty(0),
        np.empty(0),
        Effects.none(*shape[:2]),
        weights=weights,
        copying=copied,
    )
    _start(cast, known, state)
    chosen = draw(cast.items, len(cast.given), enough(cast.annotators))
    for _ in range(1 if pred_probs is None else ROUNDS):
        if pred_probs is not None:
            _weigh(cast, log_p, state)
        _converge(cast, log_p, known, state, chosen)
    if len(chosen) < cast.items:
        _converge(cast, log_p, known, state, np.arange(cast.items, dtype=np.int32), FINISH)
    return state


def soften(cast: Votes, state: Fit, gold: np.ndarray | None = None) -> None:
    """Make the posterior as sure as it is right, where there were no predictions to tell h by; likeliest classes stay.

    Labels of hard items err together. On product-match the mean posterior exceeds the accuracy by .017 before and .001
    after it; on simulated crowds with items of unequal difficulty by .05 and .02.
    """
    if state.lam == 0:
        known = np.full(cast.items, -1) if gold is None else gold
        compiled.soften(cast.start, known, state.posterior, SHARED_UNTOLD)


def enough(annotators: int) -> int:
    """Labels that tell what the annotators are like."""
    return max(SAMPLE_LABELS, SAMPLE_LABELS_EACH * annotators)


def draw(items: int, labels: int, wanted: int) -> np.ndarray:
    """Items that have about so many of all labels; one of every so many, at no fixed distance: who labels may be
    periodic."""
    step = max(1, labels // wanted)
    block = np.arange(items // step, dtype=np.int64)
    return (block * step + block * 40_503 % step).astype(np.int32)


def _start(cast: Votes, gold: np.ndarray, state: Fit) -> None:
    """The first M step: from gold, where there is some, with little weight on what the others' majority says."""
    counts = np.zeros_like(state.table)
    compiled.add_counts(cast.start, cast.people, cast.given, state.posterior, gold, 0, counts)
    if (gold >= 0).any():
        sure = np.zeros_like(counts)
        compiled.add_counts(cast.start, cast.people, cast.given, state.posterior, gold, 1, sure)
        counts *= min(1.0, REST_BESIDE_GOLD * sure.sum() / max(counts.sum(), 1e-9))
        counts += sure
    maximise(counts, state, state.posterior.sum(0), cast.items, True)


def _converge(
    cast: Votes, log_p: np.ndarray, gold: np.ndarray, state: Fit, chosen: np.ndarray, most=MAX_ITERATIONS
) -> None:
    counts = np.empty_like(state.table)
    for iteration in range(most):
        change = expect(cast, state, state.weights, log_p, gold, chosen, state.posterior, counts)
        mass = state.posterior if len(chosen) == cast.items else state.posterior[chosen]
        maximise(counts, state, mass.sum(0), len(mass), iteration % 5 == 0)
        if change < TOLERANCE:
            break


def expect(
    cast: Votes,
    state: Fit,
    weights: np.ndarray,
    log_p: np.ndarray,
    gold: np.ndarray,
    chosen: np.ndarray,
    posterior: np.ndarray,
    counts: np.ndarray,
) -> float:
    """The E step of the chosen items by state's annotators, prior, lam and h: see consensus_rows.expect."""
    return compiled.expect(
        cast.start,
        cast.people,
        cast.given,
        weights,
        state.table,
        (1 - state.lam) * np.log(state.prior),
        log_p,
        state.lam,
        state.shared,
        gold,
        chosen,
        posterior,
        counts,
    )


def maximise(counts: np.ndarray, state: Fit, mass: np.ndarray, items: int, strength: bool) -> None:
    """The M step: prior, pool, and every annotator's confusion matrix, from counts [annotator, given, true] and the
    posteriors' sum over the items, mass (K,); the shrinkage's strength anew where it is asked for."""
    classes = counts.shape[1]
    state.pool = pool_of(counts)
    expected_confusion(counts, state.pool, state.effects, state.table)
    if strength:
        rows = counts.transpose(0, 2, 1).reshape(-1, classes)
        state.strength = min(concentration(rows, state.table.transpose(0, 2, 1).reshape(-1, classes)), MOST_STRENGTH)
    state.table *= state.strength
    state.table += counts
    state.table /= counts.sum(1, keepdims=True) + state.strength
    np.log(state.table, out=state.table)
    state.prior = (mass + 1) / (items + classes)


def _weigh(cast: Votes, log_p: np.ndarray, state: Fit) -> None:
    """lam and h of the grid under which each label is best predicted from everything else about its item.

    The likelihood has one peak: from where they are, lam and h climb in turn.
    """
    chosen = draw(cast.items, len(cast.given), GRID_LABELS)
    log_prior, confusion = np.log(state.prior), np.exp(state.table)
    seen: dict[tuple[int, int], float] = {}

    def likelihood(cell: tuple[int, int]) -> float:
        if cell not in seen:
            lam, shared = LAMBDAS[cell[0]], SHARED[cell[1]]
            prior = (1 - lam) * log_prior
            seen[cell] = compiled.leave_one_out(
                cast.start,
                cast.people,
                cast.given,
                state.weights,
                state.copying,
                state.table,
                confusion,
                prior,
                log_p,
                lam,
                shared,
                chosen,
                20,
            )
        return seen[cell]

    at = state.cell
    while True:
        i, j = at
        around = [(i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)]
        best = max(
            (cell for cell in around if 0 <= cell[0] < len(LAMBDAS) and 0 <= cell[1] < len(SHARED)), key=likelihood
        )
        if likelihood(best) <= likelihood(at):
            break
        at = best
    state.cell = at
    state.lam, state.shared = LAMBDAS[at[0]], SHARED[at[1]]
