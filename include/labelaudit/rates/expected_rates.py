"""What the strata's defect rates may be, before an audit and after its first answers."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from labelaudit.errors import InvalidInput

Answers = tuple[ArrayLike, ArrayLike, ArrayLike]
"""sizes, audited and defects (H,) by stratum, in the order of the score."""
STRENGTH = 4.0
"""Answers that the curve of the score is worth, in a stratum."""
CERTAIN = 0.002
SHARPER = 2.0
"""A detector's doubts are squeezed towards one half: their logits are taken this many times."""
SHIFTS, SLOPES = np.linspace(-12, 12, 97), np.array([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0])
USUAL = 0.15
SLOPE_SPREAD, PRIOR_ANSWERS = 0.5, 5.0
"""Answers that the prior rate is worth."""
EVEN = 0.03
"""Share of every guess that is the mean rate: some defects are not seen by any detector."""


def mean_logits(doubt: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Mean logit (H,) of the doubts (n,) of each stratum."""
    p = np.clip(doubt, CERTAIN, 1 - CERTAIN)
    return np.bincount(codes, np.log(p / (1 - p))) / np.bincount(codes)


def guess_rates(
    sizes: np.ndarray,
    logits: np.ndarray,
    prior_rate: float | None = None,
    past: Answers | None = None,
    answered: Answers | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """A smooth curve of rates (H,) to share rows by, and the rates (H,) to expect; never 0 or 1.

    sizes (H,), logits (H,) of the mean doubt. A logistic curve of the logits, through prior_rate and as steep as the
    answers say; a stratum's own answers count against STRENGTH of the curve's. Earlier audits of another number of
    strata teach nothing. Answers may have a leading axis (R, H).
    """
    if prior_rate is not None and not 0 <= prior_rate <= 1:
        raise InvalidInput("prior_rate must lie between 0 and 1")
    audited, defects = np.zeros(len(sizes)), np.zeros(len(sizes))
    for evidence in (past, answered):
        if evidence is None:
            continue
        m, x = (np.asarray(part, float) for part in evidence[1:])
        if m.shape[-1:] != sizes.shape or x.shape != m.shape or (x > m).any() or (x < 0).any():
            if evidence is answered:
                raise InvalidInput(f"the answers need {len(sizes)} strata, with no more defects than audited items")
            continue
        audited, defects = audited + m, defects + x
    curve = _curve(logits, sizes / sizes.sum(), prior_rate, audited, defects)
    return curve, (defects + STRENGTH * curve) / (audited + STRENGTH)


def _curve(
    logits: np.ndarray, share: np.ndarray, prior_rate: float | None, audited: np.ndarray, defects: np.ndarray
) -> np.ndarray:
    """The most probable of a grid of curves sigmoid(a + b logit), b near SHARPER, the mean rate near prior_rate."""
    start = min(float(share @ _sigmoid(SHARPER * logits)), USUAL) if prior_rate is None else prior_rate
    start = min(max(start, CERTAIN), 1 - CERTAIN)
    curves = _sigmoid(SHIFTS[:, None, None] + SLOPES[:, None] * logits)
    curves = (1 - EVEN) * curves + EVEN * (curves @ share)[..., None]
    curves = np.clip(curves, CERTAIN / 2, 1 - CERTAIN / 2).reshape(-1, len(share))
    means = curves @ share
    prior = -0.5 * ((np.tile(SLOPES, len(SHIFTS)) - SHARPER) / SLOPE_SPREAD) ** 2
    prior += PRIOR_ANSWERS * (start * np.log(means) + (1 - start) * np.log(1 - means))
    if not audited.any():
        prior -= 1e3 * np.abs(means - start)
    fit = defects @ np.log(curves).T + (audited - defects) @ np.log(1 - curves).T + prior
    return curves[fit.argmax(axis=-1)]


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))
