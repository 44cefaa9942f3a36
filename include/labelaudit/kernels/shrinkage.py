"""Empirical-Bayes shrinkage of counts: how far to trust a small group's own rates, decided by all groups together."""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln

CONCENTRATIONS = np.geomspace(0.5, 2_000, 25)


def concentration(counts: np.ndarray, base: np.ndarray) -> float:
    """The Dirichlet concentration s under which the groups' counts are most likely, on a grid.

    counts (G, K): counts of K outcomes in G groups; base (G, K) or (K,): the prior mean, rows sum to 1. Maximises
    sum_g [ln G(s) - ln G(n_g + s) + sum_k ln G(c_gk + s b_gk) - ln G(s b_gk)], the Dirichlet-multinomial marginal
    likelihood (Minka, "Estimating a Dirichlet distribution", 2000); outcomes with b = 0 are left out.
    """
    base = np.broadcast_to(base, counts.shape)
    used = base > 0
    seen = (counts > 0) & used
    return likeliest(np.where(used, counts, 0).sum(1), counts[seen], base[seen])


def likeliest(totals: np.ndarray, counts: np.ndarray, base: np.ndarray) -> float:
    """`concentration` of sparse counts: totals (G,) of the groups; counts and base (m,) of the outcomes seen."""
    once = counts == 1  # most of a large sparse table; G(1 + sb) / G(sb) is sb
    ones, fixed = int(once.sum()), float(np.log(base[once]).sum())
    counts, base = counts[~once], base[~once]

    def likelihood(place: int) -> float:
        s = CONCENTRATIONS[place]
        seen = (gammaln(counts + s * base) - gammaln(s * base)).sum() + ones * np.log(s) + fixed
        return len(totals) * gammaln(s) - gammaln(totals + s).sum() + seen

    # it has one peak: every fourth step first, then the steps about the best of them
    best = max(range(0, len(CONCENTRATIONS), 4), key=likelihood)
    return float(CONCENTRATIONS[max(range(max(0, best - 3), min(best + 4, len(CONCENTRATIONS))), key=likelihood)])
