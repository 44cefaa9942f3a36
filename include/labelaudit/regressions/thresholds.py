"""The score at which an incident opens, by simulation: what keeps false incidents within the budget of a contract.

The watch itself runs on simulated streams that never change, with the stream's own units, rate and overdispersion; the
threshold is the height that their scores pass as often as the budget allows. For the terms of TABLES the simulations
stand beside this module, made by `python -m labelaudit.regressions.tabulate`; for others they are run when needed.
"""

from __future__ import annotations

import json
from functools import cache
from math import ceil
from pathlib import Path

import numpy as np

from labelaudit.regressions.stream import DEFAULT, RHO, Streams, Terms, step

UNITS = np.array([4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096], float)
RATES = np.array([0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4])
AGES = (30, 120)
"""Releases since the stream was ready: young until the first, when baselines are least sure, then settled."""
STREAMS = 1500
TAIL = 0.2
"""Share of the simulated streams, those with the highest scores, that the exponential tail is fitted to."""
HIGHEST = 60.0
LEAST = 4.0
"""No incident opens below it, whatever the budget: large streams reach it within days, tiny ones by chance only."""
Tail = tuple[float, float, float]
"""Start and mean excess of an exponential tail, and the share of streams in it."""
QUICK = Terms(learning_releases=7, learning_units=150)
"""A week of learning, as of the demo's contract."""
TABLES = {DEFAULT: "thresholds.json", QUICK: "thresholds_quick.json"}
"""File beside this module, by the terms that thresholds depend on."""


def thresholds(
    units: np.ndarray,
    rates: np.ndarray,
    rho_weights: np.ndarray,
    ages: np.ndarray,
    budgets: np.ndarray,
    terms: Terms = DEFAULT,
) -> np.ndarray:
    """The scores (S,) above which the incidents of S streams open.

    units (S,): mean of a release. rates (S,): their baselines. rho_weights (S, len(RHO)): what is known of the
    overdispersion. ages (S,): releases since they were ready. budgets (S,): false incidents allowed in 365 releases.
    Linear between simulated points in log units and log rate.
    """
    bands = (ages >= AGES[0]).astype(int)
    releases = np.diff([0, *AGES])[bands]
    tail = 1 - np.exp(-budgets / 365 * releases)
    corners = [
        (one, other, share * part) for one, share in _between(UNITS, units) for other, part in _between(RATES, rates)
    ]
    found, likely = np.zeros(len(units)), np.flatnonzero(rho_weights.max(axis=0) > 0.02)
    for one, other, share in corners:
        tails = np.zeros((len(units), len(RHO), 3))
        for rho in likely:
            tails[:, rho] = _tails(terms, one, other, rho)[np.arange(len(units)), bands]
        found += share * _height(tails, rho_weights, tail)
    return np.maximum(LEAST, found)


def _height(tails: np.ndarray, weights: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Where the wanted share (S,) of streams passes, over what the overdispersion may be: tails (S, len(RHO), 3)."""
    start, mean, share = np.moveaxis(tails, 2, 0)
    low, high = np.zeros(len(wanted)), np.full(len(wanted), HIGHEST)
    for _ in range(24):
        middle = (low + high) / 2
        over = np.maximum(0, middle[:, None] - start)
        passing = share * np.exp(-over / np.maximum(mean, 1e-9)) * (mean > 0)
        enough = (weights * passing).sum(axis=1) <= wanted
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return high


def _between(grid: np.ndarray, values: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    values = np.clip(values, grid[0], grid[-1])
    above = np.clip(np.searchsorted(grid, values), 1, len(grid) - 1)
    share = np.log(values / grid[above - 1]) / np.log(grid[above] / grid[above - 1])
    return [(above - 1, 1 - share), (above, share)]


def _tails(terms: Terms, units: np.ndarray, rates: np.ndarray, rho: int) -> np.ndarray:
    """(S, bands, 3) of Tail, at simulated points."""
    name = TABLES.get(watched(terms))
    if name and place(name).exists():
        return table(name)[units, rates, rho]
    points = zip(units.tolist(), rates.tolist(), strict=True)
    return np.array([when_needed(watched(terms), one, other, rho) for one, other in points])


def when_needed(terms: Terms, units: int, rate: int, rho: int) -> list[Tail]:
    """By band of age, at the simulated point of these indices: of as many streams as a run has time for."""
    return simulate(terms, UNITS[units], RATES[rate], RHO[rho], STREAMS // 5)


def watched(terms: Terms) -> Terms:
    """The terms that thresholds depend on."""
    return Terms(terms.effect, terms.learning_releases, terms.learning_units)


@cache
def table(name: str) -> np.ndarray:
    """(units, rates, RHO, bands, 3) of Tail."""
    return np.array(json.loads(place(name).read_text()))


def place(name: str) -> Path:
    """Where a table of TABLES is."""
    return Path(__file__).with_name(name)


@cache
def simulate(terms: Terms, units: float, rate: float, rho: float, streams: int) -> list[Tail]:
    """Highest scores of unchanging streams, by band of age."""
    x, n, ready = unchanging(terms, units, rate, rho, streams)
    state, highest = Streams.new(streams), np.zeros((len(AGES), streams))
    for release in range(x.shape[1]):
        step(state, x[:, release], n[:, release], terms, np.inf)
        band = int(release >= ready + AGES[0])
        np.maximum(highest[band], state.score, out=highest[band])
    found = []
    for scores in highest:
        start = np.quantile(scores, 1 - TAIL)
        above = scores[scores > start] - start  # a step's limit may put many at one height
        mean = float(above.mean()) if len(above) else 0.0
        found.append((round(float(start), 3), round(mean, 3), round(len(above) / streams, 4)))
    return found


def unchanging(terms: Terms, units: float, rate: float, rho: float, streams: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Counts x of n (streams, T) of streams that never change, and the release at which they are about ready."""
    rng = np.random.default_rng([int(units), int(rate * 1e6), int(rho * 1e6)])
    ready = max(terms.learning_releases, ceil(terms.learning_units / units))
    n = np.maximum(rng.poisson(units, (streams, ready + AGES[-1])), 1)
    size = (1 - rho) / rho
    return rng.binomial(n, rng.beta(rate * size, (1 - rate) * size, n.shape)), n, ready
