"""Do acceptance plans decide as often as they say? Simulated lots beside the exact numbers, and what an AQL gives.

    python -m benchmarks.acceptance

Every plan kind on several contracts, with a lot without end and lots of known size. 40,000 lots a point are audited
item by item (the next is a defect with what the lot still holds), which shares no formula with the plans; 3,000 more
go through `decide_in_order` itself. Fails if a simulated probability is more than one percentage point off.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

from labelaudit.acceptance.plan import AcceptancePlan
from labelaudit.acceptance.sequential import sequential_plan
from labelaudit.acceptance.single import SinglePlan, single_plan

LOTS, WALKED = 40_000, 3_000
CONTRACTS = [(0.01, 0.05, 0.06, 0.10), (0.01, 0.05, 0.03, 0.10), (0.05, 0.05, 0.15, 0.05), (0.0, 0.05, 0.03, 0.10)]
SIZES = [None, 300, 5_000, 10_000_000]
TABLES = [(80, 2), (125, 3), (200, 5), (315, 7), (500, 10), (800, 14)]
"""ISO 2859-1, general level II, normal inspection, AQL 1.0: code letters J, K, L, M, N, P."""


@dataclass(frozen=True)
class Simulated:
    accepted: float
    audited: float


def main() -> None:
    console, started, rng = Console(width=150), time.perf_counter(), np.random.default_rng(0)
    table = Table(
        "contract", "lot", "plan", "n", "Ac", "rate", "accepts: exact", "simulated", "walked", "audits: exact"
    )
    table.add_column("simulated")
    worst = worst_audited = worst_walked = 0.0
    points = 0
    for contract in CONTRACTS:
        for size in SIZES:
            single = single_plan(*contract, lot_items=size)
            sequential = sequential_plan(*contract, lot_items=size)
            between = (contract[0] + contract[2]) / 2
            for rate in (contract[0], between, contract[2], 1.5 * contract[2]):
                exact = single.operating_characteristic([rate])[0]
                whole = whole_samples(single, rate, rng)
                worst, points = max(worst, abs(whole - exact)), points + 1
                name = " ".join(f"{number:g}" for number in contract), "∞" if size is None else f"{size:,}"
                shown = f"{rate:.3g}", f"{exact:.4f}", f"{whole:.4f}"
                table.add_row(*name, "single", str(single.n), str(single.accept), *shown, "", str(single.n), "")
                for kind, plan in (("curtailed", single), ("sequential", sequential)):
                    exact, mean = plan.operating_characteristic([rate])[0], plan.expected_audited([rate])[0]
                    made, walked = item_by_item(plan, rate, rng), walk(plan, rate, rng)
                    worst, points = max(worst, abs(made.accepted - exact)), points + 1
                    worst_audited = max(worst_audited, abs(made.audited / mean - 1))
                    error = np.sqrt(max(exact * (1 - exact), 1 / WALKED) / WALKED)
                    worst_walked = max(worst_walked, abs(walked - exact) / error)
                    table.add_row(
                        *("", "", kind, str(plan.n), str(int(plan.accept_at[-1])), f"{rate:.3g}"),
                        *(
                            f"{exact:.4f}",
                            f"{made.accepted:.4f}",
                            f"{walked:.3f}",
                            f"{mean:.1f}",
                            f"{made.audited:.1f}",
                        ),
                    )
    console.print(table)
    console.print(promises())
    console.print(aql())
    console.print(
        f"{points} points, {LOTS:,} simulated lots each: acceptance at most {100 * worst:.2f} percentage points off, "
        f"mean audited at most {100 * worst_audited:.2f} % off; {WALKED:,} walked by decide_in_order: "
        f"at most {worst_walked:.1f} standard errors off; {time.perf_counter() - started:.0f} s"
    )
    if worst > 0.01:
        sys.exit("a plan does not decide as it says")


def promises() -> Table:
    """What each contract costs, and that both its risks are kept."""
    table = Table("contract", "lot", "plan", "n", "producer's risk", "consumer's risk", "audited if good", "if bad")
    for contract in CONTRACTS:
        for size in SIZES:
            for plan in (single_plan(*contract, lot_items=size), sequential_plan(*contract, lot_items=size)):
                risks = plan.risks(contract[0], contract[2])
                audited = plan.expected_audited([contract[0], contract[2]])
                table.add_row(
                    *(" ".join(f"{number:g}" for number in contract), "∞" if size is None else f"{size:,}", plan.kind),
                    *(str(plan.n), *(f"{risk:.4f}" for risk in risks), *(f"{mean:.0f}" for mean in audited)),
                )
    return table


def aql() -> Table:
    """What plans by AQL tables do for the consumer, beside plans that promise 3 % is accepted with at most 10 %."""
    rates = [0.01, 0.02, 0.03, 0.04, 0.05]
    table = Table("plan", "n", "Ac", *(f"accepts {rate:.0%}" for rate in rates), "rate accepted with 10 %")
    plans: list[tuple[str, AcceptancePlan]] = [("AQL 1.0", SinglePlan(n, accept)) for n, accept in TABLES]
    plans += [(f"1 %, 3 %: {make.__name__}", make(*CONTRACTS[1])) for make in (single_plan, sequential_plan)]
    for name, plan in plans:
        accepted = plan.operating_characteristic(rates)
        fine = np.linspace(0, 0.2, 2001)
        limit = fine[np.argmax(plan.operating_characteristic(fine) <= 0.1)]
        columns = (f"{share:.1%}" for share in accepted)
        table.add_row(name, str(plan.n), str(int(plan.accept_at[-1])), *columns, f"{limit:.2%}")
    return table


def whole_samples(plan: SinglePlan, rate: float, rng: np.random.Generator) -> float:
    """Share of lots that are accepted where all n are audited before anyone decides."""
    if plan.lot_items is None:
        return float((rng.binomial(plan.n, rate, LOTS) <= plan.accept).mean())
    bad = round(rate * plan.lot_items)
    return float((rng.hypergeometric(bad, plan.lot_items - bad, plan.n, LOTS) <= plan.accept).mean())


def item_by_item(plan: AcceptancePlan, rate: float, rng: np.random.Generator) -> Simulated:
    """Audits LOTS lots at once, one item after another, each until its own decision."""
    defects = np.zeros(LOTS, dtype=np.int64)
    accepted = audited = 0
    for m, (accept, reject) in enumerate(zip(plan.accept_at.tolist(), plan.reject_at.tolist(), strict=True), 1):
        chance = rate
        if plan.lot_items is not None:
            chance = (round(rate * plan.lot_items) - defects) / (plan.lot_items - m + 1)
        defects = defects + (rng.random(len(defects)) < chance)
        accepted += int((defects <= accept).sum())
        going = (defects > accept) & (defects < reject)
        audited += m * int((~going).sum())
        defects = defects[going]
        if not len(defects):
            break
    return Simulated(accepted / LOTS, audited / LOTS)


def walk(plan: AcceptancePlan, rate: float, rng: np.random.Generator) -> float:
    """Share of WALKED lots that `decide_in_order` accepts; of a lot of known size the sample is drawn as items."""
    accepted = 0
    for _ in range(WALKED):
        if plan.lot_items is None:
            answers = rng.random(plan.n) < rate
        else:
            answers = rng.choice(plan.lot_items, plan.n, replace=False) < round(rate * plan.lot_items)
        accepted += plan.decide_in_order(answers).outcome == "accept"
    return accepted / WALKED


if __name__ == "__main__":
    main()
