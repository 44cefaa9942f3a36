"""Classes that overlap, and what of it comes from the guideline being read differently by different sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincc, ndtr
from scipy.stats import false_discovery_control

from labelaudit.detectors.consensus import codes_of, names_of
from labelaudit.detectors.label_errors import validated
from labelaudit.errors import InvalidInput
from labelaudit.kernels import confident
from labelaudit.rates.intervals import wilson

FALSE_RATE = 0.05
BANDS = 4
"""Rows of a pair are compared within so many bands of the model's leaning from one class to the other."""
ROUNDS, MORE = 2_000, 24
"""Random exchanges of the sources behind a p-value."""
SCREENED, COMMON = 100, 15
LEAST_P = 1 / (1 + ROUNDS * (1 + MORE))
"""1 / 50,001: enough for 200 pairs."""
OUT_OF_REACH = 1e-9
MOST_PAIRS = 200
LEAST_ROWS = 20
"""Sources with fewer rows in a pair are left out of its test."""


@dataclass(frozen=True)
class Overlap:
    """One pair of classes a < b. ab: rows labelled a that the model confidently puts into b, of a_rows labelled a;
    ba likewise; overlap_rate = (ab + ba) / (a_rows + b_rows) with its 95 % interval (low, high). direction: "both", or
    the way in which clearly more rows lean: "a as b" is labelled b though the model says a. p_value, q_value: that the
    sources draw the line alike (None: fewer than two sources); q after correction over the pairs. source: the one that
    differs most, source_says: the class index it prefers, in source_rows rows of which source_says_rows are labelled
    so, where the others, on rows like these, would have labelled expected_rows so. sentence: the same in plain English.
    """

    a: int
    b: int
    ab: int
    ba: int
    a_rows: int
    b_rows: int
    overlap_rate: float
    low: float
    high: float
    direction: str
    p_value: float | None
    q_value: float | None
    source: object | None
    source_says: int | None
    source_rows: int
    source_says_rows: int
    expected_rows: float
    sentence: str

    @property
    def drawn_differently(self) -> bool:
        """Whether sources draw the line between the two classes differently."""
        return self.q_value is not None and self.q_value <= FALSE_RATE


def find_overlapping_classes(
    labels, pred_probs, sources=None, class_names: Sequence[str] | None = None, seed: int = 0
) -> list[Overlap]:
    """Find pairs of classes that are given for each other, the largest overlap (by the interval's low end) first.

    labels: int (n,), pred_probs: float (n, K), out of sample, as for `find_label_errors`. sources (n,): who labelled
    the row, an annotator or a vendor. class_names (K,). Raises InvalidInput. At most 200 pairs; pairs without a row are
    left out.

    Counts are the confident joint's (kernels/confident.py). Whether sources draw the line differently is asked of the
    rows that carry either label and whose likelier class of the two is at least half of the model's belief: they are
    put into bands by the model's leaning p_a / (p_a + p_b), and in each band every source should label a as often as
    the others. The statistic is sum_s (O_s - E_s)^2 / V_s with O_s the rows that s labels a, E and V hypergeometric
    within the bands (generalised Cochran-Mantel-Haenszel); its p-value is by random exchanges of labels within the
    bands, so it holds for small counts too; corrected by Benjamini and Hochberg. A source that is merely careless errs
    both ways and is not meant. The model must not know the source.
    """
    labels, pred_probs = validated(labels, pred_probs)
    classes = pred_probs.shape[1]
    names = (
        [f"class {code}" for code in range(classes)]
        if class_names is None
        else [str(class_name) for class_name in class_names]
    )
    if len(names) != classes:
        raise InvalidInput(f"class_names must be (K,) with K = {classes}, not ({len(names)},)")
    try:
        known, codes = (None, None) if sources is None else codes_of(names_of(sources))
    except TypeError as problem:
        raise InvalidInput(f"sources must be of one type, none missing: {problem}") from problem
    if codes is not None and codes.shape != labels.shape:
        raise InvalidInput(f"sources must be (n,) with n = {len(labels)}, not {codes.shape}")
    joint = confident.survey(labels, pred_probs)[0].joint
    rows = np.bincount(labels, minlength=classes)
    both = np.triu(joint + joint.T, 1)
    first, second = np.nonzero(both)
    low = [wilson(both[a, b], rows[a] + rows[b])[0] for a, b in zip(first, second, strict=True)]
    chosen = np.lexsort((second, first, -both[first, second], -np.array(low)))[:MOST_PAIRS]
    pairs = [(int(first[place]), int(second[place])) for place in chosen]
    tests = [_test(labels, pred_probs, codes, pair, seed) if codes is not None else None for pair in pairs]
    tested = [place for place, test in enumerate(tests) if test is not None]
    q_values = (
        dict(zip(tested, false_discovery_control([tests[place][0] for place in tested]), strict=True)) if tested else {}
    )
    return [
        _overlap(pair, joint, rows, names, known, tests[place], q_values.get(place)) for place, pair in enumerate(pairs)
    ]


def _test(labels, pred_probs, codes, pair, seed):
    """(p-value, source, class it prefers, its rows, how many it labels so, how many are expected), or None."""
    a, b = pair
    leaning_to, leaning_from = pred_probs[:, a], pred_probs[:, b]
    used = np.flatnonzero(((labels == a) | (labels == b)) & (leaning_to + leaning_from >= 0.5))
    counts = np.bincount(codes[used])
    used = used[counts[codes[used]] >= LEAST_ROWS]
    present, source = np.unique(codes[used], return_inverse=True)
    if len(present) < 2:
        return None
    leaning = leaning_to[used] / (leaning_to[used] + leaning_from[used])
    band = _bands(leaning)
    says = (labels[used] == a).astype(np.int64)
    table = np.zeros((band.max() + 1, len(present)), np.int64)
    np.add.at(table, (band, source), 1)
    drawn = np.bincount(band, weights=says, minlength=len(table)).astype(np.int64)
    total = table.sum(1)
    expected = (table * (drawn / total)[:, None]).sum(0)
    weight = drawn * (total - drawn) / np.maximum(total - 1, 1) / total**2
    variance = (table * (total[:, None] - table) * weight[:, None]).sum(0)
    observed = np.bincount(source, weights=says, minlength=len(present))
    if not (variance > 0).any():
        return None
    scale = np.where(variance > 0, variance, np.inf)
    p_value = _p_value(table, drawn, expected, scale, observed, [seed, a, b])
    most = int(np.argmax(np.abs(observed - expected) / np.sqrt(scale)))
    # the others' own rate in each band: the source must not count among those it is compared with
    others = np.maximum(total - table[:, most], 1)
    own = np.bincount(band[source == most], weights=says[source == most], minlength=len(table))
    would = float((table[:, most] * (drawn - own) / others).sum())
    rows, given = int(table[:, most].sum()), int(observed[most])
    if given >= would:
        return p_value, int(present[most]), a, rows, given, would
    return p_value, int(present[most]), b, rows, rows - given, rows - would


def _p_value(table, drawn, expected, scale, observed, seed: list[int]) -> float:
    """Share of random exchanges that differ as far; what is rare in the first ROUNDS is asked MORE times as often.

    Not asked at all is what differs as far in more than COMMON of SCREENED exchanges; no further, what lies so far out
    that no number of exchanges that we ask for would reach it, by a gamma with their moments."""
    statistic = ((observed - expected) ** 2 / scale).sum() * (1 - 1e-12)

    def exchanged(rounds: int, rng: np.random.Generator) -> np.ndarray:
        simulated = np.zeros((rounds, len(observed)))
        for band in range(len(table)):
            simulated += rng.multivariate_hypergeometric(table[band], drawn[band], rounds, method="marginals")
        return ((simulated - expected) ** 2 / scale).sum(1)

    screened = int((exchanged(SCREENED, np.random.default_rng([*seed, SCREENED])) >= statistic).sum())
    if screened > COMMON:
        return (1 + screened) / (1 + SCREENED)
    rng = np.random.default_rng(seed)
    as_far = rounds = 0
    for turn in range(1 + MORE):
        statistics = exchanged(ROUNDS, rng)
        as_far += int((statistics >= statistic).sum())
        rounds += ROUNDS
        if turn == 0 and as_far > 5:
            break
        if turn == 0 and not as_far and _tail(statistics, statistic) < OUT_OF_REACH:
            return LEAST_P
    return (1 + as_far) / (1 + rounds)


def _tail(statistics: np.ndarray, statistic: float) -> float:
    """The chance of at least `statistic`, of a gamma with the mean and variance of the simulated ones."""
    mean, variance = statistics.mean(), max(statistics.var(), 1e-12)
    return float(gammaincc(mean**2 / variance, statistic * mean / variance))


def _bands(leaning: np.ndarray) -> np.ndarray:
    """Bands of equal rows on each side of an even leaning: the sides are never mixed."""
    band = np.zeros(len(leaning), np.int64)
    for side, mine in enumerate((leaning < 0.5, leaning >= 0.5)):
        if mine.any():
            edges = np.quantile(leaning[mine], np.arange(1, BANDS) / BANDS)
            band[mine] = side * BANDS + np.searchsorted(edges, leaning[mine], side="right")
    return np.unique(band, return_inverse=True)[1]


def _overlap(pair, joint, rows, names, known, test, q_value) -> Overlap:
    a, b = pair
    # joint[true, given]
    ab, ba, a_rows, b_rows = int(joint[b, a]), int(joint[a, b]), int(rows[a]), int(rows[b])
    low, high = wilson(ab + ba, a_rows + b_rows)
    direction = _direction(ab, ba)
    words = (
        f"{names[a]!r} and {names[b]!r} overlap in {ab + ba:,} of {a_rows + b_rows:,} rows ({low:.1%} to {high:.1%})"
    )
    if direction == "both":
        words += f", both ways ({ba:,} look like {names[a]!r} but are labelled {names[b]!r}; {ab:,} the other way)"
    else:
        seen, given = (a, b) if direction == "a as b" else (b, a)
        words += f", mostly one way: {max(ab, ba):,} look like {names[seen]!r} but are labelled {names[given]!r}"
    p_value, source, says, source_rows, source_says, would = test or (None, None, None, 0, 0, 0.0)
    name = None if source is None else known[source : source + 1].tolist()[0]
    if q_value is not None and q_value <= FALSE_RATE:
        other = b if says == a else a
        words += (
            f"; the guideline is read in different ways: {name} says {names[says]!r} to {source_says:,} of its "
            f"{source_rows:,} rows of the two, where the others would to {would:,.0f}: it calls {names[says]!r} what "
            f"they call {names[other]!r}"
        )
    elif p_value is not None:
        words += "; no source clearly draws the line elsewhere"
    return Overlap(
        a,
        b,
        ab,
        ba,
        a_rows,
        b_rows,
        (ab + ba) / (a_rows + b_rows),
        low,
        high,
        direction,
        p_value,
        None if q_value is None else float(q_value),
        name,
        says,
        source_rows,
        source_says,
        would,
        words + ".",
    )


def _direction(ab: int, ba: int) -> str:
    """One-way where the smaller count is under half of the larger, beyond chance (sign test, normal, at 2.5 %)."""
    more, less = max(ab, ba), min(ab, ba)
    beyond = ndtr(-(more - less - 1) / max(np.sqrt(more + less), 1e-9)) < 0.025
    if less >= more / 2 or not beyond:
        return "both"
    return "a as b" if ba > ab else "b as a"
