"""The consensus of more items than memory holds: what `consensus.fit` found on a sample, finished by folds over shards.

A shard holds all labels of its items. Sums over items are integers (fixed point), so results do not depend on the cut.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from labelaudit.kernels import consensus, consensus_rows
from labelaudit.kernels.consensus import Fit, Votes


@dataclass
class Sums:
    """Of a pass over shards: counts (A, K, K) int64 [annotator, given, true], mass (K,) int64, and items."""

    annotators: int
    classes: int
    counts: np.ndarray = field(init=False)
    mass: np.ndarray = field(init=False)
    items: int = 0

    def __post_init__(self) -> None:
        self.counts = np.zeros((self.annotators, self.classes, self.classes), np.int64)
        self.mass = np.zeros(self.classes, np.int64)

    def add(self, cast: Votes, posterior: np.ndarray) -> None:
        consensus_rows.fixed_counts(cast.start, cast.people, cast.given, posterior, self.counts, self.mass)
        self.items += cast.items

    def finish(self, state: Fit) -> None:
        """The M step of everything that was added."""
        unit = consensus_rows.FIXED
        consensus.maximise(self.counts / unit, state, self.mass / unit, self.items, True)


def posterior_of(cast: Votes, pred_probs: np.ndarray | None, gold: np.ndarray, state: Fit) -> np.ndarray:
    """What the classes of a shard's items are, (n, K), by what is known of annotators and model: the E step.

    gold (n,): the known class, or -1.
    """
    classes = cast.classes
    posterior = np.zeros((cast.items, classes))
    posterior[gold >= 0] = np.eye(classes)[gold[gold >= 0]]
    log_p = np.zeros((0, classes), np.float32)
    if pred_probs is not None:
        log_p = np.log(np.maximum(pred_probs, 1e-6, dtype=np.float32))
    weights = np.zeros(len(cast.given) if len(state.copying) else 0, np.float32)
    if len(state.copying):
        consensus_rows.label_weights(cast.start, cast.people, state.copying, weights)
    everyone = np.arange(cast.items, dtype=np.int32)
    consensus.expect(cast, state, weights, log_p, gold, everyone, posterior, np.zeros_like(state.table))
    return posterior
