"""Where the model is weak: slices of the rows that a person can name, found on one half and measured on the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from labelaudit.detectors import slice_candidates
from labelaudit.detectors.duplicates import is_texts, matrix
from labelaudit.errors import InvalidInput
from labelaudit.rates.intervals import wilson

FALSE_RATE = 0.05
"""Chance that anything is reported where no slice is weak (Holm's correction)."""


@dataclass(frozen=True)
class Slice:
    """rows (m,) int: all rows of the slice. rule: what they have in common. rate: of wrong rows (or the mean loss) with
    its 95 % interval (low, high), tested_rows, and rest_rate of the rest: all on rows not used to find the slice.
    p_value: one-sided, that it is no weaker than the rest, corrected over the slices tested. exemplars: up to five
    rows. sentence: the same in plain English.
    """

    rule: str
    rows: np.ndarray
    rate: float
    low: float
    high: float
    tested_rows: int
    rest_rate: float
    p_value: float
    exemplars: tuple[int, ...]
    sentence: str


def find_weak_slices(
    features, losses_or_wrong, names: Sequence[str] | None = None, most: int = 10, seed: int = 0
) -> list[Slice]:
    """Find the slices of the rows where the model is significantly weaker than elsewhere, the weakest first.

    features: with names (d,), a table (n, d) of numbers and texts (categories; None or NaN is "missing"), whose slices
    are rules like "age > 61 and country is 'NO'" (a shallow tree); without, an embedding (n, d), or n texts, whose
    slices are clusters, described by their most typical terms or by exemplars. losses_or_wrong (n,): bool, whether the
    model (out of sample) or the label is wrong, or float losses. n >= 40. Raises InvalidInput.

    A random half of the rows (by seed) proposes up to `most` slices that do not overlap; the other half alone measures
    them: wrong against the rest by Fisher's exact test, losses by Mann and Whitney's, one-sided, Holm-corrected. So
    with no weak slice anything is reported with probability .05 at most, and the rates are not inflated by the search.
    """
    values, is_rate = _checked(losses_or_wrong)
    n = len(values)
    rng = np.random.default_rng(seed)
    half = np.zeros(n, bool)
    half[rng.permutation(n)[: n // 2]] = True
    if names is not None:
        table = _table(features, names, n)
        candidates = slice_candidates.rules(table, [str(name) for name in names], values, half, most)
    elif is_texts(features):
        _length(len(features), n)
        candidates = slice_candidates.text_clusters(list(features), values, half, most, seed)
    else:
        rows = matrix(features)
        _length(len(rows), n)
        candidates = slice_candidates.clusters(rows, values, half, most, seed)
    measured = [
        (candidate, *_measure(values, candidate.member & ~half, ~candidate.member & ~half, is_rate))
        for candidate in candidates
    ]
    order = np.argsort([candidate[1] for candidate in measured], kind="stable")
    weak, corrected = [], 0.0
    for rank, place in enumerate(order):
        candidate, p_value, rate, low, high, rest = measured[place]
        corrected = max(corrected, min(1.0, p_value * (len(order) - rank)))
        if corrected <= FALSE_RATE:
            weak.append(
                _slice(candidate, rate, low, high, int((candidate.member & ~half).sum()), rest, corrected, is_rate)
            )
    return sorted(weak, key=lambda weak_slice: -weak_slice.low)


def _measure(values, inside, outside, is_rate):
    """(p-value, rate, low, high, rest's rate) on the rows that did not propose the slice."""
    own, others = values[inside], values[outside]
    if len(own) < 5 or len(others) < 5:
        return 1.0, 0.0, 0.0, 1.0, 0.0
    if is_rate:
        x, m = int(own.sum()), len(own)
        total = int(others.sum()) + x
        low, high = wilson(x, m)
        return float(stats.hypergeom.sf(x - 1, m + len(others), total, m)), x / m, low, high, float(others.mean())
    p_value = float(stats.mannwhitneyu(own, others, alternative="greater").pvalue)
    half = float(stats.t.ppf(0.975, len(own) - 1) * own.std(ddof=1) / np.sqrt(len(own)))
    return p_value, float(own.mean()), float(own.mean()) - half, float(own.mean()) + half, float(others.mean())


def _slice(candidate, rate, low, high, tested, rest, p_value, is_rate) -> Slice:
    rows = np.flatnonzero(candidate.member)
    if is_rate:
        said = (
            f"{rate:.1%} wrong ({low:.1%} to {high:.1%}, {tested:,} rows) where {candidate.rule}; elsewhere {rest:.1%}."
        )
    else:
        said = (
            f"mean loss {rate:.3g} ({low:.3g} to {high:.3g}, {tested:,} rows) where {candidate.rule};"
            f" elsewhere {rest:.3g}."
        )
    return Slice(
        candidate.rule, rows, rate, low, high, tested, rest, p_value, candidate.exemplars, said[0].upper() + said[1:]
    )


def _checked(losses_or_wrong) -> tuple[np.ndarray, bool]:
    values = np.asarray(losses_or_wrong)
    if values.ndim != 1 or len(values) < 40 or values.dtype.kind not in "biuf":
        raise InvalidInput(f"losses_or_wrong must be bool or float (n,), n >= 40, not {values.dtype} {values.shape}")
    is_rate = values.dtype.kind == "b"
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        raise InvalidInput(f"losses_or_wrong[{int(np.argmin(np.isfinite(values)))}] is not finite")
    return values, is_rate


def _table(features, names: Sequence[str], n: int) -> np.ndarray:
    table = np.asarray(features, dtype=object)
    if table.ndim != 2 or table.shape != (n, len(names)):
        raise InvalidInput(
            f"features must be (n, d) = {(n, len(names))} to fit losses_or_wrong and names: {table.shape}"
        )
    return table


def _length(given: int, n: int) -> None:
    if given != n:
        raise InvalidInput(f"features has {given} rows, losses_or_wrong {n}")
