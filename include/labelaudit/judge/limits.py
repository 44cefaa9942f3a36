"""Which clauses of a contract a release breaks, one generator for each kind of clause."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from labelaudit.contracts.model import Contract
from labelaudit.judge.evidence import Evidence
from labelaudit.judge.stream_words import rate_of, whose
from labelaudit.rates.intervals import wilson
from labelaudit.values.counted import Judged
from labelaudit.values.findings import AnnotatorFinding
from labelaudit.values.releases import Count
from labelaudit.values.verdicts import (
    AcceptanceDecision,
    Breach,
    Incident,
    annotator_breach,
)

BEFORE = 14
"""Releases that the ratio to "before" looks back on."""


def breaches_of(
    contract: Contract, own: Judged, evidence: Evidence, incidents: Sequence[Incident]
) -> tuple[Breach, ...]:
    """Every clause that a release breaks, in the order in which they are told."""
    return (
        *_invalid(contract, own),
        *_accepted(evidence.acceptance),
        *_measured(contract, own, evidence),
        *_limits(contract, own),
        *_of_annotators(contract, evidence.annotators),
        *_open(contract, incidents),
        *_against_before(contract, own, evidence.history),
    )


def _accepted(decisions: Sequence[AcceptanceDecision]) -> Iterator[Breach]:
    for decision in decisions:
        if decision.outcome == "reject":
            observed = decision.rate if decision.rate is not None else decision.defects / max(1, decision.audited)
            yield Breach(
                clause=f"acceptance.{decision.by}",
                subject=decision.vendor,
                observed=observed,
                limit=0,
                low=decision.low,
                high=decision.high,
                message=f"delivery {decision.delivery} is not accepted: {decision.reason}",
            )


def _open(contract: Contract, incidents: Sequence[Incident]) -> Iterator[Breach]:
    """An open incident, as long as the releases are evidence of it."""
    for incident in incidents:
        if incident.state == "open" and (incident.rising or incident.event in ("opened", "reopened")):
            first = incident.streams[0]
            before, now = first.before_x / max(1.0, first.before_n), first.x / max(1.0, first.n)
            yield Breach(
                clause="regressions.effect",
                subject=incident.vendor,
                observed=now,
                limit=contract.regressions.effect * before,
                low=first.low,
                high=first.high,
                before=before,
                message=f"incident {incident.id}: the rate of {rate_of(first.metric)}{whose(incident.vendor)} went from"
                f" {before:.1%} to {now:.1%} since {incident.since}",
            )


def _measured(contract: Contract, own: Judged, evidence: Evidence) -> Iterator[Breach]:
    """Rates of samples, by the end of the interval that is on the safe side: few answers breach nothing."""
    limits = contract.limits
    for rate in evidence.rates:
        clause = {"release": "defect_rate", "pooled": "defect_rate", "vendor": "vendor_defect_rate"}.get(rate.of, "")
        limit = getattr(limits, clause) if clause else None
        if limit is not None and rate.low > limit:
            whose = {"vendor": f" of vendor {rate.subject}", "pooled": f" of the last {len(rate.releases)} audited"}
            yield Breach(
                clause=f"limits.{clause}",
                subject=rate.subject,
                observed=rate.value,
                limit=limit,
                low=rate.low,
                high=rate.high,
                message=f"defect rate{whose.get(rate.of, '')} {rate.value:.1%} ({rate.low:.1%} to {rate.high:.1%}, of"
                f" {rate.audited} audited); limits.{clause} is {limit:.1%}",
            )
    for count in own.counts:
        if limits.gold_accuracy is not None and count.metric == "gold" and not count.label and count.n:
            low, high = wilson(count.x, count.n)
            if high < limits.gold_accuracy:
                whose = f" of vendor {count.vendor}" if count.vendor else ""
                yield Breach(
                    clause="limits.gold_accuracy",
                    subject=count.vendor,
                    observed=count.x / count.n,
                    limit=limits.gold_accuracy,
                    low=low,
                    high=high,
                    message=f"gold accuracy{whose} {count.x / count.n:.1%} ({count.x:.0f} of {count.n:.0f} labels),"
                    f" at most {high:.1%}; limits.gold_accuracy asks for {limits.gold_accuracy:.1%}",
                )
    if limits.agreement is not None and evidence.agreement:
        alpha, low, high = evidence.agreement.alpha
        if high < limits.agreement:
            yield Breach(
                clause="limits.agreement",
                observed=alpha,
                limit=limits.agreement,
                low=low,
                high=high,
                message=f"Krippendorff's alpha is {alpha:.3f}, at most {high:.3f}; limits.agreement asks for"
                f" {limits.agreement}",
            )


def _limits(contract: Contract, own: Judged) -> Iterator[Breach]:
    limits = contract.limits
    for count in own.counts:
        if count.n == 0 or count.label:
            continue
        if count.metric == "issue":
            name = "limits.vendor_issue_rate" if count.vendor else "limits.issue_rate"
            yield from _above(
                count, name, limits.vendor_issue_rate if count.vendor else limits.issue_rate, "likely wrong"
            )
        elif count.metric == "reject" and not count.vendor:
            yield from _above(count, "limits.rejected_rows_rate", limits.rejected_rows_rate, "rejected")


def _invalid(contract: Contract, own: Judged) -> Iterator[Breach]:
    """A detector that finds no more of the wrong labels planted for it than of any labels has judged nothing.

    By the upper end of the interval: few planted labels breach nothing.
    """
    floor = contract.limits.canary_recall
    counts = {count.metric: count for count in own.counts if count.metric.startswith("canary")}
    planted, flagged = counts.get("canary_anywhere"), counts.get("canary_flagged")
    if floor is None or not planted or not planted.n or not flagged:
        return
    share = flagged.x / flagged.n
    low, high = (end - share for end in wilson(planted.x, planted.n))
    if high < floor:
        yield Breach(
            clause="limits.canary_recall",
            observed=planted.x / planted.n - share,
            limit=floor,
            low=low,
            high=high,
            message=f"audit invalid: of the wrong labels planted in a copy, the detector took {planted.x:.0f} of"
            f" {planted.n:.0f} for wrong, and {share:.0%} of all labels; limits.canary_recall asks for a difference of"
            f" {floor:.0%}. Its findings say nothing: look at the predictions first",
        )


def _above(count: Count, clause: str, limit: float | None, what: str) -> Iterator[Breach]:
    if limit is None or count.x / count.n <= limit:
        return
    low, high = wilson(count.x, count.n)
    whose = f" of vendor {count.vendor}" if count.vendor else ""
    yield Breach(
        clause=clause,
        subject=count.vendor,
        observed=count.x / count.n,
        limit=limit,
        low=low,
        high=high,
        message=f"{count.x / count.n:.1%} ({count.x:.0f} of {count.n:.0f}){whose} {what}; {clause} is {limit:.1%}",
    )


def _of_annotators(contract: Contract, annotators: Sequence[AnnotatorFinding]) -> Iterator[Breach]:
    """By the upper end of the interval: few annotations breach nothing."""
    limit = contract.limits.annotator_quality
    for annotator in annotators:
        if limit is not None and annotator.high < limit:
            breach = Breach(
                clause="limits.annotator_quality",
                observed=annotator.quality,
                limit=limit,
                low=annotator.low,
                high=annotator.high,
                message="",
            )
            yield annotator_breach(annotator.name, f"annotator {annotator.name}", breach)


def _against_before(contract: Contract, own: Judged, history: Sequence[Judged]) -> Iterator[Breach]:
    """The issue rate, over all and by vendor, against the mean of the last releases; both intervals must be apart."""
    ratio = contract.limits.issue_rate_ratio
    if ratio is None:
        return
    recent = [
        count for release in [release for release in history if release.accepted][-BEFORE:] for count in release.counts
    ]
    for own_count in own.counts:
        if own_count.metric != "issue" or own_count.label or not own_count.n:
            continue
        earlier = [
            count for count in recent if (count.metric, count.vendor, count.label) == ("issue", own_count.vendor, "")
        ]
        x, n = sum(count.x for count in earlier), sum(count.n for count in earlier)
        low, high = wilson(own_count.x, own_count.n)
        if n and own_count.x / own_count.n > ratio * x / n and low > wilson(x, n)[1]:
            whose = f" of vendor {own_count.vendor}" if own_count.vendor else ""
            yield Breach(
                clause="limits.issue_rate_ratio",
                subject=own_count.vendor,
                observed=own_count.x / own_count.n,
                limit=ratio * x / n,
                low=low,
                high=high,
                before=x / n,
                message=f"{own_count.x / own_count.n:.1%}{whose} likely wrong, {x / n:.1%} in the releases before;"
                f" limits.issue_rate_ratio is {ratio:g}",
            )
