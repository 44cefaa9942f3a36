"""What is said of a release: breaches, defect rates, acceptance, incidents, a person's answer; and how a run ended."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from labelaudit.contracts.quality import Severity
from labelaudit.values.deliveries import CheckedDelivery
from labelaudit.values.releases import Audit, Release
from labelaudit.values.value import Value


class Breach(Value):
    """One clause of the contract that a release does not keep."""

    clause: str = Field(description="the contract's field, e.g. limits.issue_rate")
    subject: str = Field("", description="vendor, annotator or class; empty: the release")
    observed: float
    limit: float
    low: float | None = Field(None, description="95 % interval of observed")
    high: float | None = None
    before: float | None = Field(None, description="the same in the releases before")
    message: str


class DefectRate(Value):
    """A measured rate of wrong labels, by a human audit, with its 95 % interval. Units: items, or delivered labels."""

    of: Literal["release", "vendor", "class", "annotator", "delivery", "pooled"]
    subject: str = Field("", description="vendor, class, annotator (plain), delivery; empty: the release, or the pool")
    per: Literal["item", "label"]
    value: float
    low: float
    high: float
    audited: int = Field(description="items that people labelled again")
    defects: float = Field(description="wrong ones among these: units of `per`")
    items: int = Field(description="items that the rate speaks of")
    releases: tuple[str, ...] = Field(description="the releases audited")


class AcceptanceDecision(Value):
    """What the contract's acceptance says of one delivery."""

    delivery: str
    vendor: str
    outcome: Literal["accept", "deduct", "reject", "undecided"]
    by: Literal["interval", "single", "sequential"]
    audited: int
    needed: int = Field(description="answers that decide at the latest; 0: unknown")
    defects: float
    rate: float | None = None
    low: float | None = None
    high: float | None = None
    deduction_percent: float = 0
    reason: str
    curve: tuple[tuple[float, float, float], ...] = Field(
        (), description="the plan's operating characteristic: defect rate, probability of acceptance, expected answers"
    )


class StreamChange(Value):
    """One stream of an incident: counts before and since, with 95 % intervals."""

    metric: str
    vendor: str = ""
    before_x: float
    before_n: float
    before_low: float
    before_high: float
    x: float
    n: float
    low: float
    high: float
    score: float = Field(description="evidence: log-likelihood ratio of the effect against the baseline")
    threshold: float


class Incident(Value):
    """A rate that got worse, as one cause: one stream, or several of a vendor. `id` stays through reopening."""

    id: str = Field(description="i<sequence of the release that opened it>-<vendor or all>-<metric>")
    state: Literal["open", "closed"]
    severity: Literal["warning", "critical"]
    vendor: str = Field("", description="whose labels; empty: several vendors, or all")
    opened: str = Field(description="release")
    since: str = Field(description="the release in which it likely began")
    closed: str = Field("", description="release")
    event: Literal["", "opened", "reopened", "escalated", "closed"] = Field("", description="of this release")
    rising: bool = Field(False, description="this release itself is evidence of it, not a good one")
    streams: tuple[StreamChange, ...]
    classes: tuple[tuple[str, float, float], ...] = Field((), description="(class, rate before, rate since)")
    annotators: tuple[str, ...] = Field((), description="those that carry it; plain: internal")


class Explained(Value):
    """A rate that moved with a known cause: no incident."""

    metric: str
    vendor: str = ""
    cause: Literal["mix", "guideline", "detector"]
    release: str
    text: str


class WatchState(Value):
    """How one stream stands: what it can see at all."""

    metric: str
    vendor: str = ""
    state: Literal["learning", "watching", "open"]
    baseline_rate: float
    overdispersion: float
    score: float
    threshold: float
    detectable_rate: float | None = Field(description="least rate found within 14 releases in 4 of 5 cases; None: none")


class Answer(Value):
    """What a person said about a held release. It is bound to the digest of what they were shown."""

    chosen: Literal["approve", "reject", "publish with a note"]
    by: str
    at: str = Field(description="ISO time, UTC")
    note: str = ""
    digest: str
    deliveries: tuple[str, ...] = Field(
        (), description="rejected ones, vendor/id; empty: those the verdict names, or all"
    )


class Verdict(Value):
    action: Literal["publish", "hold", "reject"]
    breaches: tuple[Breach, ...] = ()
    reason: str = Field(description="one sentence with the clause that decided it")
    by_hand: bool = Field(False, description="whoever triggered the run asked to hold it")
    compared_with: str | None = Field(None, description="the release before")
    rates: tuple[DefectRate, ...] = ()
    acceptance: tuple[AcceptanceDecision, ...] = ()
    incidents: tuple[Incident, ...] = Field((), description="open ones, and those that this release closed")
    explained: tuple[Explained, ...] = ()
    watched: tuple[WatchState, ...] = ()
    sample: str = Field("", description="key of the sample that people are asked to audit; empty: none is asked for")
    answer: Answer | None = Field(None, description="of the person who decided on a held release")


FLAGRANT = ("limits.defect_rate", "limits.vendor_defect_rate", "limits.canary_recall")
"""Clauses whose breach is critical: what is published is known to be bad, or not known at all."""


def severity(verdict: Verdict) -> Severity:
    """How severe a release's breaches are, for the routes of its alert."""
    if any(breach.clause in FLAGRANT or breach.clause.startswith("acceptance") for breach in verdict.breaches):
        return "critical"
    return "critical" if any(incident.severity == "critical" for incident in verdict.incidents) else "warning"


def reason_of(verdict: Verdict) -> str:
    """One sentence with the clause that decided a verdict: the first of its breaches, or what is undecided."""
    reasons = [breach.message for breach in verdict.breaches]
    if verdict.action == "hold" or verdict.answer:
        reasons += [decision.reason for decision in verdict.acceptance if decision.outcome == "undecided"]
    reason = reasons[0] if reasons else "all limits of the contract are kept"
    if len(reasons) > 1:
        reason += f" (and {len(reasons) - 1} more)"
    return f"held by hand; {reason}" if verdict.by_hand else reason


def annotator_breach(subject: str, called: str, breach: Breach) -> Breach:
    """A breach of limits.annotator_quality, told of an annotator who is called so."""
    message = (
        f"{called}: quality {breach.observed:.3f}, at most {breach.high:.3f}; {breach.clause} asks for {breach.limit}"
    )
    return breach.model_copy(update={"subject": subject, "message": message})


class FailedDelivery(Value):
    """A delivery that could be neither accepted nor rejected; it still waits."""

    delivery: str
    error: str


class Outcome(Value):
    """How one run ended: what `run` returns and the alerts speak of."""

    status: Literal["nothing", "published", "held", "rejected"]
    release: Release | None = None
    audit: Audit | None = None
    verdict: Verdict | None = None
    rejected: tuple[CheckedDelivery, ...] = ()
    failed: tuple[FailedDelivery, ...] = ()
