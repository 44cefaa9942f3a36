"""Alerts in words: what failed, before and after, which items carry it, where to look, what to do. Pure functions.

They say all that their arguments hold: for a customer's route these come through `customer_view`.

Texts are plain: a route that shows markup (Slack, HTML mail) escapes them itself. One incident is one alert; what only
goes on, or ends, is in the digest of its run.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import field_validator

from labelaudit.contracts.model import Contract
from labelaudit.contracts.quality import Event, Severity
from labelaudit.judge.stream_words import cause_in_words, rate_of, whose
from labelaudit.rendering.visible import visible
from labelaudit.values.deliveries import CheckedDelivery
from labelaudit.values.findings import WorstItem
from labelaudit.values.releases import Audit, Release
from labelaudit.values.value import Value, View
from labelaudit.values.verdicts import Breach, Incident, StreamChange, Verdict, severity

SHOWN_ITEMS = 5
HELD = "To do: open the run in Airflow, look at the worst items, and answer the task `approve`."
PUBLISHED = "To do: open the report, look at the worst items, and send issues.csv to the vendors that it names."


class Message(Value):
    """One alert. `key` is the same when a killed step sends it again, so that a receiver can drop the copy.

    cause: what a pager groups by; resolved: it is over, for pagers only.
    """

    event: Event
    severity: Severity = "warning"
    key: str
    customer: str
    dataset: str
    subject: str
    text: str
    link: str = ""
    cause: str = ""
    resolved: bool = False

    @field_validator("subject", "text")
    @classmethod
    def _is_seen(cls, text: str) -> str:
        """What vendors write may hide nothing from who reads it."""
        return visible(text)


def of_run(
    contract: Contract,
    rejected: Sequence[tuple[CheckedDelivery, str]],
    audit: Audit | None = None,
    verdict: Verdict | None = None,
    release: Release | None = None,
    worst: Sequence[WorstItem] = (),
) -> list[Message]:
    """Everything that a run has to say; `rejected` with the links of their reports. Without release: nothing is out."""
    told = [rejection(contract, delivery, report) for delivery, report in rejected]
    if audit and verdict:
        if release or verdict.action == "reject":
            told += of_release(contract, audit, verdict, release, worst)
        told.append(digest(contract, audit, verdict, release, rejected))
    return told


def of_release(
    contract: Contract,
    audit: Audit,
    verdict: Verdict,
    release: Release | None,
    worst: Sequence[WorstItem] = (),
    link: str = "",
) -> list[Message]:
    """Incidents that opened or became critical, or are over; and a breach, but for what an incident says already."""
    told = []
    for one in verdict.incidents:
        if one.event in ("opened", "escalated"):
            told.append(incident(contract, audit, verdict, one, release, worst, link))
        elif one.event == "closed":
            told.append(over(contract, one, release))
    others = [breach for breach in verdict.breaches if breach.clause != "regressions.effect"]
    if others or (
        verdict.action == "hold" and not any(message.event == "incident" and not message.resolved for message in told)
    ):
        told.append(breach(contract, audit, verdict, release, link))
    return told


def incident(
    contract: Contract,
    audit: Audit,
    verdict: Verdict,
    incident: Incident,
    release: Release | None,
    worst: Sequence[WorstItem] = (),
    link: str = "",
) -> Message:
    """A rate that got worse: told once, and once more if it becomes critical."""
    of = f"vendor {incident.vendor}" if incident.vendor else "several vendors, or all"
    lines = [
        f"Incident {incident.id} of {contract.id} ({incident.severity}): quality got worse, of {of},"
        f" since release {incident.since}, seen in {audit.release}.",
        "",
        *(_changed(stream) for stream in incident.streams),
    ]
    if incident.classes:
        classes = ", ".join(f"{label} ({was:.1%}, now {now:.1%})" for label, was, now in incident.classes)
        lines.append(f"Classes that carry it: {classes}.")
    if incident.annotators:
        lines.append(f"Annotators that carry it: {', '.join(incident.annotators)}.")
    own = [item for item in worst if not incident.vendor or incident.vendor in item.vendors.split(",")]
    lines += [f"  {item.item}: {item.given}, rather {item.suggested}" for item in own[:SHOWN_ITEMS]]
    lines += ["", _state(verdict, audit, release), _to_do(verdict, release)]
    return Message(
        event="incident",
        severity=incident.severity,
        key=f"incident/{contract.id}/{incident.id}" + ("/critical" if incident.event == "escalated" else ""),
        customer=contract.customer,
        dataset=contract.dataset,
        subject=f"{contract.id}: the rate of {rate_of(incident.streams[0].metric)}{whose(incident.vendor)} got worse"
        f" ({incident.id})",
        text="\n".join(lines),
        link=release.report if release else link,
        cause=f"{contract.id}/{incident.id}",
    )


def over(contract: Contract, incident: Incident, release: Release | None) -> Message:
    """The end of an incident."""
    return Message(
        event="incident",
        severity="info",
        key=f"incident/{contract.id}/{incident.id}/closed/{incident.closed}",
        customer=contract.customer,
        dataset=contract.dataset,
        subject=f"{contract.id}: incident {incident.id} is over",
        text=f"Incident {incident.id} of {contract.id} is closed by release {incident.closed}: enough good releases in"
        " a row.",
        link=release.report if release else "",
        cause=f"{contract.id}/{incident.id}",
        resolved=True,
    )


def breach(contract: Contract, audit: Audit, verdict: Verdict, release: Release | None, link: str = "") -> Message:
    """A release that does not keep the contract's limits, or that is held or rejected."""
    state = "was published" if release else "is rejected" if verdict.action == "reject" else "is held"
    lines = [f"Release {audit.release} of {contract.id} {state}: {verdict.reason}.", ""]
    lines += [_line(breach) for breach in verdict.breaches]
    lines += [f"- {decision.delivery}: {decision.outcome}; {decision.reason}" for decision in verdict.acceptance]
    lines += [
        "",
        f"{audit.issues} of {audit.items} items are likely labelled wrong; {_rows(audit.checked)}.",
        f"Compared with: {verdict.compared_with or 'nothing, it is the first release'}.",
        *_carriers(audit),
        _to_do(verdict, release),
    ]
    return Message(
        event="breach",
        severity=severity(verdict),
        key=f"breach/{contract.id}/{audit.digest}/{verdict.action}",
        customer=contract.customer,
        dataset=contract.dataset,
        subject=f"{contract.id}: {audit.release} {state}, {len(verdict.breaches)} limit(s) breached",
        text="\n".join(lines),
        link=release.report if release else link,
    )


def digest(
    contract: Contract,
    audit: Audit,
    verdict: Verdict,
    release: Release | None,
    rejected: Sequence[tuple[CheckedDelivery, str]] = (),
) -> Message:
    """All else of a run, in one message."""
    lines = [
        _state(verdict, audit, release),
        f"{audit.issues} of {audit.items} items are likely labelled wrong; {_rows(audit.checked)}.",
        *(f"Delivery {delivery.delivery.name} is rejected: {delivery.refusal.code}." for delivery, _ in rejected),
        *(f"Delivery {decision.delivery}: {decision.outcome}; {decision.reason}." for decision in verdict.acceptance),
        *(
            f"Incident {incident.id}: {incident.event or 'goes on'}, {incident.state}."
            for incident in verdict.incidents
        ),
        *(f"No incident ({cause_in_words(explained.cause)}): {explained.text}." for explained in verdict.explained),
    ]
    if verdict.sample:
        lines.append(f"People are asked to audit a sample: labelaudit plan {contract.id} {audit.release}.")
    return Message(
        event="digest",
        severity="info",
        key=f"digest/{contract.id}/{audit.digest}/{verdict.action}",
        customer=contract.customer,
        dataset=contract.dataset,
        subject=f"{contract.id}: {audit.release}, digest",
        text="\n".join(lines),
        link=release.report if release else "",
    )


def rejection(contract: Contract, delivery: CheckedDelivery, report: str) -> Message:
    """A delivery that could not be taken."""
    reasons = [
        f"  {count.rows} rows: {count.code}{f' ({count.column})' if count.column else ''}"
        for count in delivery.reject_counts[:8]
    ]
    text = [
        f"Delivery {delivery.delivery.name} of {contract.id} is rejected: {delivery.refusal.code}.",
        delivery.refusal.message,
        f"Rows: {delivery.delivered_rows} delivered, {delivery.accepted_rows} accepted,"
        f" {delivery.rejected_rows} rejected.",
        *reasons,
        f"To do: send the rejection report to {delivery.delivery.vendor}; other deliveries went on.",
    ]
    return Message(
        event="rejection",
        key=f"rejection/{contract.id}/{delivery.delivery.digest}",
        customer=contract.customer,
        dataset=contract.dataset,
        subject=f"{contract.id}: delivery {delivery.delivery.name} rejected ({delivery.refusal.code})",
        text="\n".join(text),
        link=report,
    )


def failure(customer: str, dataset: str, what: str, error: str, link: str = "", once: str = "") -> Message:
    """A run or a contract that broke: nothing was published. `once`: what is one failure, and told once."""
    where = f"{customer}/{dataset}" if dataset else customer
    return Message(
        event="failure",
        key=f"failure/{where}/{once or what}",
        customer=customer,
        dataset=dataset,
        subject=f"{where}: {what} failed",
        text=f"{what} of {where} failed:\n{error}\n\nNothing was published by it; what was published before stands."
        " To do: mend the cause and clear the task; every step is safe to repeat.",
        link=link,
    )


def error_text(error: BaseException | None, contract: Contract | None, view: View) -> str:
    """An error in an alert; of its words, which may hold a cell of a file, the customer sees none."""
    if view == "customer" and contract and contract.annotators != "plain":
        return f"{type(error).__name__}; what it says is in the task's log."
    return f"{type(error).__name__}: {error}"


def _state(verdict: Verdict, audit: Audit, release: Release | None) -> str:
    if release:
        return f"Release {audit.release} was published{f' by {verdict.answer.by}' if verdict.answer else ''}."
    return f"Release {audit.release} is {'rejected' if verdict.action == 'reject' else 'held'}: nothing is published."


def _to_do(verdict: Verdict, release: Release | None) -> str:
    if release:
        return PUBLISHED
    if verdict.action == "reject":
        return "To do: tell the vendors; deliveries that are not named wait for the next run."
    return HELD


def _changed(change: StreamChange) -> str:
    before = _rate(change.before_x, change.before_n, change.before_low, change.before_high)
    since = _rate(change.x, change.n, change.low, change.high)
    return f"- {rate_of(change.metric)}{whose(change.vendor)}: {before} before, {since} since"


def _rate(x: float, n: float, low: float, high: float) -> str:
    return f"{x / n if n else 0:.1%} ({low:.1%} to {high:.1%}; {x:.0f} of {n:.0f})"


def _line(breach: Breach) -> str:
    interval = f" (95 % interval {breach.low:.3f} to {breach.high:.3f})" if breach.low is not None else ""
    before = f"; before: {breach.before:.3f}" if breach.before is not None else ""
    return f"- {breach.message}{interval}{before}"


def _rows(checked: Sequence[CheckedDelivery]) -> str:
    delivered = sum(delivery.delivered_rows for delivery in checked)
    rejected = sum(delivery.rejected_rows for delivery in checked)
    return f"{delivered} rows delivered, {delivered - rejected} accepted, {rejected} rejected"


def _carriers(audit: Audit) -> list[str]:
    """The classes with the most likely wrong labels."""
    classes = [
        count for count in audit.counts if count.metric == "issue" and count.label and not count.vendor and count.x
    ]
    classes.sort(key=lambda count: (-count.x, count.label))
    if not classes:
        return []
    return [
        "Classes that carry it: "
        + ", ".join(f"{count.label} ({count.x:.0f} of {count.n:.0f})" for count in classes[:5])
    ]
