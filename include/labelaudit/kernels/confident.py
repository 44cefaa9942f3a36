"""Single-label errors: confident joint, shrunken noise transition, and a score that adapts to the kind of noise.

Notation: labels y (n,), out-of-sample predicted probabilities P (n, K); k a true class, y the given one.
Confident joint: Northcutt, Jiang, Chuang, "Confident learning", JAIR 2021, eq. 1. The score deviates from the paper: it
weighs a noisy-confusion posterior against normalised self-confidence by how much of the disagreement is confident.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelaudit.kernels.shrinkage import concentration

BLOCK_ROWS = 8_192
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
    sums, agreeing, confidence = np.zeros(classes), 0, 0.0
    for part in _blocks(rows):
        p, y = pred_probs[part], labels[part]
        sums += np.bincount(y, weights=p[np.arange(len(y)), y], minlength=classes)
        best = p.argmax(1)
        agreeing += int((best == y).sum())
        confidence += float(p[np.arange(len(y)), best].sum(dtype=np.float64))
    # a class without rows has no threshold of its own: only certainty is confident
    thresholds = np.where(counts > 0, sums / np.maximum(counts, 1), 1.0).clip(1e-6, 1.0)
    joint = np.zeros(classes * classes)
    for part in _blocks(rows):
        ratio = pred_probs[part] / thresholds
        true = ratio.argmax(1)
        sure = ratio[np.arange(len(true)), true] >= 1
        joint += np.bincount(true[sure] * classes + labels[part][sure], minlength=classes * classes)
    disagreement = 1 - agreeing / rows
    return Noise(rows, thresholds, joint.reshape(classes, classes), disagreement, confidence / rows - agreeing / rows)


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
    half = 0.5 * np.log(noise.thresholds)
    log_t = 0.5 * np.log(transition(noise.joint)) if weight else None
    out = np.empty(rows)
    for part in _blocks(rows):
        y = labels[part]
        at = np.arange(len(y)), y
        evidence = np.log(np.maximum(pred_probs[part], 1e-12, dtype=np.float64)) - half
        own = evidence[at]
        score = np.zeros(len(y))
        if weight < 1:
            others = evidence.copy()
            others[at] = -np.inf
            best = others.max(1)
            low = best + np.log(np.exp(others - best[:, None]).sum(1)) - own + 0.25 * (best - own)
            score += (1 - weight) * low
        if weight:
            posterior = 1.5 * evidence + log_t[:, y].T
            own = posterior[at].copy()
            posterior[at] = -np.inf
            best = posterior.max(1)
            score += weight * (best + np.log(np.exp(posterior - best[:, None]).sum(1)) - own)
        out[part] = score
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


def _blocks(rows: int):
    """Slices that fit the cache."""
    return [slice(start, min(start + BLOCK_ROWS, rows)) for start in range(0, rows, BLOCK_ROWS)]
