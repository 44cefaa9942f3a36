"""Agreement between annotators."""

from __future__ import annotations

import numpy as np


def krippendorff_alpha(counts: np.ndarray) -> float | None:
    """Krippendorff's alpha for nominal labels; None where no item has two labels.

    counts (n, K): labels by item and class. 1 - D_o / D_e with D_o, D_e from pairable labels only (Krippendorff,
    "Content Analysis", 2004, ch. 11). Can be below 0; 1 where all agree.

    >>> krippendorff_alpha(np.array([[2, 0], [0, 2], [1, 1]])).__round__(3)
    0.444
    """
    counts = counts[counts.sum(1) >= 2]
    if not len(counts):
        return None
    sizes = counts.sum(1)
    n, totals = sizes.sum(), counts.sum(0)
    observed = ((sizes**2 - (counts**2).sum(1)) / (sizes - 1)).sum() / n
    expected = (n**2 - (totals**2).sum()) / (n * (n - 1))
    return float(1 - observed / expected) if expected else 1.0
