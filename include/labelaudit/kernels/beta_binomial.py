"""The beta-binomial: counts of defects whose rate itself varies from release to release."""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln


def log_likelihood(defects: np.ndarray, units: np.ndarray, rate: np.ndarray, overdispersion: np.ndarray) -> np.ndarray:
    """log P(defects | units, rate, overdispersion) without the binomial coefficient; all arguments broadcast.

    rate (0, 1): the mean. overdispersion rho (0, 1): correlation of two units of one release; the variance of a count
    is n p (1 - p) (1 + (n - 1) rho). Source: Griffiths, Biometrics 29 (1973), with p and rho for alpha and beta.

    >>> float(np.round(np.exp(log_likelihood(1, 2, .5, 1 / 3)), 4))  # alpha = beta = 1: 1/3 for each count, of two ways
    0.1667
    """
    size = (1 - overdispersion) / overdispersion
    alpha, beta = rate * size, (1 - rate) * size
    return (
        gammaln(defects + alpha)
        - gammaln(alpha)
        + gammaln(units - defects + beta)
        - gammaln(beta)
        - gammaln(units + size)
        + gammaln(size)
    )
