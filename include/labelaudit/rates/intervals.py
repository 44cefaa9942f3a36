"""Rates with their intervals: pure functions over counts x of n."""

from __future__ import annotations

from math import sqrt

Z95 = 1.959963984540054


def wilson(x: float, n: float) -> tuple[float, float]:
    """95 % interval of a rate x / n (Wilson, JASA 22, 1927); (0, 1) for n = 0.

    >>> [round(end, 3) for end in wilson(2, 20)]
    [0.028, 0.301]
    """
    if n <= 0:
        return 0.0, 1.0
    rate, weight = x / n, Z95**2 / n
    middle = (rate + weight / 2) / (1 + weight)
    half = Z95 / (1 + weight) * sqrt(rate * (1 - rate) / n + weight / (4 * n))
    return max(0.0, middle - half), min(1.0, middle + half)
