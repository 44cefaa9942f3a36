"""Does the detector work on these data? Known wrong labels are planted in a copy, and it must find them.

An audit that finds nothing may mean that nothing is wrong, or that the predictions are useless: the share of planted
labels found (recall) tells the two apart. A useless model finds them too, for it flags nearly every label: so the share
of all labels flagged is counted beside.

Planted labels must be as hard as real ones, or recall says nothing. Copies of the errors that were found (true class,
given class) are planted in other items: in one copy where the model is sure of them, in another where the item invites
the mistake, and in two between. What explains how surely the real ones were found is the copy whose recall is told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from labelaudit.kernels import confident
from labelaudit.kernels.mixture import shares

SHARE, LEAST, MOST = 0.02, 100, 1_000
"""Planted in a copy: this share of the labels, at least and at most so many, and no more than a tenth of them."""

ENOUGH, REPEATS = 1_000, 5
"""Copies are made until so many were planted of a kind: of a small table, several, but no more than this."""

AMBIGUITY = (-2.0, -1.0, 0.0, 1.0)
"""Powers of the wrong label's predicted probability in the choice of the item, one to a copy: from errors where the
model is sure to those where the item invites them."""

CANDIDATES = 20
"""Rows that are looked at for each one planted: the choice costs the same however many rows there are."""

STEPS = 15
"""Classes of equal frequency into which the strengths of the found labels fall."""

Judge = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]
"""For labels (m,): the rows (m,) bool that the detector takes for wrong, how strongly each row speaks against its label
(m,) float, and the label that it takes for right (m,)."""


@dataclass(frozen=True)
class Canaries:
    """planted, wrong labels planted in rows that were trusted before; found, the expected number of them that the
    detector finds if they are as hard as the real ones (recall = found / planted). precision, the expected share of its
    flags that are right, by the detector's own probabilities; no measurement, and too high where the predictions are
    poor; NaN where nothing was flagged. planted_anywhere, found_anywhere: planted in rows drawn from all `judged` ones.
    flagged: of the judged rows, how many it took for wrong. found_anywhere / planted_anywhere - flagged / judged
    (Youden's J) is 0 for one that knows nothing.
    """

    planted: int
    found: float
    precision: float
    planted_anywhere: int
    found_anywhere: int
    flagged: int
    judged: int

    @property
    def recall(self) -> float:
        return self.found / self.planted if self.planted else float("nan")


def try_detector(
    labels: np.ndarray,
    judged: np.ndarray,
    pred_probs: np.ndarray | None,
    classes: int,
    judge: Judge,
    error_probability: np.ndarray,
    careless: np.ndarray | None = None,
    seed: int = 0,
) -> Canaries:
    """labels (m,) codes; judged (m,) bool, rows that the detector can judge at all; pred_probs (m, K) by row, or None;
    error_probability of the rows that the detector takes for wrong, as far as it knows; careless (m,): the expected
    error rate of each row's annotator, where it is known."""
    rng = np.random.default_rng(seed)
    if not judged.any():
        return Canaries(0, 0.0, float("nan"), 0, 0, 0, 0)
    taken, strength, suggested = judge(labels)
    taken = taken & judged
    rows = rng.permutation(np.flatnonzero(judged))
    planted = min(MOST, max(LEAST, round(SHARE * len(rows))), -(-len(rows) // 10))
    pairs = _pairs(labels, suggested, taken, pred_probs, classes)
    trusted = rows[~taken[rows]][: CANDIDATES * planted]
    kinds = []
    for power in AMBIGUITY if pred_probs is not None else (0.0,):
        tries = [
            _planted(labels, _drawn(labels, trusted, pairs, pred_probs, power, careless, planted, rng), judge)
            for _ in range(min(REPEATS, -(-ENOUGH // max(planted, 1))))
        ]
        kinds.append(tuple(np.concatenate(part) for part in zip(*tries, strict=True)))
    recall = _matched_recall(strength[taken], kinds)
    total = sum(len(flags) for flags, _ in kinds)
    anywhere, wrong = _drawn(labels, rows[:planted], pairs, None, 0.0, None, planted, rng)
    copy = labels.copy()
    copy[anywhere] = wrong
    again = judge(copy)[0]
    return Canaries(
        planted=total,
        found=recall * total,
        precision=float(error_probability.mean()) if len(error_probability) else float("nan"),
        planted_anywhere=len(anywhere),
        found_anywhere=int(again[anywhere].sum()),
        flagged=int(again[rows].sum()),
        judged=len(rows),
    )


def _pairs(labels, suggested, taken, pred_probs, classes: int) -> np.ndarray:
    """How often each class is labelled another, (K, K) as [true, given]: as found, and a little of every pair."""
    pairs = np.zeros((classes, classes))
    np.add.at(pairs, (suggested[taken], labels[taken]), 1)
    np.fill_diagonal(pairs, 0)
    share = np.bincount(labels, minlength=classes) + 1.0
    rates = np.outer(share, share)
    if pred_probs is not None:
        noise, _ = confident.survey(labels, np.ascontiguousarray(pred_probs, np.float32))
        rates = share[:, None] * confident.error_rates(noise.joint)
    np.fill_diagonal(rates, 0)
    return pairs + 5 * rates / rates.sum()


def _drawn(labels, rows, pairs, pred_probs, power: float, careless, size: int, rng) -> tuple[np.ndarray, np.ndarray]:
    """`size` of the rows without replacement, and a wrong label for each: class by class as often as `pairs` says."""
    given = labels[rows]
    weights = pairs[given].copy()
    if pred_probs is not None and power:
        tempting = np.maximum(pred_probs[rows], 1e-6).astype(np.float64) ** power
        totals = np.zeros_like(pairs)
        np.add.at(totals, given, tempting)
        weights *= tempting / totals[given]
    else:
        weights /= np.bincount(given, minlength=len(pairs))[given, None]
    if careless is not None:
        weights *= careless[rows, None]
    weights[np.arange(len(rows)), given] = 0
    # the rows with the greatest log weight + Gumbel noise are a weighted sample without replacement
    chance = np.log(np.maximum(weights.sum(1), 1e-300)) + rng.gumbel(size=len(rows))
    chosen = np.argsort(-chance, kind="stable")[:size]
    steps = weights[chosen].cumsum(1)
    wrong = (rng.random(len(chosen))[:, None] * steps[:, -1:] >= steps).sum(1).clip(max=len(pairs) - 1)
    return rows[chosen], wrong


def _planted(labels, chosen: tuple[np.ndarray, np.ndarray], judge: Judge) -> tuple[np.ndarray, np.ndarray]:
    """Which of the wrong labels planted in a copy are found, and how strongly those rows speak against their labels."""
    rows, wrong = chosen
    copy = labels.copy()
    copy[rows] = wrong
    flagged, strength, _ = judge(copy)
    return flagged[rows], strength[rows]


def _matched_recall(real: np.ndarray, kinds: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """Recall of planted labels that are as strong, where found, as the `real` ones that were found.

    kinds: found and strength of each kind planted. The mean of two estimates: the recall of the mixture of kinds that
    makes the strengths of the real ones likeliest, and that of the kind with the same upper decile. Where few were
    found, the mean of the kinds.
    """
    own = np.array([flags.mean() if len(flags) else 0.0 for flags, _ in kinds])
    told = [place for place, (flags, _) in enumerate(kinds) if flags.sum() > 3]
    if len(real) < 8 or len(kinds) == 1 or not told:
        return float(own.mean())
    steps = min(STEPS, max(3, len(real) // 8))
    edges = np.unique(np.quantile(real, np.linspace(0, 1, steps + 1)[1:-1]))

    def counted(strength: np.ndarray) -> np.ndarray:
        return np.bincount(np.searchsorted(edges, strength, side="right"), minlength=len(edges) + 1)

    seen = np.array([(counted(kinds[place][1][kinds[place][0]]) + 0.02) / len(kinds[place][0]) for place in told])
    mixed = shares(counted(real), seen) @ own[told]
    deciles = np.array([np.quantile(kinds[place][1][kinds[place][0]], 0.9) for place in told])
    order = np.argsort(deciles)
    matched = np.interp(np.quantile(real, 0.9), deciles[order], own[told][order])
    return float((mixed + matched) / 2)
