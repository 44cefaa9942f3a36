"""Incidents of a simulated fleet: ours beside the usual monitors, on the same counts.

    python -m benchmarks.regressions [fleets]

1. Fleets as in METHODS section 4: 4,000 streams, 90 days, 5 % truly double (between day 20 and 76); units a day 8 to
   500, base rate 0.5 to 25 % (both log-uniform), overdispersion 0 to 0.03.
2. The budget, regime by regime: streams that never change, each regime a task of its own with its own pool.
3. Drifts, uneven days, shared bad days; a tiny stream through a year.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from labelaudit.regressions import Terms, watch_all

STREAMS, DAYS, DOUBLING = 4000, 90, 0.05
RHOS = (0.0, 0.001, 0.003, 0.01, 0.03)
BUDGET = 0.6
MONTH = 3000
"""Streams x days that "per 100 streams and 30 days" speaks of."""


@dataclass(frozen=True)
class Fleet:
    """counts x of n (S, T); change (S,): the day from which the rate is double, beyond T where never."""

    x: np.ndarray
    n: np.ndarray
    change: np.ndarray


def counts(rng: np.random.Generator, n: np.ndarray, rate: np.ndarray, rho: np.ndarray) -> np.ndarray:
    """Beta-binomial counts; n, rate, rho broadcast."""
    size = (1 - rho) / np.maximum(rho, 1e-9)
    theta = np.where(
        rho > 0, rng.beta(np.maximum(rate * size, 1e-9), np.maximum((1 - rate) * size, 1e-9), n.shape), rate
    )
    return rng.binomial(n, theta)


def fleet(seed: int) -> Fleet:
    rng = np.random.default_rng(seed)
    usual = np.exp(rng.uniform(np.log(8), np.log(500), STREAMS))[:, None]
    base = np.exp(rng.uniform(np.log(0.005), np.log(0.25), STREAMS))[:, None]
    rho = rng.choice(RHOS, STREAMS)[:, None]
    n = np.maximum(1, rng.poisson(usual, (STREAMS, DAYS)))
    change = np.full(STREAMS, 10**6)
    worse = rng.random(STREAMS) < DOUBLING
    change[worse] = rng.integers(20, 76, worse.sum())
    rate = np.where(np.arange(DAYS) >= change[:, None], 2 * base, base)
    return Fleet(counts(rng, n, rate, rho), n, change)


Alarms = list[tuple[int, int]]
"""(stream, day) of every incident, in order of the days."""


def z_score(f: Fleet) -> Alarms:
    """Three standard deviations above the last 14 days: the usual monitor."""
    rate, found = f.x / f.n, []
    for day in range(14, DAYS):
        past = rate[:, day - 14 : day]
        found.append(rate[:, day] > past.mean(1) + 3 * np.maximum(past.std(1, ddof=1), 1e-12))
    return alarms(found, 14)


def yesterday(f: Fleet) -> Alarms:
    rate = f.x / f.n
    return alarms([rate[:, day] > 1.5 * rate[:, day - 1] for day in range(1, DAYS)], 1)


def p_chart(f: Fleet, spread: bool = False) -> Alarms:
    """Three sigma limits of the binomial; spread: Laney's p', which widens them by the deviations' own spread."""
    x, n, found = np.cumsum(f.x, 1), np.cumsum(f.n, 1), []
    for day in range(14, DAYS):
        usual = (x[:, day - 1] / n[:, day - 1])[:, None]
        sigma = np.sqrt(np.maximum(usual * (1 - usual), 1e-12) / f.n[:, : day + 1])
        z = (f.x[:, : day + 1] / f.n[:, : day + 1] - usual) / sigma
        widened = np.abs(np.diff(z[:, :day], axis=1)).mean(1) / 1.128 if spread else 1.0
        found.append((z[:, day] > 3 * np.maximum(widened, 1e-12)) & (f.x[:, day] > 0))
    return alarms(found, 14)


def benjamini_hochberg(f: Fleet) -> Alarms:
    x, n, found = np.cumsum(f.x, 1), np.cumsum(f.n, 1), []
    for day in range(14, DAYS):
        p = stats.binom.sf(f.x[:, day] - 1, f.n[:, day], np.maximum(x[:, day - 1], 0.5) / n[:, day - 1])
        order = np.argsort(p)
        below = np.flatnonzero(p[order] <= 0.05 * np.arange(1, STREAMS + 1) / STREAMS)
        hit = np.zeros(STREAMS, bool)
        hit[order[: below[-1] + 1 if len(below) else 0]] = True
        found.append(hit)
    return alarms(found, 14)


def ours(f: Fleet, budget: float = BUDGET, **terms: float) -> Alarms:
    watched = watch_all(f.x, f.n, Terms(**terms), budget)
    return sorted(
        ((stream, shift.opened) for stream, seen in enumerate(watched) for shift in seen.shifts), key=lambda a: a[1]
    )


def alarms(days: list[np.ndarray], first: int) -> Alarms:
    return [(int(stream), first + at) for at, hits in enumerate(days) for stream in np.flatnonzero(hits)]


def score(f: Fleet, alarms: Alarms) -> tuple[int, int, int, int, int]:
    """False incidents, days on which one would be false, incidents, doublings found within 14 days, doublings."""
    stream, day = (np.array(part, int) for part in zip(*alarms, strict=True)) if alarms else (np.zeros(0, int),) * 2
    true = day >= f.change[stream]
    hit = set(stream[true & (day < f.change[stream] + 14)])
    days = f.x.shape[1]
    return (
        int((~true).sum()),
        int(np.minimum(f.change, days).sum()),
        len(stream),
        len(hit),
        int((f.change < days).sum()),
    )


def compare(fleets: int) -> None:
    policies: dict[str, Callable[[Fleet], Alarms]] = {
        "z-score 3 sigma, 14 days": z_score,
        "today / yesterday > 1.5": yesterday,
        "p-chart": p_chart,
        "Laney p'": lambda f: p_chart(f, spread=True),
        "exact binomial + Benjamini-Hochberg": benjamini_hochberg,
        f"ours, {BUDGET} false incidents in 365 releases": ours,
        "ours, 1": lambda f: ours(f, 1.0),
        "ours, 0.3": lambda f: ours(f, 0.3),
    }
    total = {name: np.zeros(5) for name in policies}
    for seed in range(fleets):
        f = fleet(seed)
        for name, policy in policies.items():
            total[name] += score(f, policy(f))
        print(f"fleet {seed + 1} of {fleets}", file=sys.stderr)
    print(f"\n{fleets} fleets of {STREAMS} streams, {DAYS} days, {total['p-chart'][4]:.0f} doublings")
    print(f"{'policy':44} {'false per 100 streams, 30 days':>31} {'precision':>10} {'found in 14 days':>17}")
    for name, (false, days, opened, found, doublings) in total.items():
        print(f"{name:44} {false / days * MONTH:31.1f} {1 - false / max(1, opened):10.0%} {found / doublings:17.1%}")


def regimes(streams: int = 1000) -> None:
    print(f"\nfalse incidents against the budget ({BUDGET} in 365 releases), {streams} streams, 90 watched releases")
    print(f"{'units':>6} {'rate':>6} " + "".join(f"{f'rho {rho:g}':>11}" for rho in RHOS))
    worst = 0.0
    for units in (8, 20, 50, 150, 500):
        for rate in (0.005, 0.02, 0.08, 0.25):
            ratios = [steady(units, rate, rho, streams) for rho in RHOS]
            worst = max(worst, *ratios)
            print(f"{units:6} {rate:6.1%} " + "".join(f"{ratio:11.2f}" for ratio in ratios), flush=True)
    print(f"worst: {worst:.2f} (asked: at most 1.5)")


def steady(units: int, rate: float, rho: float, streams: int, change: Callable | None = None) -> float:
    """False incidents of streams that never get worse, as a multiple of the budget."""
    rng = np.random.default_rng([units, int(rate * 1e4), int(rho * 1e4)])
    days = max(14, -(-200 // units)) + 90
    n = np.maximum(1, rng.poisson(units, (streams, days)))
    rates = np.full((streams, days), rate)
    if change:
        n, rates = change(rng, n, rates)
    f = Fleet(counts(rng, n, rates, np.array(rho)), n, np.full(streams, 10**6))
    return len(ours(f)) / (streams * 90 * BUDGET / 365)


def drifts(streams: int = 1000) -> None:
    def walk(rng: np.random.Generator, n: np.ndarray, rate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return n, rate * np.exp(np.clip(np.cumsum(rng.normal(0, 0.02, rate.shape), axis=1), -0.4, 0.4))

    def season(rng: np.random.Generator, n: np.ndarray, rate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        phase = rng.uniform(0, 2 * np.pi, (len(n), 1))
        return n, rate * (1 + 0.2 * np.sin(2 * np.pi * np.arange(n.shape[1]) / 30 + phase))

    def weekends(rng: np.random.Generator, n: np.ndarray, rate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        off = np.arange(n.shape[1]) % 7 >= 5
        return np.where(off, np.maximum(1, n // 10), n), rate

    def gaps(rng: np.random.Generator, n: np.ndarray, rate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.maximum(1, (n * rng.lognormal(-0.3, 0.8, n.shape)).astype(int)), rate

    def slow(rng: np.random.Generator, n: np.ndarray, rate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return n, rate * 1.3 ** (np.arange(n.shape[1]) / n.shape[1])

    def bad_days(rng: np.random.Generator, n: np.ndarray, rate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """One day in 30, the rate is double for all streams at once: a shared cause that is over tomorrow."""
        return n, np.where(rng.random(n.shape[1]) < 1 / 30, 2 * rate, rate)

    print("\ndrifts and uneven days, as a multiple of the budget (100 units; rate 5 %; rho 0 | 0.01)")
    changes = {
        "random walk, 2 % a day, within 1.5 times": walk,
        "monthly wave of 20 %": season,
        "weekends with a tenth": weekends,
        "very uneven days": gaps,
        "up by 30 % over the time": slow,
        "single bad days of all streams": bad_days,
    }
    for name, change in changes.items():
        found = [steady(100, 0.05, rho, streams, change) for rho in (0.0, 0.01)]
        print(f"{name:44} {found[0]:6.2f} | {found[1]:.2f}", flush=True)


def year(streams: int = 400) -> None:
    print("\na tiny stream, 20 units a day, for a year at a constant rate: share of streams that stay quiet")
    for rate in (0.01, 0.05, 0.1, 0.2):
        rng = np.random.default_rng(int(rate * 100))
        n = np.full((streams, 365), 20)
        f = Fleet(rng.binomial(20, rate, n.shape), n, np.full(streams, 10**6))
        opened = ours(f)
        print(f"rate {rate:4.0%}: {1 - len({stream for stream, _ in opened}) / streams:.1%}", flush=True)


if __name__ == "__main__":
    compare(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
    regimes()
    drifts()
    year()
