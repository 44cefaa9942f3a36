"""Alerts in words: what failed, before and after, which items carry it, where to look, what to do. Pure functions.

Texts are plain: a route that shows markup (Slack, HTML mail) escapes them itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from labelaudit.contract import Contract
from labelaudit.quality_terms import Event, Severity
from labelaudit.values import Audit, CheckedDelivery, Release, Value
from labelaudit.verdicts import Breach, Verdict


class Message(Value):
    """One alert. `key` is the same when a killed step sends it again, so that a receiver can drop the copy."""

    event: Event
    key: str
    customer: str
    dataset: str
    subject: str
    text: str
    link: str = ""
    severity: Severity = "warning"


def breach(contract: Contract, audit: Audit, verdict: Verdict, release: Release | None) -> Message:
    """A release that does not keep the contract's limits, or that is held."""
    held = release is None
    state = "is held" if held else "was published"
    lines = [f"Release {audit.release} of {contract.id} {state}: {verdict.reason}.", ""]
    lines += [_line(one) for one in verdict.breaches]
    lines += [
        "",
        f"{audit.issues} of {audit.items} items are likely labelled wrong; {_rows(audit.checked)}.",
        f"Compared with: {verdict.compared_with or 'nothing, it is the first release'}.",
    ]
    lines += _carriers(audit)
    if held:
        lines.append(
            "To do: open the run in Airflow, look at the worst items, and answer the task `approve`: publish or reject."
        )
    else:
        lines.append(
            "To do: open the report, look at the worst items, and send issues.csv to the vendors that it names."
        )
    return Message(
        event="breach",
        key=f"breach/{contract.id}/{audit.digest}/{'held' if held else 'published'}",
        customer=contract.customer,
        dataset=contract.dataset,
        subject=f"{contract.id}: {audit.release} {state}, {len(verdict.breaches)} limit(s) breached",
        text="\n".join(lines),
        link=release.report if release else "",
    )


def rejection(contract: Contract, one: CheckedDelivery, report: str) -> Message:
    """A delivery that could not be taken."""
    reasons = [
        f"  {count.rows} rows: {count.code}{f' ({count.column})' if count.column else ''}"
        for count in one.reject_counts[:8]
    ]
    text = [
        f"Delivery {one.delivery.name} of {contract.id} is rejected: {one.refusal.code}.",
        one.refusal.message,
        f"Rows: {one.delivered_rows} delivered, {one.accepted_rows} accepted, {one.rejected_rows} rejected.",
        *reasons,
        f"To do: send the rejection report to {one.delivery.vendor}; other deliveries went on.",
    ]
    return Message(
        event="rejection",
        key=f"rejection/{contract.id}/{one.delivery.digest}",
        customer=contract.customer,
        dataset=contract.dataset,
        subject=f"{contract.id}: delivery {one.delivery.name} rejected ({one.refusal.code})",
        text="\n".join(text),
        link=report,
    )


def failure(customer: str, dataset: str, what: str, error: str, link: str = "") -> Message:
    """A run or a contract that broke: nothing was published."""
    where = f"{customer}/{dataset}" if dataset else customer
    return Message(
        event="failure",
        key=f"failure/{where}/{what}",
        customer=customer,
        dataset=dataset,
        subject=f"{where}: {what} failed",
        text=f"{what} of {where} failed:\n{error}\n\nNothing was published by it; what was published before stands."
        " To do: mend the cause and clear the task; every step is safe to repeat.",
        link=link,
    )


def _line(one: Breach) -> str:
    interval = f" (95 % interval {one.low:.3f} to {one.high:.3f})" if one.low is not None else ""
    before = f"; before: {one.before:.3f}" if one.before is not None else ""
    return f"- {one.message}{interval}{before}"


def _rows(checked: Sequence[CheckedDelivery]) -> str:
    delivered = sum(one.delivered_rows for one in checked)
    rejected = sum(one.rejected_rows for one in checked)
    return f"{delivered} rows delivered, {delivered - rejected} accepted, {rejected} rejected"


def _carriers(audit: Audit) -> list[str]:
    """The classes with the most likely wrong labels."""
    classes = [one for one in audit.counts if one.metric == "issue" and one.label and not one.vendor and one.x]
    classes.sort(key=lambda one: (-one.x, one.label))
    if not classes:
        return []
    return ["Classes that carry it: " + ", ".join(f"{one.label} ({one.x:.0f} of {one.n:.0f})" for one in classes[:5])]
