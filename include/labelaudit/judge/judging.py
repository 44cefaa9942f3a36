"""Compares a release with the contract and with the releases before: publish, hold for a person, or reject."""

from __future__ import annotations

from collections.abc import Sequence

from labelaudit.contracts.model import Contract
from labelaudit.judge.evidence import Evidence
from labelaudit.judge.incidents import Review, review
from labelaudit.judge.limits import breaches_of
from labelaudit.values.counted import Judged
from labelaudit.values.findings import AnnotatorFinding
from labelaudit.values.releases import Audit
from labelaudit.values.verdicts import (
    Incident,
    Verdict,
    reason_of,
)


def judge(contract: Contract, audit: Audit, evidence: Evidence, hold: bool = False) -> Verdict:
    """The verdict: rejected where the contract's acceptance says so; held where a clause of the contract is broken and
    it says `hold`, or where a person asked for it; else published."""
    own = Judged(release=audit.release, sequence=audit.found.sequence, accepted=True, counts=audit.counts)
    streams = [*evidence.history, evidence.news] if evidence.news else evidence.history
    return judge_counts(contract, own, evidence, review(contract.regressions, streams), hold)


def judge_counts(contract: Contract, own: Judged, evidence: Evidence, review: Review, hold: bool = False) -> Verdict:
    """`judge` from a release's counts alone, and what the review of its incidents found: what a back-test replays."""
    incidents = tuple(_with_people(incident, evidence.annotators) for incident in review.incidents)
    breaches = breaches_of(contract, own, evidence, incidents)
    undecided = [decision for decision in evidence.acceptance if decision.outcome == "undecided"]
    refused = any(decision.outcome == "reject" for decision in evidence.acceptance)
    if refused and contract.acceptance.on_reject == "reject":
        action = "reject"
    elif (
        hold
        or refused
        or (undecided and contract.acceptance.on_undecided == "hold")
        or (breaches and contract.on_breach == "hold")
    ):
        action = "hold"
    else:
        action = "publish"
    made = Verdict(
        action=action,
        by_hand=hold,
        breaches=breaches,
        reason="",
        compared_with=evidence.history[-1].release if evidence.history else None,
        rates=tuple(evidence.rates),
        acceptance=tuple(evidence.acceptance),
        incidents=incidents,
        explained=review.explained,
        watched=review.watched,
        sample=evidence.sample,
    )
    return made.model_copy(update={"reason": reason_of(made)})


def _with_people(incident: Incident, annotators: Sequence[AnnotatorFinding]) -> Incident:
    """With the vendor's worst annotators of this release: those that the others' whole intervals lie above."""
    own = [
        annotator for annotator in annotators if not incident.vendor or incident.vendor in annotator.vendors.split(",")
    ]
    middle = sorted(annotator.quality for annotator in annotators)[len(annotators) // 2] if annotators else 0.0
    worst = sorted((annotator for annotator in own if annotator.high < middle), key=lambda annotator: annotator.quality)
    return incident.model_copy(update={"annotators": tuple(annotator.name for annotator in worst[:5])})
