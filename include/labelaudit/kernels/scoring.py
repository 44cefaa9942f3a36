"""How strongly a row speaks against its label, and from where on it is flagged.

Notation: labels y, predicted probabilities P (n, K), and of `confident.Noise`: kappa = confident_share, skill, gap,
agreed a (K,), disagreement D.

    w    = clip((kappa - .2) / .3, 0, 1)                                 closed-set noise (1) or ambiguity (0)
    u    = clip(skill / .9, 0, 1)                                        how much the model knows
    s_k  = a_k^(-.7 u clip((.01 - gap) / .03, 0, 1))                     levels classes; not for an over-confident model
    E    = error rates less .8 of their symmetric part, a tenth spread evenly, largest = 1
    W_yk = s_k E_ky^(.7 w u)
    score = log sum_{k != y} P_k W_yk + .25 w log max_{k != y} P_k W_yk - (1 + .25 w) log P_y s_y

The symmetric part of the confident joint is mostly the model's own confusion, no evidence against a label: what goes
one way only is. The constants were chosen on small tables (benchmarks/noisy_tables.py, with a tenth to two fifths of
the labels wrong) and checked on other draws of the noise and on human labels. Deviates from confident learning, which
prunes by counts and ranks by P_y.
"""

from __future__ import annotations

import numpy as np

from labelaudit.kernels import rows as compiled
from labelaudit.kernels.confident import Noise, error_rates, in_parts

UNIFORM = 0.1
"""Share of the wrong labels that is spread evenly over the classes: no confusion is impossible."""

SYMMETRIC = 0.8
"""Share of the symmetric part of the error rates that is taken for the model's own confusion."""


def closed_set(noise: Noise) -> float:
    """w in [0, 1]: how far disagreements are confusions of classes, and not ambiguous items or ones of no class."""
    return float(np.clip((noise.confident_share - 0.2) / 0.3, 0, 1))


def confusability(noise: Noise) -> np.ndarray:
    """E (K, K) as [true, given], 0 on the diagonal, the largest 1: how readily one class is labelled another."""
    rates, classes = error_rates(noise.joint), len(noise.joint)
    symmetric = np.minimum(rates, rates.T)
    symmetric *= SYMMETRIC
    rates -= symmetric
    rates *= 1 - UNIFORM
    rates += UNIFORM / (1 - UNIFORM) * rates.sum() / (classes * (classes - 1))
    np.fill_diagonal(rates, 0)
    rates /= rates.max()
    return rates


def weights(noise: Noise) -> tuple[np.ndarray, np.ndarray]:
    """W (K, K) float32 as [given, true] with 0 on the diagonal, and s (K,)."""
    knows = float(np.clip(noise.skill / 0.9, 0, 1))
    level = noise.agreed ** (-0.7 * knows * float(np.clip((0.01 - noise.gap) / 0.03, 0, 1)))
    power = 0.7 * closed_set(noise) * knows
    table = np.tile(level.astype(np.float32), (len(level), 1))
    if power:
        table *= np.ascontiguousarray(confusability(noise).T, np.float32) ** np.float32(power)
    np.fill_diagonal(table, 0)
    return table, level


def scores(
    labels: np.ndarray,
    pred_probs: np.ndarray,
    noise: Noise,
    weighed: tuple[np.ndarray, np.ndarray] | None = None,
) -> np.ndarray:
    """How strongly each row speaks against its label: (n,) float64, high = likely wrong.

    `weighed`, weights(noise), can be given where many shards are scored.

    >>> from labelaudit.kernels.confident import survey
    >>> p = np.array([[.9, .1], [.2, .8], [.9, .1], [.3, .7]], np.float32)
    >>> y = np.array([0, 1, 1, 1])
    >>> int(scores(y, p, survey(y, p)[0]).argmax())
    2
    """
    table, own = weights(noise) if weighed is None else weighed
    margin, out = 0.25 * closed_set(noise), np.empty(len(labels))

    def one(part: slice) -> None:
        compiled.score(labels[part], pred_probs[part], table, own, margin, out[part])

    in_parts(one, len(labels))
    return out


def judge(
    labels: np.ndarray, pred_probs: np.ndarray, noise: Noise, weighed: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """best (n,) int64, score (n,) float64 and flag (n,) bool of rows that `confident.look` has passed, read once.

    The same bits as `look`, `scores` and `flags` give, without what only the confident joint needs.
    """
    (table, own), margin, rows = weighed, 0.25 * closed_set(noise), len(labels)
    best, score, flagged = np.empty(rows, np.int64), np.empty(rows), np.empty(rows, bool)

    def one(part: slice) -> None:
        compiled.likeliest(labels[part], pred_probs[part], best[part])
        compiled.score(labels[part], pred_probs[part], table, own, margin, score[part])
        flagged[part] = flags(labels[part], best[part], score[part], noise)

    in_parts(one, rows)
    return best, score, flagged


def flags(labels: np.ndarray, best: np.ndarray, score: np.ndarray, noise: Noise) -> np.ndarray:
    """Rows whose label is likely wrong, (n,) bool: best (n,) says otherwise, and the score is above the bar."""
    return (best != labels) & (score > bar(noise))


def bar(noise: Noise) -> float:
    """The score above which a disagreement is flagged, 2 + .75 min(margin, 3) - 3 kappa - 2 skill.

    Scores grow with the margin, but what is far apart is wrong whatever the others are; and the fewer disagreements are
    confident, or the less the model knows, the more of them are its own errors.
    """
    return 2 + 0.75 * min(noise.margin, 3.0) - 3 * min(noise.confident_share, 1.0) - 2 * noise.skill
