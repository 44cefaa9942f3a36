"""What becomes of a release that is not published as it is: which deliveries are rejected, and how they then count.

The other deliveries of the run still wait in the inbox: the next run takes them. What is said here goes to the vendor:
it names the plan, or a person's note, and no person.
"""

from __future__ import annotations

from collections.abc import Iterator

from labelaudit.contracts.model import Contract
from labelaudit.errors import InvalidInput
from labelaudit.rejects import report
from labelaudit.rejects.records import REJECT_SCHEMA
from labelaudit.storage import layout
from labelaudit.storage.parquet import read_table
from labelaudit.storage.store import Store
from labelaudit.values.deliveries import CheckedDelivery, Refusal
from labelaudit.values.releases import Audit
from labelaudit.values.verdicts import Answer, Verdict


def rejected_by_plan(audit: Audit, verdict: Verdict) -> list[CheckedDelivery]:
    """Deliveries that the contract's acceptance rejects, without asking a person."""
    reasons = {decision.delivery: decision.reason for decision in verdict.acceptance if decision.outcome == "reject"}
    return [
        _refused(delivery, Refusal(code="not_accepted", message=reasons[delivery.delivery.name]))
        for delivery in _accepted(audit)
        if delivery.delivery.name in reasons
    ]


def rejected_by_hand(audit: Audit, verdict: Verdict, answer: Answer) -> list[CheckedDelivery]:
    """Deliveries that a person rejected: those they name; else those the verdict blames; else all of the release.

    Raises InvalidInput where they name one that the release does not have.
    """
    there = {delivery.delivery.name: delivery for delivery in _accepted(audit)}
    unknown = sorted(set(answer.deliveries) - set(there))
    if unknown:
        raise InvalidInput(
            f"the answer rejects {', '.join(unknown)}, which release {audit.release} does not have; it has"
            f" {', '.join(there)}. Clear `approve` and answer again"
        )
    names = set(answer.deliveries) or blamed(audit, verdict) or set(there)
    said = f"the release was held for a person, who rejected it on {answer.at[:10]}: {answer.note or 'no reason given'}"
    return [_refused(there[name], Refusal(code="rejected_by_hand", message=said)) for name in there if name in names]


def write_report(contract: Contract, audit: Audit, refused: CheckedDelivery, store: Store) -> CheckedDelivery:
    """The vendor's report of a delivery that was sound, and is refused all the same: beside the run's other files."""
    delivery = refused.delivery
    prefix = layout.run_delivery(contract.customer, contract.dataset, audit.run, delivery.vendor, delivery.id)
    rejects = read_table(store, refused.rejects) if refused.rejects else REJECT_SCHEMA.empty_table()
    made = refused.model_copy(update={"report": prefix + "rejection.html"})
    report.write(contract, made, rejects, store, prefix)
    return made


def blamed(audit: Audit, verdict: Verdict) -> set[str]:
    """The deliveries that acceptance rejects; else those of the vendors that breaches and incidents name."""
    if refused := {decision.delivery for decision in verdict.acceptance if decision.outcome == "reject"}:
        return refused
    vendors = {breach.subject for breach in verdict.breaches} | {
        incident.vendor for incident in verdict.incidents if incident.rising
    }
    return {delivery.delivery.name for delivery in _accepted(audit) if delivery.delivery.vendor in vendors}


def _accepted(audit: Audit) -> Iterator[CheckedDelivery]:
    return (delivery for delivery in audit.checked if delivery.accepted)


def _refused(delivery: CheckedDelivery, refusal: Refusal) -> CheckedDelivery:
    return delivery.model_copy(
        update={
            "accepted": False,
            "accepted_rows": 0,
            "rejected_rows": delivery.delivered_rows,
            "table": None,
            "refusal": refusal,
        }
    )
