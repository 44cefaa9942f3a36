"""Single-label errors: confident joint, shrunken noise transition, and a score that adapts to the kind of noise.

Notation: labels y (n,), out-of-sample predicted probabilities P (n, K); k a true class, y the given one.
Confident joint: Northcutt, Jiang, Chuang, "Confident learning", JAIR 2021, eq. 1. The score deviates from the paper: it
weighs a noisy-confusion posterior against normalised self-confidence by how much of the disagreement is confident.

Everything is a fold or a map over shards of rows: `Tally.add_own` over all shards, then `look` and `Tally.add` over all
shards, then `scores` and `flags` shard by shard. Sums are integers, so the result does not depend on the cut.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from labelaudit.errors import InvalidInput
from labelaudit.kernels import rows as compiled
from labelaudit.kernels.shrinkage import concentration

T = TypeVar("T")
PART_ROWS = 4096
"""Rows below which a second thread costs more than it gains."""

UNIFORM = 0.1
"""Share of the off-diagonal that is spread evenly: no confusion is impossible."""

BINS, SPAN = 2**22, 64.0
"""The flags' cut is found on this many steps of the score, from -SPAN to SPAN."""


@dataclass(frozen=True)
class Noise:
    """What the rows tell of the noise.

    thresholds t (K,); joint (K, K) counts [true, given]; disagreement, the share of rows whose argmax is not y; gap, by
    how much the model's mean confidence exceeds its agreement with the labels.
    """

    rows: int
    thresholds: np.ndarray
    joint: np.ndarray
    disagreement: float
    gap: float

    @property
    def off_rate(self) -> float:
        """Share of rows that the confident joint counts as errors."""
        return float(self.joint.sum() - np.trace(self.joint)) / self.rows

    @property
    def confident_share(self) -> float:
        """kappa: the share of disagreements that are confident. High: classes are confused with each other."""
        return self.off_rate / self.disagreement if self.disagreement else 0.0


@dataclass(frozen=True)
class Look:
    """One shard, seen with the thresholds: best (n,) argmax of P, true (n,) confident class or -1, low (n,) log odds
    against the label by normalised self-confidence; confidence, the fixed-point sum of max P."""

    best: np.ndarray
    true: np.ndarray
    low: np.ndarray
    confidence: int


@dataclass
class Tally:
    """Integer sums over shards: what a Noise is made of."""

    classes: int
    sums: np.ndarray = field(init=False)
    counts: np.ndarray = field(init=False)
    joint: np.ndarray = field(init=False)
    agreeing: int = 0
    confidence: int = 0

    def __post_init__(self) -> None:
        self.sums, self.counts = np.zeros(self.classes, np.int64), np.zeros(self.classes, np.int64)
        self.joint = np.zeros((self.classes, self.classes), np.int64)

    def add_own(self, labels: np.ndarray, pred_probs: np.ndarray) -> None:
        """First pass: what the thresholds need of labels (n,) int64 and pred_probs (n, K)."""

        def one(part: slice) -> tuple[np.ndarray, np.ndarray]:
            sums, counts = np.zeros_like(self.sums), np.zeros_like(self.counts)
            compiled.own_sums(labels[part], pred_probs[part], sums, counts)
            return sums, counts

        for sums, counts in in_parts(one, len(labels)):
            self.sums += sums
            self.counts += counts

    def thresholds(self) -> np.ndarray:
        """t (K,). A class without rows has no threshold of its own: only certainty is confident."""
        means = self.sums / compiled.FIXED / np.maximum(self.counts, 1)
        return np.where(self.counts > 0, means, 1.0).clip(1e-6, 1.0)

    def add(self, labels: np.ndarray, seen: Look) -> None:
        """Second pass: the confident joint, and how sure and how right the model is."""
        compiled.count_pairs(seen.true, labels, self.joint)
        self.agreeing += int((seen.best == labels).sum())
        self.confidence += seen.confidence

    def noise(self) -> Noise:
        rows = int(self.counts.sum())
        agreement = self.agreeing / rows
        gap = self.confidence / compiled.FIXED / rows - agreement
        return Noise(rows, self.thresholds(), self.joint.astype(np.float64), 1 - agreement, gap)


def look(labels: np.ndarray, pred_probs: np.ndarray, thresholds: np.ndarray) -> Look:
    """See every row once. Raises InvalidInput at a row that is no distribution (sum within .05 of 1, none negative)."""
    rows = len(labels)
    best, true, low = np.empty(rows, np.int64), np.empty(rows, np.int32), np.empty(rows)
    inverse, scale = (1 / thresholds).astype(np.float32), _scale(thresholds)

    def one(part: slice) -> tuple[int, int]:
        bad, confidence = compiled.survey(
            labels[part], pred_probs[part], inverse, scale, best[part], true[part], low[part]
        )
        return (-1 if bad < 0 else bad + part.start), confidence

    found = in_parts(one, rows)
    if wrong := [bad for bad, _ in found if bad >= 0]:
        row = pred_probs[wrong[0]]
        raise InvalidInput(f"pred_probs[{wrong[0]}] is no distribution: {row[:10]} (sum {row.sum():.4f})")
    return Look(best, true, low, sum(confidence for _, confidence in found))


def survey(labels: np.ndarray, pred_probs: np.ndarray) -> tuple[Noise, Look]:
    """Both passes over labels (n,) int64 and pred_probs (n, K) float32 that are all there is."""
    tally = Tally(pred_probs.shape[1])
    tally.add_own(labels, pred_probs)
    seen = look(labels, pred_probs, tally.thresholds())
    tally.add(labels, seen)
    return tally.noise(), seen


def transition(joint: np.ndarray) -> np.ndarray:
    """P(given | true), (K, K) rows sum to 1, from the confident joint: error rates and shapes shrunk apart.

    A class's error rate is shrunk to the pool (beta-binomial), the distribution of its errors to the pool's
    (Dirichlet-multinomial); both concentrations by marginal likelihood.
    """
    classes = len(joint)
    diagonal = np.diag(joint)
    off = joint - np.diag(diagonal)
    errors, totals = off.sum(1), joint.sum(1)
    pooled = (errors.sum() + 0.5) / (totals.sum() + 1)
    s = concentration(np.stack([errors, totals - errors], 1), np.array([pooled, 1 - pooled]))
    rate = ((errors + s * pooled) / (totals + s)).clip(1e-6, 1 - 1e-6)
    base = np.tile(off.sum(0) + 1.0, (classes, 1))
    np.fill_diagonal(base, 0)
    base /= base.sum(1, keepdims=True)
    c = concentration(off, base)
    shape = (off + c * base) / (errors + c)[:, None]
    shape = (1 - UNIFORM) * shape + UNIFORM * (1 - np.eye(classes)) / (classes - 1)
    return shape * rate[:, None] + np.diag(1 - rate)


def scores(
    labels: np.ndarray, pred_probs: np.ndarray, seen: Look, noise: Noise, root: np.ndarray | None = None
) -> np.ndarray:
    """How strongly each row speaks against its label: (n,) float64, high = likely wrong, 0 = even.

    `root`, confusion_root(noise), can be given where many shards are scored.

    >>> p = np.array([[.9, .1], [.2, .8], [.9, .1], [.3, .7]], np.float32)
    >>> y = np.array([0, 1, 1, 1])
    >>> noise, seen = survey(y, p)
    >>> int(scores(y, p, seen, noise).argmax())
    2
    """
    weight = noise_weight(noise)
    if not weight:
        return seen.low
    root = confusion_root(noise) if root is None else root
    root, scale, out = root.astype(np.float32), _scale(noise.thresholds), seen.low.copy()

    def one(part: slice) -> None:
        compiled.add_confusion(labels[part], pred_probs[part], scale, root, weight, out[part])

    in_parts(one, len(labels))
    return out


def confusion_root(noise: Noise) -> np.ndarray:
    """Square roots of P(given | true), (K, K) as [given, true]."""
    return np.ascontiguousarray(np.sqrt(transition(noise.joint)).T)


def _scale(thresholds: np.ndarray) -> np.ndarray:
    # Powers instead of logarithms: with L = log P - log(t) / 2, exp(L) = P / sqrt(t), and exp(1.5 L) its power of 1.5
    return (thresholds**-0.5).astype(np.float32)


def noise_weight(noise: Noise) -> float:
    """w in [0, 1]: how far class confusions are to be trusted; 0 for two classes or an over-confident model."""
    if len(noise.thresholds) == 2:
        return 0.0
    return float(np.clip((noise.confident_share - 0.3) / 0.3, 0, 1) * np.clip(1 - (noise.gap - 0.05) / 0.10, 0, 1))


def flags(labels: np.ndarray, best: np.ndarray, score: np.ndarray, noise: Noise, cut: int = -1) -> np.ndarray:
    """Rows whose label is likely wrong, (n,) bool: best (n,) says otherwise, and the score is above bar and cut."""
    flagged = (best != labels) & (score > bar(noise))
    return flagged if cut < 0 else flagged & (_bins(score) > cut)


def bar(noise: Noise) -> float:
    return 1.1 * (1 - float(np.clip((noise.confident_share - 0.3) / 0.3, 0, 1)))


def most_flags(noise: Noise) -> int | None:
    """How many rows may be flagged at most, where the model is over-confident; None: no such limit."""
    return int(noise.off_rate * noise.rows) if noise.gap > 0.03 else None


def histogram(score: np.ndarray, flagged: np.ndarray) -> np.ndarray:
    """Flagged rows by the step of their score, (BINS,): sums over shards, and cut_at() finds the cut."""
    return np.bincount(_bins(score[flagged]), minlength=BINS)


def cut_at(histogram: np.ndarray, most: int) -> int:
    """The lowest step above which at most `most` rows lie; rows of one step stay together: order says nothing."""
    above = np.cumsum(histogram[::-1])[::-1]
    return int(np.searchsorted(-above, -most)) - 1


def _bins(score: np.ndarray) -> np.ndarray:
    return ((score + SPAN) * (BINS / (2 * SPAN))).clip(0, BINS - 1).astype(np.int64)


def in_parts(function: Callable[[slice], T], rows: int) -> list[T]:
    """The results of `function` on consecutive parts of the rows, in order, on all cores.

    Compiled loops let go of the interpreter's lock.
    """
    workers = max(1, min(os.cpu_count() or 1, rows // PART_ROWS))
    if workers == 1:
        return [function(slice(0, rows))]
    edges = np.linspace(0, rows, 4 * workers + 1).astype(int).tolist()
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(function, [slice(*ends) for ends in itertools.pairwise(edges)]))
