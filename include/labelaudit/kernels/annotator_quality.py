"""How good the annotators of a consensus are, and how well that is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelaudit.kernels import consensus_rows as compiled
from labelaudit.kernels.consensus import Fit, Votes
from labelaudit.kernels.shrinkage import concentration

LEAST_KNOWN = 0.05


@dataclass(frozen=True)
class Quality:
    """By annotator (A,): rate, the probability that a label of theirs is right; labels given; weight, the number of
    labels of known truth that would say as much.
    """

    rate: np.ndarray
    labels: np.ndarray
    weight: np.ndarray


def annotator_quality(cast: Votes, state: Fit) -> Quality:
    """Each annotator's rate, and how well it is known.

    rate = (sum_i r_{i, y_ia} + c m) / (n_a + c), m the mean of all labels, c the concentration of annotators about it
    by beta-binomial marginal likelihood: an annotator of few labels is near the mean.

    The truth is not known but believed: of n_a labels, the share f = 1 - mean r (1 - r) / (q (1 - q)) is worth as much
    as labels of known truth, q the rate (the missing information principle; Louis, JRSS B 44, 1982); and f again, as
    those believed by are known no better. Simulated, the interval covers at .89 to .98.
    """
    right, doubt, given = np.zeros((3, cast.annotators))
    compiled.right_counts(cast.start, cast.people, cast.given, state.posterior, right, doubt, given)
    return from_counts(right, doubt, given)


def from_counts(right: np.ndarray, doubt: np.ndarray, given: np.ndarray) -> Quality:
    """The same from sums by annotator (A,): of r, of r (1 - r), and of labels."""
    mean = float(right.sum() / given.sum())
    strength = concentration(np.stack([right, given - right], 1), np.array([mean, 1 - mean]).clip(1e-9))
    rate = (right + strength * mean) / (given + strength)
    known = np.maximum(1 - doubt / np.maximum(given * rate * (1 - rate), 1e-9), LEAST_KNOWN)
    # the spread is known from these annotators only, and from rates that EM has drawn together
    prior = min(strength, 10 * len(given)) / 2
    return Quality(rate, given.astype(np.int64), given * known**2 + prior)
