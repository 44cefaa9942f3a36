"""Makes the tables of thresholds: `python -m labelaudit.regressions.tabulate`, some minutes on one core.

Those of the quick terms are what a run would simulate itself, so that the demo's need not. Those of the default terms:
twice over all simulated points: first the tails of the scores, with nothing opened. A stream does not know its own rate
and overdispersion, and its threshold moves with what it believes; so the whole watch then runs with those thresholds,
and each tail is made as much fatter or thinner as there were more or fewer incidents than the budget.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

import numpy as np

from labelaudit.regressions import thresholds
from labelaudit.regressions.stream import DEFAULT, RHO, Terms
from labelaudit.regressions.thresholds import AGES, LEAST, QUICK, RATES, STREAMS, TABLES, UNITS
from labelaudit.regressions.watching import watch_all

BUDGET = 0.5
FEW, MOST = 0.25, 4.0
"""How far a tail's share may be changed."""


def main(progress: Callable[[str], None]) -> None:
    points = [(one, other, rho) for one in range(len(UNITS)) for other in range(len(RATES)) for rho in range(len(RHO))]
    table = np.zeros((len(UNITS), len(RATES), len(RHO), len(AGES), 3))
    for done, (one, other, rho) in enumerate(points):
        table[one, other, rho] = thresholds.when_needed(QUICK, one, other, rho)
        progress(f"quick terms: {done + 1} of {len(points)}")
    write(table, QUICK)
    for done, (one, other, rho) in enumerate(points):
        table[one, other, rho] = thresholds.simulate(DEFAULT, UNITS[one], RATES[other], RHO[rho], STREAMS)
        progress(f"tails: {done + 1} of {len(points)}")
    write(table, DEFAULT)
    corrected = table.copy()
    for done, (one, other, rho) in enumerate(points):
        corrected[one, other, rho, :, 2] *= excess(UNITS[one], RATES[other], RHO[rho])
        progress(f"incidents: {done + 1} of {len(points)}")
    write(corrected, DEFAULT)


def excess(units: float, rate: float, rho: float) -> np.ndarray:
    """Incidents of unchanging streams over what the budget allows, by band of age; at least 1 where LEAST decides."""
    x, n, ready = thresholds.unchanging(DEFAULT, units, rate, rho, STREAMS)
    found = watch_all(x, n, DEFAULT, BUDGET)
    opened = np.array([shift.opened for one in found for shift in one.shifts], int)
    young = (opened < ready + AGES[0]).sum()
    seen = np.array([young, len(opened) - young])
    expected = STREAMS * BUDGET / 365 * np.diff([0, *AGES])
    decided = np.mean([one.threshold for one in found]) <= LEAST
    return np.clip(seen / expected, 1.0 if decided else FEW, MOST)


def write(table: np.ndarray, terms: Terms) -> None:
    thresholds.place(TABLES[terms]).write_text(json.dumps(table.round(4).tolist()))
    thresholds.table.cache_clear()


if __name__ == "__main__":
    main(lambda text: print(text, file=sys.stderr))
