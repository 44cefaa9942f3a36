"""What labels and predictions tell of the noise: thresholds, confident joint, and the rates of wrong labels by class.

Notation: labels y (n,), out-of-sample predicted probabilities P (n, K); k a true class, y the given one.
Confident joint: Northcutt, Jiang, Chuang, "Confident learning", JAIR 2021, eq. 1. `scoring.py` makes scores of it.

Everything is a fold over shards of rows: `Tally.add_own` over all shards, then `look` and `Tally.add` over all shards.
Sums are integers, so the result does not depend on the cut.
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
from labelaudit.kernels.shrinkage import concentration, likeliest

T = TypeVar("T")
PART_ROWS = 4096
"""Rows below which a second thread costs more than it gains."""

FEW_CLASSES = 128
"""Classes up to which every part of the rows counts into a table of its own."""


@dataclass(frozen=True)
class Noise:
    """What the rows tell of the noise.

    thresholds t (K,), mean P_k over the rows labelled k; agreed (K,), the same over those of them that the model also
    takes for k; joint (K, K) counts [true, given]; disagreement, the share of rows whose argmax is not y; gap, by how
    much the model's mean confidence exceeds its agreement with the labels; skill, the mean P_y on a scale from chance
    (0) to certainty (1); margin, the mean log(max P / P_y) of the rows in disagreement, how far apart the two are.
    """

    rows: int
    thresholds: np.ndarray
    agreed: np.ndarray
    joint: np.ndarray
    disagreement: float
    gap: float
    skill: float
    margin: float

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
    """One shard, seen with the thresholds: best (n,) argmax of P; joint (K, K) counts [confident class, label];
    confidence, the fixed-point sum of max P; margin, that of Noise.margin; agreed (2, K), that of P_y by class where
    best is y, and how many rows that are."""

    best: np.ndarray
    joint: np.ndarray
    confidence: int
    margin: int
    agreed: np.ndarray


@dataclass
class Tally:
    """Integer sums over shards: what a Noise is made of."""

    classes: int
    sums: np.ndarray = field(init=False)
    counts: np.ndarray = field(init=False)
    agreed: np.ndarray = field(init=False)
    joint: np.ndarray = field(init=False)
    confidence: int = 0
    margin: int = 0

    def __post_init__(self) -> None:
        self.sums, self.counts = np.zeros((2, self.classes), np.int64)
        self.agreed = np.zeros((2, self.classes), np.int64)
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
        return _means(self.sums, self.counts)

    def add(self, seen: Look) -> None:
        """Second pass: the confident joint, and how sure and how right the model is."""
        self.joint += seen.joint
        self.agreed += seen.agreed
        self.confidence += seen.confidence
        self.margin += seen.margin

    def noise(self) -> Noise:
        rows = int(self.counts.sum())
        agreeing = int(self.agreed[1].sum())
        agreement = agreeing / rows
        own, chance = int(self.sums.sum()) / compiled.FIXED / rows, 1 / self.classes
        return Noise(
            rows=rows,
            thresholds=self.thresholds(),
            agreed=_means(*self.agreed),
            joint=self.joint.astype(np.float64),
            disagreement=1 - agreement,
            gap=self.confidence / compiled.FIXED / rows - agreement,
            skill=(own - chance) / (1 - chance),
            margin=self.margin / compiled.FINE / max(1, rows - agreeing),
        )


def _means(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    means = sums / compiled.FIXED / np.maximum(counts, 1)
    return np.where(counts > 0, means, 1.0).clip(1e-6, 1.0)


def look(labels: np.ndarray, pred_probs: np.ndarray, thresholds: np.ndarray) -> Look:
    """See every row once. Raises InvalidInput at a row that is no distribution (sum within .05 of 1, none negative)."""
    rows, classes, inverse = len(labels), len(thresholds), (1 / thresholds).astype(np.float32)
    best, true = np.empty(rows, np.int64), np.empty(rows, np.int32)
    joint, few = np.zeros((classes, classes), np.int64), classes <= FEW_CLASSES

    def one(part: slice) -> tuple[int, int, int, np.ndarray, np.ndarray | int]:
        agreed, pairs = np.zeros((2, classes), np.int64), 0
        bad, confidence, margin = compiled.survey(
            labels[part], pred_probs[part], inverse, best[part], true[part], *agreed
        )
        if bad < 0 and few:
            pairs = np.zeros_like(joint)
            compiled.count_pairs(true[part], labels[part], pairs)
        return (-1 if bad < 0 else bad + part.start), confidence, margin, agreed, pairs

    parts = in_parts(one, rows)
    if wrong := [bad for bad, *_ in parts if bad >= 0]:
        row = pred_probs[wrong[0]]
        raise InvalidInput(f"pred_probs[{wrong[0]}] is no distribution: {row[:10]} (sum {row.sum():.4f})")
    if few:
        joint += sum(pairs for *_, pairs in parts)
    else:
        compiled.count_pairs(true, labels, joint)
    confidence, margin, agreed = (sum(part[place] for part in parts) for place in (1, 2, 3))
    return Look(best, joint, confidence, margin, agreed)


def survey(labels: np.ndarray, pred_probs: np.ndarray) -> tuple[Noise, Look]:
    """Both passes over labels (n,) int64 and pred_probs (n, K) float32 that are all there is."""
    tally = Tally(pred_probs.shape[1])
    tally.add_own(labels, pred_probs)
    seen = look(labels, pred_probs, tally.thresholds())
    tally.add(seen)
    return tally.noise(), seen


def error_rates(joint: np.ndarray) -> np.ndarray:
    """Rates of wrong labels by true class, (K, K) as [true, given] with 0 on the diagonal, from the confident joint.

    A class's error rate is shrunk to the pool (beta-binomial), the distribution of its errors to the pool's
    (Dirichlet-multinomial); both concentrations by marginal likelihood.
    """
    totals = joint.sum(1)
    out = joint.astype(np.float64)
    np.fill_diagonal(out, 0)
    errors, given = out.sum(1), out.sum(0) + 1.0
    pooled = (errors.sum() + 0.5) / (totals.sum() + 1)
    s = concentration(np.stack([errors, totals - errors], 1), np.array([pooled, 1 - pooled]))
    rate = ((errors + s * pooled) / (totals + s)).clip(1e-6, 1 - 1e-6)
    rest = given.sum() - given  # a class's errors go to the others, by their shares in all errors
    true, other = np.divmod(np.flatnonzero(out), len(out))
    c = likeliest(errors, out[true, other], given[other] / rest[true])
    out += np.outer(c / rest, given)  # in place: for thousands of classes every copy costs more than the sums
    out *= (rate / (errors + c))[:, None]
    np.fill_diagonal(out, 0)
    return out


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
