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
    told = [rejection(contract, one, report) for one, report in rejected]
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
    others = [one for one in verdict.breaches if one.clause != "regressions.effect"]
    if others or (verdict.action == "hold" and not any(one.event == "incident" and not one.resolved for one in told)):
        told.append(breach(contract, audit, verdict, release, link))
    return told


def incident(
    contract: Contract,
    audit: Audit,
    verdict: Verdict,
    one: Incident,
    release: Release | None,
    worst: Sequence[WorstItem] = (),
    link: str = "",
) -> Message:
    """A rate that got worse: told once, and once more if it becomes critical."""
    of = f"vendor {one.vendor}" if one.vendor else "several vendors, or all"
    lines = [
        f"Incident {one.id} of {contract.id} ({one.severity}): quality got worse, of {of},"
        f" since release {one.since}, seen in {audit.release}.",
        "",
        *(_changed(stream) for stream in one.streams),
    ]
    if one.classes:
        found = ", ".join(f"{label} ({was:.1%}, now {now:.1%})" for label, was, now in one.classes)
        lines.append(f"Classes that carry it: {found}.")
    if one.annotators:
        lines.append(f"Annotators that carry it: {', '.join(one.annotators)}.")
    own = [item for item in worst if not one.vendor or one.vendor in item.vendors.split(",")]
    lines += [f"  {item.item}: {item.given}, rather {item.suggested}" for item in own[:SHOWN_ITEMS]]
    lines += ["", _state(verdict, audit, release), _to_do(verdict, release)]
    return Message(
        event="incident",
        severity=one.severity,
        key=f"incident/{contract.id}/{one.id}" + ("/critical" if one.event == "escalated" else ""),
        customer=contract.customer,
        dataset=contract.dataset,
        subject=f"{contract.id}: the rate of {rate_of(one.streams[0].metric)}{whose(one.vendor)} got worse ({one.id})",
        text="\n".join(lines),
        link=release.report if release else link,
        cause=f"{contract.id}/{one.id}",
    )


def over(contract: Contract, one: Incident, release: Release | None) -> Message:
    """The end of an incident."""
    return Message(
        event="incident",
        severity="info",
        key=f"incident/{contract.id}/{one.id}/closed/{one.closed}",
        customer=contract.customer,
        dataset=contract.dataset,
        subject=f"{contract.id}: incident {one.id} is over",
        text=f"Incident {one.id} of {contract.id} is closed by release {one.closed}: enough good releases in a row.",
        link=release.report if release else "",
        cause=f"{contract.id}/{one.id}",
        resolved=True,
    )


def breach(contract: Contract, audit: Audit, verdict: Verdict, release: Release | None, link: str = "") -> Message:
    """A release that does not keep the contract's limits, or that is held or rejected."""
    state = "was published" if release else "is rejected" if verdict.action == "reject" else "is held"
    lines = [f"Release {audit.release} of {contract.id} {state}: {verdict.reason}.", ""]
    lines += [_line(one) for one in verdict.breaches]
    lines += [f"- {one.delivery}: {one.outcome}; {one.reason}" for one in verdict.acceptance]
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
        *(f"Delivery {one.delivery.name} is rejected: {one.refusal.code}." for one, _ in rejected),
        *(f"Delivery {one.delivery}: {one.outcome}; {one.reason}." for one in verdict.acceptance),
        *(f"Incident {one.id}: {one.event or 'goes on'}, {one.state}." for one in verdict.incidents),
        *(f"No incident ({cause_in_words(one.cause)}): {one.text}." for one in verdict.explained),
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


def _changed(one: StreamChange) -> str:
    before = _rate(one.before_x, one.before_n, one.before_low, one.before_high)
    return (
        f"- {rate_of(one.metric)}{whose(one.vendor)}: {before} before, {_rate(one.x, one.n, one.low, one.high)} since"
    )


def _rate(x: float, n: float, low: float, high: float) -> str:
    return f"{x / n if n else 0:.1%} ({low:.1%} to {high:.1%}; {x:.0f} of {n:.0f})"


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
