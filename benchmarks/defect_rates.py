"""Defect rates from simulated audits: coverage, width beside a random sample's, and the planner's promise.

    python -m benchmarks.defect_rates [coverage | domains | promise ...]

Sets: public human and synthetic noise judged by our detector (where they are on this machine, see public_data.py),
small tables (noisy_tables.py), and made ones whose scores are calibrated, useless, perfect, or blind to some defects.
"once": the rows are shared out by the score alone; "in two": a third first, the rest by its answers. `surprises` are
the answers to expect that differ from their stratum's usual one, in strata that are not audited whole: where they are
few, the counts are too coarse for 95 %, and this interval errs to the wide side.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

import labelaudit
from benchmarks import noisy_tables, public_data
from labelaudit.rates.defect_rates import defect_rate, domain_rate
from labelaudit.rates.expected_rates import mean_logits
from labelaudit.rates.intervals import wilson
from labelaudit.rates.plans import next_phase, plan_strata, prospect_of
from labelaudit.rates.strata import allocate, stratify
from labelaudit.rates.weighted import finite_trials, weighted_interval

AUDITS = 1_000
ROWS = (100, 200, 400)
WISHED = (0.03, 0.02, 0.015)
PROMISED = 14
"""Audits of several phases a set and wished half-width; each plans anew after every phase."""
DOMAINS = (0.1, 0.25, 0.5)
TABLES = (
    ("digits", "uniform"),
    ("digits", "open-set"),
    ("made (4)", "instance-dependent"),
    ("made, rare classes", "one-sided"),
)
CONSOLE = Console(width=160)


@dataclass(frozen=True)
class Judged:
    """One set by strata: sizes, wrong and logits (H,), the true rate; and codes and wrong by item."""

    name: str
    sizes: np.ndarray
    wrong: np.ndarray
    logits: np.ndarray
    rate: float
    codes: np.ndarray
    wrong_items: np.ndarray


def judged(name: str, doubt: np.ndarray, wrong: np.ndarray) -> Judged:
    codes = stratify(doubt)
    of_strata = np.bincount(codes, wrong).astype(np.int64)
    return Judged(
        name, np.bincount(codes), of_strata, mean_logits(doubt, codes), float(wrong.mean()), codes, wrong.astype(bool)
    )


def detected(name: str, labels: np.ndarray, pred_probs: np.ndarray, wrong: np.ndarray) -> Judged:
    return judged(name, 1 - labelaudit.find_label_errors(labels, pred_probs).label_quality, wrong)


def sets() -> Iterator[Judged]:
    if public_data.present():
        for name, arrays in public_data.label_noise().items():
            yield detected(name, *arrays)
    for table, noise in TABLES:
        one = noisy_tables.made(table, noise, ("logistic",))[0]
        yield detected(f"{table}, {noise}", one.labels, one.pred_probs, one.wrong)
    rng = np.random.default_rng(0)
    for mean, spread in ((0.01, 5.0), (0.1, 3.0), (0.3, 2.0)):
        p = rng.beta(mean * spread, (1 - mean) * spread, 20_000)
        yield judged(f"calibrated {mean:.0%}", p, rng.random(p.size) < p)
    for rate in (0.002, 0.02, 0.1, 0.3):
        yield judged(f"useless score, {rate:.1%}", rng.random(20_000), rng.random(20_000) < rate)
    wrong = rng.random(20_000) < 0.1
    yield judged("separating, 10%", np.where(wrong, 0.8, 0.0) + 0.2 * rng.random(20_000), wrong)
    yield judged("half of 10% unseen", _scores(rng, wrong & (rng.random(20_000) < 0.5)), wrong)
    for n, rate in ((20_000, 0.002), (300, 0.08), (1_000, 0.08), (2_000, 0.08)):
        wrong = rng.random(n) < rate
        yield judged(f"{n} items, {rate:.1%}", _scores(rng, wrong), wrong)


def _scores(rng: np.random.Generator, wrong: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(2 - rng.normal(size=wrong.size) - 3 * wrong))


def answered(
    judged: Judged, rng: np.random.Generator, more: np.ndarray, audited: np.ndarray, x: np.ndarray
) -> np.ndarray:
    """Defects among `more` (R, H) rows drawn after `audited` ones held x defects."""
    wrong, fine = judged.wrong - x, judged.sizes - judged.wrong - (audited - x)
    return np.where(more > 0, rng.hypergeometric(wrong, fine, np.maximum(more, 0)), 0)


def coverage(every: list[Judged]) -> None:
    table = Table(
        "set", "rate", "rows", "surprises", "once", "half-width", "random", "rows for it", "in two", "half-width"
    )
    rng = np.random.default_rng(1)
    once, in_two = [], []
    for one in every:
        for rows in ROWS:
            if rows >= one.sizes.sum():
                continue
            plan = plan_strata(one.sizes, one.logits, rows=rows)
            m = np.tile(plan.allocation, (AUDITS, 1))
            covered, width = _intervals(one, m, answered(one, rng, m, 0 * m, 0 * m))
            m = np.tile(plan.phase, (AUDITS, 1))
            x = answered(one, rng, m, 0 * m, 0 * m)
            shape = prospect_of(one.sizes, one.logits, answered=(one.sizes, m, x)).shares
            total = np.stack([allocate(one.sizes, *given) for given in zip(shape, [rows] * AUDITS, m, strict=True)])
            x += answered(one, rng, total - m, m, x)
            covered_in_two, width_in_two = _intervals(one, total, x)
            p = one.wrong / one.sizes
            part = plan.allocation < one.sizes
            surprises = float((part * plan.allocation) @ np.minimum(p, 1 - p))
            once.append((covered, rows, one.name, surprises))
            in_two.append((covered_in_two, rows, one.name, surprises))
            table.add_row(
                one.name,
                f"{one.rate:.2%}",
                str(rows),
                f"{surprises:.1f}",
                _marked(covered),
                f"{width:.4f}",
                f"{_random_half_width(one.rate, rows):.4f}",
                str(_random_rows(one.rate, width)),
                _marked(covered_in_two),
                f"{width_in_two:.4f}",
            )
    CONSOLE.print(table)
    for name, found in (("once", once), ("in two", in_two)):
        _worst(name, [case for case in found if case[1] == 200])


def _intervals(judged: Judged, m: np.ndarray, x: np.ndarray) -> tuple[float, float]:
    """As `defect_rate`, over all audits at once: share that covers, mean half-width."""
    low, high = weighted_interval(judged.sizes / judged.sizes.sum(), finite_trials(judged.sizes, m), x / m)
    return float(np.mean((low <= judged.rate + 1e-12) & (judged.rate <= high + 1e-12))), float(np.mean(high - low)) / 2


def _marked(covered: float) -> str:
    return f"{covered:.3f}" if 0.93 <= covered <= 0.98 else f"[bold]{covered:.3f}[/]"


def _worst(name: str, found: list[tuple[float, int, str, float]]) -> None:
    low, high = min(found), max(found)
    outside = [f"{case[2]} {case[0]:.3f} ({case[3]:.1f} surprises)" for case in found if not 0.93 <= case[0] <= 0.98]
    CONSOLE.print(
        f"200 rows, {name}: {low[0]:.3f} ({low[2]}) to {high[0]:.3f} ({high[2]}); outside .93 to .98: {outside}"
    )


def _random_half_width(rate: float, rows: int) -> float:
    """Mean over the binomial of Wilson's half-width."""
    x = np.random.default_rng(0).binomial(rows, rate, 400)
    return float(np.mean([(high - low) / 2 for low, high in (wilson(defects, rows) for defects in x)]))


def _random_rows(rate: float, half_width: float) -> int:
    low, high = 1, 1_000_000
    while low < high:
        middle = (low + high) // 2
        ends = wilson(rate * middle, middle)
        low, high = (low, middle) if (ends[1] - ends[0]) / 2 <= half_width else (middle + 1, high)
    return low


def domains(every: list[Judged], audits: int = 300, rows: int = 200) -> None:
    """Parts of a set that a vendor or a class is: drawn at random, and with more of the doubtful items."""
    table = Table("set", "part", "chosen", "true rate", "mean audited", "covered", "half-width")
    rng = np.random.default_rng(2)
    for one in every[::3]:
        allocation = plan_strata(one.sizes, one.logits, rows=min(rows, int(one.sizes.sum()) // 2)).allocation
        for part in DOMAINS:
            for chosen in ("at random", "doubtful"):
                weight = 1.0 if chosen == "at random" else 0.5 + one.codes / max(one.codes.max(), 1)
                inside = rng.random(one.codes.size) < part * weight
                sizes = np.bincount(one.codes[inside], minlength=len(one.sizes))
                wrong = np.bincount(one.codes[inside], one.wrong_items[inside], len(one.sizes)).astype(np.int64)
                m = rng.hypergeometric(sizes, one.sizes - sizes, allocation, (audits, len(sizes)))
                x = np.where(m > 0, rng.hypergeometric(wrong, sizes - wrong, np.maximum(m, 1)).clip(max=m), 0)
                found = [rate for given in zip(m, x, strict=True) if (rate := domain_rate(sizes, *given))]
                truth = wrong.sum() / sizes.sum()
                covered = float(np.mean([rate.low <= truth <= rate.high for rate in found]))
                width = float(np.mean([rate.high - rate.low for rate in found])) / 2
                table.add_row(
                    one.name,
                    f"{part:.0%}",
                    chosen,
                    f"{truth:.2%}",
                    f"{m.sum(axis=1).mean():.0f}",
                    _marked(covered),
                    f"{width:.3f}",
                )
    CONSOLE.print(table)


def promise(every: list[Judged], audits: int = PROMISED) -> None:
    """Audits in phases, as `plan_audit` asks for: mean half-width over the wished one."""
    table = Table("set", "rate", *[f"{w}: ratio | rows | phases" for w in WISHED], "covered")
    rng = np.random.default_rng(3)
    ratios = []
    for one in every:
        cells, covered = [], []
        for wished in WISHED:
            found = [_phased(one, wished, rng) for _ in range(audits)]
            ratio = float(np.mean([width for width, *_ in found])) / wished
            ratios.append((ratio, one.name, wished))
            covered += [inside for *_, inside in found]
            cells.append(f"{ratio:.3f} | {np.mean([f[1] for f in found]):.0f} | {np.mean([f[2] for f in found]):.1f}")
        table.add_row(one.name, f"{one.rate:.2%}", *cells, f"{np.mean(covered):.3f}")
    CONSOLE.print(table)
    outside = [case for case in ratios if not 0.9 <= case[0] <= 1.1]
    CONSOLE.print(f"promise: worst {min(ratios)} and {max(ratios)}; outside .9 to 1.1: {outside}")


def _phased(judged: Judged, wished: float, rng: np.random.Generator) -> tuple[float, int, int, bool]:
    m = x = np.zeros_like(judged.sizes)
    phases = 0
    while True:
        prospect = prospect_of(judged.sizes, judged.logits, answered=(judged.sizes, m, x) if phases else None)
        rows = prospect.rows_for(wished)
        if m.sum() >= rows:
            break
        phase = next_phase(prospect, rows, wished)
        x = x + answered(judged, rng, phase - m, m, x)
        m, phases = phase, phases + 1
    rate = defect_rate(judged.sizes, m, x)
    return (rate.high - rate.low) / 2, int(m.sum()), phases, rate.low <= judged.rate <= rate.high


def main(wished: list[str]) -> None:
    every = list(sets())
    for name, run in (("coverage", coverage), ("domains", domains), ("promise", promise)):
        if not wished or name in wished:
            started = time.perf_counter()
            run(every)
            CONSOLE.print(f"{name}: {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
