"""Plans of a human audit: how many rows, stratified by the detector's score, buy which half-width of the interval."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from labelaudit.errors import InvalidInput
from labelaudit.rates.expected_rates import Answers, guess_rates, mean_logits
from labelaudit.rates.expected_width import Prospect
from labelaudit.rates.strata import LEAST, stratify

NEVER = 1e-6
GROWTH = 3
"""A phase has at most this many times the answers that it was planned from."""
MORE = (0.5, 1, 1.5, 2, 3, 4)


@dataclass(frozen=True)
class AuditPlan:
    """How many rows to audit, and what for.

    rows in all, `half_width` to expect of the 95 % interval; sizes (H,) items and allocation (H,) rows by stratum, in
    the order of the score; `random_rows` that a plain random sample needs for the same half-width; `table` of (rows,
    half-width), what fewer and more would buy; `phase` (H,) of the allocation is to be answered before planning again,
    and is all of it in the last phase. What is answered already counts in rows, allocation and phase.
    """

    rows: int
    half_width: float
    sizes: np.ndarray
    allocation: np.ndarray
    random_rows: int
    table: tuple[tuple[int, float], ...]
    phase: np.ndarray


def plan_audit(
    doubt: ArrayLike,
    half_width: float | None = None,
    rows: int | None = None,
    prior_rate: float | None = None,
    past: Answers | None = None,
    answered: Answers | None = None,
) -> AuditPlan:
    """The audit that gives a 95 % interval of the wished half-width, or the half-width that `rows` give.

    doubt (n,) as for `stratify`; exactly one of half_width (0 to 0.5) and rows. prior_rate: the defect rate to expect.
    past: (sizes, audited, defects) by stratum of earlier audits, to learn rates from; answered: the same of this very
    audit's first phase, whose rows count: the plan's rows are then those in all, answered ones included.

    The score is not calibrated, so without answers the plan is a guess: audit `phase` first and plan again with
    `answered`, until `phase` is the whole allocation. The first phase is as small as an audit without a single defect
    could be. The half-width is what `defect_rate` gives for the answers to expect.
    """
    if (half_width is None) == (rows is None):
        raise InvalidInput("give either half_width or rows")
    if half_width is not None and not 0 < half_width < 0.5:
        raise InvalidInput("half_width must lie between 0 and 0.5")
    doubt = np.asarray(doubt, float)
    if not doubt.size:
        raise InvalidInput("there is no item to audit")
    codes = stratify(doubt)
    return plan_strata(np.bincount(codes), mean_logits(doubt, codes), half_width, rows, prior_rate, past, answered)


def plan_strata(
    sizes: np.ndarray,
    logits: np.ndarray,
    half_width: float | None = None,
    rows: int | None = None,
    prior_rate: float | None = None,
    past: Answers | None = None,
    answered: Answers | None = None,
) -> AuditPlan:
    """`plan_audit` of strata: sizes (H,) items and logits (H,) of their mean doubt."""
    prospect = prospect_of(sizes, logits, prior_rate, past, answered)
    before, items = int(prospect.audited.sum()), int(sizes.sum())
    if half_width is not None:
        rows = prospect.rows_for(half_width)
    rows = min(max(rows, before), items)
    more = sorted({min(max(round(rows * factor), before, 1), items) for factor in (1, *MORE)})
    widths = prospect.half_widths(more).tolist()
    width = widths[more.index(rows)]
    return AuditPlan(
        rows=rows,
        half_width=width,
        sizes=sizes,
        allocation=prospect.allocation(rows),
        random_rows=_random_rows(width, prospect),
        table=tuple(zip(more, widths, strict=True)),
        phase=next_phase(prospect, rows, half_width),
    )


def prospect_of(
    sizes: np.ndarray,
    logits: np.ndarray,
    prior_rate: float | None = None,
    past: Answers | None = None,
    answered: Answers | None = None,
) -> Prospect:
    """What to expect of strata, from guesses (see `guess_rates`) and from the answers so far."""
    curve, guesses = guess_rates(sizes, logits, prior_rate, past, answered)
    none = np.zeros_like(sizes)
    audited, defects = (none, none) if answered is None else (np.asarray(counts) for counts in answered[1:])
    return Prospect(sizes, curve, guesses, audited.astype(np.int64), defects.astype(float))


def next_phase(prospect: Prospect, rows: int, half_width: float | None = None) -> np.ndarray:
    """Of a plan of `rows`, those (H,) to have answered before planning again."""
    before = int(prospect.audited.sum())
    if before:
        most = before * GROWTH
    elif half_width is None:
        most = max(rows // GROWTH, LEAST * len(prospect.sizes))
    else:
        most = replace(prospect, guesses=np.full(len(prospect.sizes), NEVER)).rows_for(half_width)
    return prospect.allocation(min(most, rows))


def _random_rows(half_width: float, prospect: Prospect) -> int:
    whole = prospect.sizes.sum(keepdims=True)
    mean = prospect.sizes @ prospect.guesses / whole
    return Prospect(whole, mean, mean, np.zeros_like(whole), np.zeros(1)).rows_for(half_width)
