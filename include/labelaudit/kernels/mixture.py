"""Which mixture of known distributions were these counts drawn from? (Finite mixtures with known components, by EM.)"""

from __future__ import annotations

import numpy as np

ROUNDS = 200


def shares(counts: np.ndarray, components: np.ndarray) -> np.ndarray:
    """Shares (G,) of the components, sum 1, whose mixture makes the counts likeliest.

    counts (B,): what was seen; components (G, B) > 0: the probability of each outcome under each component; what a row
    lacks to 1 is the probability of not being seen. Expectation-maximisation of the Poisson likelihood (Shepp and
    Vardi, "Maximum likelihood reconstruction for emission tomography", 1982): no round lowers it.

    >>> shares(np.array([30, 10]), np.array([[0.9, 0.1], [0.5, 0.5]])).round(3).tolist()
    [0.625, 0.375]
    """
    seen = components.sum(1)
    amounts = np.full(len(components), counts.sum() / len(components)) / seen.mean()
    for _ in range(ROUNDS):
        expected = amounts @ components
        amounts = amounts * (components @ (counts / expected)) / seen
    return amounts / amounts.sum()


def mixing_weights(likelihoods: np.ndarray) -> np.ndarray:
    """Weights (M,), sum 1, of M predictors whose mixture makes what happened likeliest.

    likelihoods (n, M): the probability that each predictor gave to what happened, > 0. Concave, so EM finds the one
    maximum (Smyth and Wolpert, "Linearly combining density estimators via stacking", 1999).

    >>> mixing_weights(np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.1, 0.9]])).round(4).tolist()
    [0.8125, 0.1875]
    """
    weights = np.full(likelihoods.shape[1], 1 / likelihoods.shape[1])
    for _ in range(ROUNDS):
        shared = likelihoods * weights
        shared /= shared.sum(1, keepdims=True)
        weights = shared.mean(0)
    return weights
