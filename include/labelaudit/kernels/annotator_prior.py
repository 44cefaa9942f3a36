"""What an annotator's confusion matrix is expected to be: from few numbers, which many labels tell.

    B_a[k, l]  ~  softmax_l( log Pool[k, l] + b_al + 1[k = l] (t_a + f_ak) )

t_a: how able the annotator is; b_al: which answers it favours (one who always answers l has a great b_al); f_ak: which
classes it knows better. t, b, f are Gaussian about 0, their variances fitted to all annotators together: so an
annotator who is poor at the classes it often sees is not trusted on the rare ones. One damped, diagonal Newton step a
call from where the last call ended (it is called in every M step); variances by Laplace's approximation. The model is
a multinomial logit with random effects (Agresti, "Categorical Data Analysis", 2013, ch. 13).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

DAMPING = 0.5
"""t, b and f share what they explain: full diagonal steps would overshoot."""

LEAST = 1e-5
VARIANCES = (0.003, 25.0)
POOL_TO_ONE_COIN = 0.6
"""Weight by which the pool's class-wise rates are drawn to the mean rate: EM tells the classes' rates apart poorly."""


@dataclass
class Effects:
    """ability t (A,), answers b (A, K), classes f (A, K) and their variances (3,)."""

    ability: np.ndarray
    answers: np.ndarray
    classes: np.ndarray
    variances: np.ndarray

    @classmethod
    def none(cls, annotators: int, classes: int) -> Effects:
        shape = (annotators, classes)
        return cls(np.zeros(annotators), np.zeros(shape), np.zeros(shape), np.array([1.0, 0.3, 0.3]))


def pool_of(counts: np.ndarray) -> np.ndarray:
    """All annotators' confusion (K, K) as [true, given], from counts (A, K given, K true), drawn to one coin.

    >>> pool_of(np.array([[[90.0, 10.0], [10.0, 90.0]]])).round(2).tolist()
    [[0.9, 0.1], [0.1, 0.9]]
    """
    total = counts.sum(0).T + 0.01
    sizes = total.sum(1)
    right = total.diagonal() / sizes
    mean = _logit(total.diagonal().sum() / sizes.sum())
    drawn = 1 / (1 + np.exp(-((1 - POOL_TO_ONE_COIN) * _logit(right) + POOL_TO_ONE_COIN * mean)))
    wrong = total - np.diag(total.diagonal())
    if len(wrong) > 1:
        wrong *= ((1 - drawn) / wrong.sum(1))[:, None]
    return wrong + np.diag(drawn if len(wrong) > 1 else np.ones(1))


def expected_confusion(counts: np.ndarray, pool: np.ndarray, effects: Effects, out: np.ndarray) -> None:
    """Improves effects by one step, and fills out (A, K given, K true) with B. counts as in pool_of()."""
    sums = np.zeros(3)
    _improve(counts, np.log(pool), effects.ability, effects.answers, effects.classes, effects.variances, sums, out)
    sizes = np.array([effects.ability.size, effects.answers.size, effects.classes.size])
    effects.variances[:] = (sums / sizes).clip(*VARIANCES)


def _logit(rate):
    rate = np.clip(rate, 1e-4, 1 - 1e-4)
    return np.log(rate / (1 - rate))


@njit(nogil=True, cache=True)
def _row(log_pool, k, ability, answers, classes, p):
    most = -1e300
    for y in range(len(p)):
        p[y] = log_pool[k, y] + answers[y]
        if y == k:
            p[y] += ability + classes[k]
        most = max(most, p[y])
    total = 0.0
    for y in range(len(p)):
        p[y] = np.exp(p[y] - most)
        total += p[y]
    for y in range(len(p)):
        p[y] /= total


@njit(nogil=True, cache=True)
def _step(gradient, curvature):
    return min(max(DAMPING * gradient / curvature, -1.0), 1.0)


@njit(nogil=True, cache=True)
def _improve(counts, log_pool, ability, answers, classes, variances, sums, out):
    K = len(log_pool)
    p, gradient, curvature = np.empty(K), np.empty(K), np.empty(K)
    for a in range(len(counts)):
        slope, bend = -ability[a] / variances[0], 1 / variances[0]
        for y in range(K):
            gradient[y], curvature[y] = -answers[a, y] / variances[1], 1 / variances[1]
        for k in range(K):
            seen = 0.0
            for y in range(K):
                seen += counts[a, y, k]
            _row(log_pool, k, ability[a], answers[a], classes[a], p)
            for y in range(K):
                gradient[y] += counts[a, y, k] - seen * p[y]
                curvature[y] += seen * p[y] * (1 - p[y])
            missed, spread = counts[a, k, k] - seen * p[k], seen * p[k] * (1 - p[k])
            slope += missed
            bend += spread
            own = spread + 1 / variances[2]
            out[a, 0, k] = _step(missed - classes[a, k] / variances[2], own)  # kept until all of them are known
            sums[2] += 1 / own
        for k in range(K):
            classes[a, k] += out[a, 0, k]
            sums[2] += classes[a, k] ** 2
            answers[a, k] += _step(gradient[k], curvature[k])
            sums[1] += answers[a, k] ** 2 + 1 / curvature[k]
        ability[a] += _step(slope, bend)
        sums[0] += ability[a] ** 2 + 1 / bend
        for k in range(K):
            _row(log_pool, k, ability[a], answers[a], classes[a], p)
            for y in range(K):
                out[a, y, k] = max(p[y], LEAST)
