"""What an audit of a release would take and buy, for people who decide on it: plans, files, acceptance plans."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from labelaudit.contracts.model import Contract
from labelaudit.contracts.quality import HumanAudit
from labelaudit.errors import InvalidInput
from labelaudit.human_audit import drawing, release_rates, samples, task_files
from labelaudit.rates.defect_rates import plan_audit, stratify
from labelaudit.rates.expected_rates import mean_logits
from labelaudit.rates.plans import plan_strata
from labelaudit.storage import release_log
from labelaudit.storage.store import Store

MOST_STEPS = 12
"""Accept and reject numbers of a sequential plan that are told; its curve tells the rest."""


def terms(contract: Contract, half_width: float | None, rows: int | None) -> HumanAudit | None:
    """The terms to plan by: those asked for, else the contract's. Raises InvalidInput for two at once."""
    if half_width is not None and rows is not None:
        raise InvalidInput("give either --half-width or --rows")
    if half_width is not None and not 0 < half_width < 0.5:
        raise InvalidInput(f"--half-width {half_width:g}: give a number between 0 and 0.5, e.g. .02")
    if rows is not None and rows < 1:
        raise InvalidInput(f"--rows {rows}: give 1 or more")
    if half_width is None and rows is None:
        return contract.human_audit
    return HumanAudit(half_width=half_width, rows=rows)


def offer(
    contract: Contract, store: Store, destination: Store, release: str, wanted: HumanAudit | None, draws: bool
) -> dict[str, Any]:
    """The plan of a release by the terms `wanted`, and its sample, where it has one or `draws` asks for one.

    Raises InvalidInput where neither the contract nor the caller says how large the audit is to be.
    """
    sample = samples.read_sample(contract, store, release)
    if sample is None and wanted is None and not drawing.asks_people(contract):
        raise InvalidInput(f"{contract.id} has no `human_audit`: say --half-width or --rows")
    if sample is None and draws:
        drawing.draw_published(contract, store, destination, release, wanted)
        sample = samples.read_sample(contract, store, release)
    offered: dict[str, Any] = {"release": release, "items": 0, "rows": 0, "half_width": None, "random_rows": 0}
    offered |= {"table": [], "lots": [], "tasks": 0, "answered": 0, "files": []}
    if sample is not None:
        progress = release_rates.progress(contract, store, release)
        folder = samples.prefix(contract, release)
        offered |= {
            "items": sample.plan.items,
            "lots": [lot.model_dump() for lot in sample.plan.lots],
            "tasks": progress.tasks,
            "answered": progress.answered,
            "files": [store.uri_of(folder + name) for name in task_files.FILES],
        }
    if sample is not None and sample.plan.sizes:
        if wanted is None or wanted == contract.human_audit:
            planned = sample.plan.model_dump(mode="json")
        else:
            sizes, logits = np.array(sample.plan.sizes), np.array(sample.plan.logits)
            by_strata = plan_strata(sizes, logits, half_width=wanted.half_width, rows=wanted.rows)
            planned = drawing.plan_values(by_strata, logits)
    elif wanted is not None:
        _, labels = drawing.published_labels(contract, destination, release)
        doubt = drawing.doubts(labels)
        by_items = plan_audit(doubt, half_width=wanted.half_width, rows=wanted.rows)
        planned = drawing.plan_values(by_items, mean_logits(doubt, stratify(doubt))) | {"items": len(labels)}
    else:
        planned = {}
    return offered | {key: value for key, value in planned.items() if key in offered and key != "lots"}


def write_files(contract: Contract, store: Store, release: str, to: Path) -> list[Path]:
    """Copy the release's task files to a folder, or one of them to a file of its kind. Raises InvalidInput."""
    folder = samples.prefix(contract, release)
    kind = to.suffix.lower()
    if kind in (".csv", ".json") and not to.is_dir():
        targets = {f"tasks{kind}": to}
    else:
        targets = {name: to / name for name in task_files.FILES}
    for name, path in targets.items():
        if path.exists():
            raise InvalidInput(f"{path} is there already, maybe with answers; delete it first, or name another")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(store.read(folder + name))
        except OSError as error:
            raise InvalidInput(f"{path}: can't be written: {error.strerror}. Name another place") from error
    return list(targets.values())


def acceptance_offers(contract: Contract, store: Store, release: str | None) -> list[dict[str, Any]]:
    """The contract's acceptance plan for each lot of the release's sample; without one, for a lot without end.

    Raises InvalidInput where the contract accepts by no plan.
    """
    wanted = contract.acceptance
    if wanted is None or wanted.by == "interval":
        raise InvalidInput(f"{contract.id} has no acceptance by a plan (`acceptance: by: single`, or `sequential`)")
    sample = samples.read_sample(contract, store, release) if release else None
    lots = [(lot.delivery, lot.items) for lot in sample.plan.lots] if sample else []
    return [_offer_of(contract, name, items) for name, items in lots or [("", None)]]


def _offer_of(contract: Contract, delivery: str, items: int | None) -> dict[str, Any]:
    wanted = contract.acceptance
    plan = drawing.lot_plan(wanted, items)
    rejects, accepts = plan.risks(wanted.producer.rate, wanted.consumer.rate)
    steps = plan.describe(2).steps
    if plan.kind == "single":
        says = [f"audit n = {plan.n} items; accept with at most Ac = {plan.accept} defects, reject with more"]
    else:
        says = [f"audit in drawn order, at most n = {plan.n} items"]
        for step in steps[:: max(1, len(steps) // MOST_STEPS)]:
            accept = "-" if step.accept is None else f"{step.accept} or fewer"
            reject = "-" if step.reject is None else f"{step.reject} or more"
            says.append(f"from answer {step.audited}: accept at {accept}, reject at {reject}")
    for point, verb, risk in ((wanted.producer, "rejected", rejects), (wanted.consumer, "accepted", accepts)):
        says.append(f"a lot of {point.rate:g} is {verb} with {risk:.4f} (promised: at most {point.risk:g})")
    return {
        "delivery": delivery,
        "kind": plan.kind,
        "lot_items": items,
        "n": plan.n,
        "accept": getattr(plan, "accept", None),
        "steps": [list(step) for step in steps],
        "producer_risk": rejects,
        "consumer_risk": accepts,
        "curve": [list(point) for point in plan.curve()],
        "says": says,
    }


def model_based_range(destination: Store, release: str) -> list[float] | None:
    """(low, middle, high) of the detector, as the release's report has it; None where it has none."""
    files = {entry.release: entry.files for entry in release_log.log(destination)}
    try:
        report = json.loads(destination.read(files[release] + "report.json"))
    except KeyError:
        return None
    return report.get("issue_rate_range")
