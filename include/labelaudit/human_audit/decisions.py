"""What the answers of human audits say of a run: its defect rates, and whether its deliveries are accepted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from labelaudit.acceptance.plan import AcceptancePlan
from labelaudit.contracts.model import Contract
from labelaudit.contracts.quality import Acceptance
from labelaudit.human_audit.drawing import lot_plan
from labelaudit.human_audit.release_rates import (
    Answered,
    answered,
    delivery_rate,
    in_lot,
    lot_answers,
    lot_rate,
    release_rates,
)
from labelaudit.human_audit.samples import Lot
from labelaudit.rates.defect_rates import Rate
from labelaudit.storage.store import Store
from labelaudit.values.releases import Audit
from labelaudit.values.verdicts import AcceptanceDecision, DefectRate


class Said(NamedTuple):
    """What a plan says: outcome, answers that count, defects among them, and why."""

    outcome: str
    audited: int
    defects: int
    reason: str


def rates(contract: Contract, audit: Audit, store: Store, releases: Sequence[str]) -> tuple[DefectRate, ...]:
    """The measured rates of `audit`'s release, and of the pool of it and the last of `releases` (oldest first).

    Empty where nothing was answered; see `release_rates.release_rates` for what counts as a defect of whom.
    """
    return release_rates(contract, store, audit.release, releases)


def acceptance(contract: Contract, audit: Audit, store: Store) -> tuple[AcceptanceDecision, ...]:
    """What the contract's acceptance says of each accepted delivery of the run; empty where it has none.

    interval: by the delivery's rate in the release's stratified sample. Plans: by the lot's own items, in drawn order.
    Deductions go by the lower end of the delivery's interval. Items that a person can't tell may be right or wrong:
    a plan decides where it would decide the same either way.
    """
    if contract.acceptance is None:
        return ()
    this = answered(contract, store, audit.release)
    deliveries = [delivery.delivery for delivery in audit.checked if delivery.accepted]
    decide = _by_interval if contract.acceptance.by == "interval" else _by_plan
    return tuple(decide(contract, contract.acceptance, this, delivery.name, delivery.vendor) for delivery in deliveries)


def _by_interval(
    contract: Contract, terms: Acceptance, this: Answered | None, delivery: str, vendor: str
) -> AcceptanceDecision:
    per = contract.human_audit.per
    measured = delivery_rate(this, delivery, per) if this and this.sample.plan.sizes else None
    if measured is None:
        said = Said("undecided", 0, 0, "acceptance.limit: no item of the delivery is answered yet")
        return _decision(terms, delivery, vendor, said, None, 0)
    rate, audited, _ = measured
    units = "items" if per == "item" else f"labels ({audited} items)"
    told = (
        f"{rate.defects:g} defects among {rate.audited:g} audited {units}, {_percent(rate.value)}"
        f" (95 % interval {_percent(rate.low)} to {_percent(rate.high)})"
    )
    limit = f"the limit of {_percent(terms.limit)}"
    if rate.high <= terms.limit:
        said = Said("accept", audited, 0, f"acceptance.limit: {told}: the whole interval is at most {limit}")
    elif rate.low > terms.limit:
        said = Said("reject", audited, 0, f"acceptance.limit: {told}: the whole interval is above {limit}")
    else:
        said = Said("undecided", audited, 0, f"acceptance.limit: {told}: {limit} lies within the interval")
    return _decision(terms, delivery, vendor, said, rate, 0)


def _by_plan(
    contract: Contract, terms: Acceptance, this: Answered | None, delivery: str, vendor: str
) -> AcceptanceDecision:
    lots = {lot.delivery: lot for lot in this.sample.plan.lots} if this else {}
    lot = lots.get(delivery)
    if lot is None:
        told = (
            f"acceptance.{terms.by}: no sample was drawn of this delivery; no item of it is left, or the terms are new"
        )
        return _decision(terms, delivery, vendor, Said("undecided", 0, 0, told), None, 0)
    plan = lot_plan(terms, lot.items)
    said = _single(plan, lot, this) if terms.by == "single" else _sequential(plan, lot, this)
    return _decision(terms, delivery, vendor, said, lot_rate(this, delivery), plan.n, plan)


def _single(plan: AcceptancePlan, lot: Lot, this: Answered) -> Said:
    """Any answers of the plan's n items count, in any order: what is certain once stays so."""
    among = this.sample.items
    wanted = set(among.loc[in_lot(among, lot.delivery), "item"].iloc[: plan.n])
    rows = lot_answers(this, lot.delivery)
    rows = rows[rows["item"].isin(wanted)]
    audited, defects = len(rows), int(rows["wrong"].sum())
    allowed = f"at most {plan.accept} among {plan.n} are accepted"
    return _told(plan, plan.decide(audited, defects), audited, defects, allowed, _unclear(lot, this, wanted))


def _sequential(plan: AcceptancePlan, lot: Lot, this: Answered) -> Said:
    """Answers count in drawn order, up to the first item without one."""
    among = this.sample.items
    in_order = among.loc[in_lot(among, lot.delivery), "item"].iloc[: plan.n]
    rows = lot_answers(this, lot.delivery)
    wrong = dict(zip(rows["item"], rows["wrong"].tolist(), strict=True))
    walked: list[bool | None] = []
    for item in in_order:
        if item not in wrong and item not in this.unclear:
            break
        walked.append(wrong.get(item))
    kind, harsh = (
        plan.decide_in_order([other if answer is None else answer for answer in walked]) for other in (False, True)
    )
    unclear = walked.count(None)
    if kind.outcome != harsh.outcome:
        return _told(plan, "go on", len(walked) - unclear, walked.count(True), "", unclear)
    last = kind.audited
    words = f"after {last} answers in drawn order the plan "
    if kind.outcome == "reject":
        words += f"rejects at {plan.reject_at[last - 1]} or more"
    elif kind.outcome == "accept":
        words += f"accepts at {plan.accept_at[last - 1]} or fewer"
    defects = walked[:last].count(True)
    return _told(plan, kind.outcome, last - walked[:last].count(None), defects, words, walked[:last].count(None))


def _told(plan: AcceptancePlan, outcome: str, audited: int, defects: int, numbers: str, unclear: int) -> Said:
    counted = f"{defects} defects among {audited} audited items"
    apart = f"; {unclear} more can't be told, whatever they are" if unclear else ""
    if outcome == "reject":
        return Said("reject", audited, defects, f"acceptance.consumer: {counted}, {numbers}{apart}")
    if outcome == "accept":
        return Said("accept", audited, defects, f"acceptance.producer: {counted}, {numbers}{apart}")
    apart = f"; {unclear} can't be told" if unclear else ""
    told = f"acceptance.{plan.kind}: {counted} decide nothing yet; the plan needs at most {plan.n}{apart}"
    return Said("undecided", audited, defects, told)


def _unclear(lot: Lot, this: Answered, wanted: set[str]) -> int:
    return len(wanted & this.unclear)


def _decision(
    terms: Acceptance,
    delivery: str,
    vendor: str,
    said: Said,
    rate: Rate | None,
    needed: int,
    plan: AcceptancePlan | None = None,
) -> AcceptanceDecision:
    outcome, reason, percent = said.outcome, said.reason, 0.0
    due = [deduction for deduction in terms.deductions if rate and rate.low > deduction.above]
    if outcome == "accept" and due:
        outcome, percent = "deduct", due[-1].percent
        reason += (
            f"; acceptance.deductions: the interval's lower end {_percent(rate.low)} is above"
            f" {_percent(due[-1].above)}: {percent:g} % of the price"
        )
    return AcceptanceDecision(
        delivery=delivery,
        vendor=vendor,
        outcome=outcome,
        by=terms.by,
        audited=said.audited,
        needed=needed,
        defects=rate.defects if rate and plan is None else said.defects,
        rate=rate and rate.value,
        low=rate and rate.low,
        high=rate and rate.high,
        deduction_percent=percent,
        reason=reason,
        curve=tuple(map(tuple, plan.curve())) if plan else (),
    )


def _percent(rate: float) -> str:
    return f"{100 * rate:.2f} %"
