"""Single-label errors: confident joint, shrunken noise transition, and a score that adapts to the kind of noise.

Notation: labels y (n,), out-of-sample predicted probabilities P (n, K); k a true class, y the given one.
Confident joint: Northcutt, Jiang, Chuang, "Confident learning", JAIR 2021, eq. 1. The score deviates from the paper: it
weighs a noisy-confusion posterior against normalised self-confidence by how much of the disagreement is confident.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from labelaudit.kernels.shrinkage import concentration

T = TypeVar("T")
BLOCK_CELLS = 131_072
LEAST = 1e-12
"""A probability of zero is taken for this much: no logarithm of nothing."""

UNIFORM = 0.1
"""Share of the off-diagonal that is spread evenly: no confusion is impossible."""


@dataclass(frozen=True)
class Noise:
    """What one pass over the rows tells of the noise.

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


def estimate_noise(labels: np.ndarray, pred_probs: np.ndarray) -> Noise:
    """Thresholds and confident joint of labels (n,) int and pred_probs (n, K)."""
    rows, classes = pred_probs.shape
    counts = np.bincount(labels, minlength=classes)

    def first(part: slice) -> tuple[np.ndarray, int, float]:
        p, y = pred_probs[part], labels[part]
        row, best = np.arange(len(y)), p.argmax(1)
        sums = np.bincount(y, weights=p[row, y], minlength=classes)
        return sums, int((best == y).sum()), float(p[row, best].sum(dtype=np.float64))

    sums, agreeing, confidence = np.zeros(classes), 0, 0.0
    for found in blockwise(first, rows, classes):
        sums, agreeing, confidence = sums + found[0], agreeing + found[1], confidence + found[2]
    # a class without rows has no threshold of its own: only certainty is confident
    thresholds = np.where(counts > 0, sums / np.maximum(counts, 1), 1.0).clip(1e-6, 1.0)
    inverse = (1 / thresholds).astype(pred_probs.dtype)

    def second(part: slice) -> np.ndarray:
        ratio, y = pred_probs[part] * inverse, labels[part]
        true = ratio.argmax(1)
        sure = ratio[np.arange(len(y)), true] >= 1
        return true[sure] * classes + y[sure]

    cells = np.concatenate(blockwise(second, rows, classes))
    joint = np.bincount(cells, minlength=classes * classes).astype(np.float64).reshape(classes, classes)
    return Noise(rows, thresholds, joint, 1 - agreeing / rows, confidence / rows - agreeing / rows)


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


def scores(labels: np.ndarray, pred_probs: np.ndarray, noise: Noise) -> np.ndarray:
    """How strongly each row speaks against its label: (n,) float64, high = likely wrong, 0 = even.

    >>> p = np.array([[.9, .1], [.2, .8], [.9, .1], [.3, .7]])
    >>> y = np.array([0, 1, 1, 1])
    >>> int(scores(y, p, estimate_noise(y, p)).argmax())
    2
    """
    rows, classes = pred_probs.shape
    weight = noise_weight(noise, classes)
    # Powers instead of logarithms: with L = log P - log(t) / 2, exp(L) = P / sqrt(t), and exp(1.5 L) its power of 1.5
    scale = (noise.thresholds**-0.5).astype(pred_probs.dtype)
    ones = np.ones(classes, pred_probs.dtype)
    root = np.sqrt(transition(noise.joint)).T.astype(pred_probs.dtype, order="C") if weight else None
    out = np.empty(rows)

    def score(part: slice) -> None:
        y = labels[part]
        row = np.arange(len(y))
        evidence = pred_probs[part] * scale
        own = np.maximum(pred_probs[part][row, y], LEAST, dtype=np.float64) * scale[y]
        evidence[row, y] = 0  # not by subtracting: that would leave only rounding errors of a sure label
        total = np.zeros(len(y))
        if weight < 1:
            best = np.maximum(evidence[row, evidence.argmax(1)], LEAST, dtype=np.float64)
            rest = np.maximum(np.einsum("ik,k->i", evidence, ones), LEAST, dtype=np.float64)
            total += (1 - weight) * (np.log(rest / own) + 0.25 * np.log(best / own))
        if weight:
            evidence *= np.sqrt(evidence)
            rest = np.maximum(np.einsum("ik,ik->i", evidence, root[y]), LEAST**1.5, dtype=np.float64)
            total += weight * np.log(rest / (own**1.5 * root[y, y]))
        out[part] = total

    blockwise(score, rows, classes)
    return out


def noise_weight(noise: Noise, classes: int) -> float:
    """w in [0, 1]: how far class confusions are to be trusted; 0 for two classes or an over-confident model."""
    if classes == 2:
        return 0.0
    return float(np.clip((noise.confident_share - 0.3) / 0.3, 0, 1) * np.clip(1 - (noise.gap - 0.05) / 0.10, 0, 1))


def flags(labels: np.ndarray, best: np.ndarray, score: np.ndarray, noise: Noise) -> np.ndarray:
    """Rows whose label is likely wrong, (n,) bool; `best` is the argmax of the predicted probabilities."""
    bar = 1.1 * (1 - np.clip((noise.confident_share - 0.3) / 0.3, 0, 1))
    flagged = (best != labels) & (score > bar)
    if noise.gap > 0.03:
        most = int(noise.off_rate * noise.rows)
        if flagged.sum() > most:  # rows that tie with the first one left out are left out too: order says nothing
            flagged &= score > np.sort(score[flagged])[::-1][most]
    return flagged


def blockwise(function: Callable[[slice], T], rows: int, classes: int) -> list[T]:
    """The results of `function` on blocks of rows that fit the cache, in their order, on all cores.

    numpy lets go of the interpreter's lock; no result depends on how many threads there are.
    """
    size = max(256, BLOCK_CELLS // classes)
    parts = [slice(start, min(start + size, rows)) for start in range(0, rows, size)]
    workers = min(len(parts), os.cpu_count() or 1)
    if workers == 1:
        return [function(part) for part in parts]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(function, parts))
