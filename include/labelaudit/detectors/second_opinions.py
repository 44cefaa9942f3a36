"""Which items deserve one more label: where a second opinion is worth most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelaudit.errors import InvalidInput

TOP = 32
BLOCK_CELLS = 500_000


@dataclass(frozen=True)
class SecondOpinions:
    """value (n,) in [0, 1), the expected gain in the probability that the item's label is right; order (n,) int, the
    items from the most valuable on, ties by index.
    """

    value: np.ndarray
    order: np.ndarray


def order_second_opinions(posterior, confusion) -> SecondOpinions:
    """Value one more label of every item, by an annotator of the pool.

    posterior r: float (n, K), rows sum to 1, as `aggregate_labels` gives it. confusion A: float (K, K), the pool's
    P(given label l | true class k), rows sum to 1. Raises InvalidInput.

    V_i = sum_l max_k r_ik A[k, l] - max_k r_ik: the expected maximum of the posterior after the label, less the maximum
    now (the value of information: Kamar, Hacker and Horvitz, AAMAS 2012). An item that a further label can't turn is
    worth nothing, however uncertain it is. For K > 32 the maximum is over the 32 likeliest classes, and l itself.

    >>> asked = order_second_opinions([[0.9, 0.1], [0.6, 0.4]], [[0.8, 0.2], [0.2, 0.8]])
    >>> asked.value.round(3).tolist(), asked.order.tolist()
    ([0.0, 0.2], [1, 0])
    """
    posterior, confusion = np.asarray(posterior, np.float64), np.asarray(confusion, np.float64)
    if posterior.ndim != 2 or not posterior.size:
        raise InvalidInput(f"posterior must be (n, K), n >= 1, not {posterior.shape}")
    classes = posterior.shape[1]
    if confusion.shape != (classes, classes):
        raise InvalidInput(f"confusion must be (K, K) with K = {classes}, not {confusion.shape}")
    for name, rows in (("posterior", posterior), ("confusion", confusion)):
        good = (rows >= 0).all(1) & (np.abs(rows.sum(1) - 1) <= 0.05)
        if not good.all():
            raise InvalidInput(
                f"{name}[{int(np.argmin(good))}] is not a distribution: it sums to 1 and has no negative"
            )
    posterior = posterior / posterior.sum(1, keepdims=True)
    confusion = confusion / confusion.sum(1, keepdims=True)
    value = np.empty(len(posterior))
    size = max(1, BLOCK_CELLS // classes)
    for start in range(0, len(posterior), size):
        value[start : start + size] = _values(posterior[start : start + size], confusion)
    value = np.maximum(value, 0.0)
    # equal but for rounding is equal: the index decides then, on every machine
    return SecondOpinions(value, np.argsort(-value.round(12), kind="stable"))


def _values(posterior: np.ndarray, confusion: np.ndarray) -> np.ndarray:
    # a label l usually speaks for class l: that one is always among those looked at
    best = posterior * np.diag(confusion)
    if len(confusion) <= TOP:
        for true in range(len(confusion)):
            np.maximum(best, posterior[:, true, None] * confusion[true], out=best)
    else:
        top = np.argpartition(-posterior, TOP - 1, axis=1)[:, :TOP]
        belief = np.take_along_axis(posterior, top, 1)
        for place in range(TOP):
            np.maximum(best, belief[:, place, None] * confusion[top[:, place]], out=best)
    return best.sum(1) - posterior.max(1)
