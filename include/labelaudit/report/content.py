"""What a release's report says, as data: report.json, and what report.html is drawn from. No clock, no new numbers."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from labelaudit.contracts.model import Contract
from labelaudit.judge.past import Counts
from labelaudit.rates.intervals import wilson
from labelaudit.rendering.charts import Point
from labelaudit.values.deliveries import CheckedDelivery, CheckOutcome, Cleanup, PathCount, RejectCount
from labelaudit.values.differences import Difference
from labelaudit.values.findings import (
    AgreementFinding,
    AnnotatorFinding,
    ClassFinding,
    DatasetFindings,
    Findings,
    PairFinding,
    VendorFinding,
    WorstItem,
    without_empty,
)
from labelaudit.values.releases import Audit, Count
from labelaudit.values.value import Value, View
from labelaudit.values.verdicts import Verdict

TREND_RELEASES = 60


class DeliveryLine(Value):
    """One delivery's conservation: delivered_rows = accepted_rows + rejected_rows."""

    name: str
    digest: str
    accepted: bool
    delivered_rows: int
    accepted_rows: int
    rejected_rows: int
    reason: str
    rejects: tuple[RejectCount, ...]
    checks: tuple[CheckOutcome, ...]
    guideline: str | None
    records: int
    undeclared: tuple[str, ...]
    untaken: tuple[PathCount, ...] = ()
    cleanups: tuple[Cleanup, ...]


class ReportContent(Value):
    format: Literal[1] = 1
    view: View
    customer: str
    dataset: str
    description: str
    release: str
    digest: str
    sequence: int
    detector: str
    method: str
    predictions_note: str
    verdict: Verdict
    deliveries: tuple[DeliveryLine, ...]
    delivered_rows: int
    accepted_rows: int
    rejected_rows: int
    items: int
    annotations: int
    issues: int
    new_items: int
    judged_again: int
    removed_items: int
    replaced_annotations: int
    superseded: tuple[str, ...]
    issue_rate_range: tuple[float, float, float] | None
    agreement: AgreementFinding | None
    canary_recall: float | None
    canary_precision: float | None
    canaries_planted: int
    dataset_findings: DatasetFindings
    classes: tuple[ClassFinding, ...]
    pairs: tuple[PairFinding, ...]
    vendors: tuple[VendorFinding, ...]
    annotators: tuple[AnnotatorFinding, ...]
    worst: tuple[WorstItem, ...]
    difference: Difference | None
    before: Point | None
    trend: tuple[Point, ...]
    vendor_trends: dict[str, tuple[Point, ...]]
    not_checked: tuple[str, ...]
    further: dict[str, Any] = Field(default_factory=dict, description="by name, what other detectors of the run found")

    @model_serializer(mode="wrap")
    def _said(self, rest: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without_empty(rest(self))


def report_content(
    contract: Contract,
    audit: Audit,
    verdict: Verdict,
    findings: Findings,
    before: Counts,
    view: View,
    difference: Difference | None = None,
) -> ReportContent:
    """All of it is shown: audit, verdict and findings come as `view` may see them."""
    counts = {release: release_counts for release, release_counts in before.items() if release != audit.release}
    counts[audit.release] = list(audit.counts)
    trend = _trend(counts, "")
    lines = [_line(delivery) for delivery in audit.checked]
    return ReportContent(
        view=view,
        customer=contract.customer,
        dataset=contract.dataset,
        description=contract.description,
        release=audit.release,
        digest=audit.digest,
        sequence=audit.found.sequence,
        detector=audit.detector,
        method=findings.method,
        predictions_note=findings.predictions_note,
        verdict=verdict,
        deliveries=tuple(lines),
        delivered_rows=sum(line.delivered_rows for line in lines),
        accepted_rows=sum(line.accepted_rows for line in lines),
        rejected_rows=sum(line.rejected_rows for line in lines),
        items=audit.items,
        annotations=audit.annotations_rows,
        issues=audit.issues,
        new_items=findings.new_items,
        judged_again=findings.judged_again,
        removed_items=findings.removed_items,
        replaced_annotations=findings.replaced_annotations,
        superseded=audit.superseded,
        issue_rate_range=audit.issue_rate_range,
        agreement=findings.agreement,
        canary_recall=findings.canary_recall,
        canary_precision=findings.canary_precision,
        canaries_planted=next((int(count.n) for count in audit.counts if count.metric == "canary"), 0),
        dataset_findings=findings.dataset,
        classes=findings.classes,
        pairs=findings.pairs,
        vendors=findings.vendors,
        annotators=findings.annotators,
        worst=findings.worst,
        difference=difference,
        before=trend[-2] if len(trend) > 1 else None,
        trend=trend,
        vendor_trends={vendor.vendor: _trend(counts, vendor.vendor) for vendor in findings.vendors},
        not_checked=(*findings.not_checked, *_never_checked(contract, findings.dataset, bool(verdict.rates))),
        further=findings.further,
    )


def _line(delivery: CheckedDelivery) -> DeliveryLine:
    return DeliveryLine(
        name=delivery.delivery.name,
        digest=delivery.delivery.digest,
        accepted=delivery.accepted,
        delivered_rows=delivery.delivered_rows,
        accepted_rows=delivery.accepted_rows,
        rejected_rows=delivery.rejected_rows,
        reason=f"{delivery.refusal.code}: {delivery.refusal.message}" if delivery.refusal else "",
        rejects=delivery.reject_counts,
        checks=delivery.outcomes,
        guideline=delivery.delivery.guideline,
        records=delivery.records,
        undeclared=delivery.undeclared,
        untaken=delivery.untaken,
        cleanups=delivery.cleanups,
    )


def _trend(counts: Counts, vendor: str) -> tuple[Point, ...]:
    """The issue rate, release by release, over all vendors (empty) or of one."""
    points = []
    for release, release_counts in list(counts.items())[-TREND_RELEASES:]:
        issues = next((count for count in release_counts if _is_issue(count, vendor)), None)
        if issues is not None and issues.n:
            low, high = wilson(issues.x, issues.n)
            points.append(Point(release=release, x=issues.x, n=issues.n, low=low, high=high))
    return tuple(points)


def _is_issue(count: Count, vendor: str) -> bool:
    return (count.metric, count.vendor, count.label) == ("issue", vendor, "")


def _never_checked(contract: Contract, dataset: DatasetFindings, audited: bool) -> tuple[str, ...]:
    """What this method can't see, said in every report."""
    said = ["No second person looked at these labels: the rates are a model-based range, no measured defect rate."]
    if audited:
        said = ["People looked at a sample only: the defect rate is measured on it, all else is model-based."]
    if contract.predictions.source == "none":
        said.append("Errors that all annotators of an item make alike can't be seen from agreement alone.")
    if not dataset.looked_for_copies:
        said.append("Copies, outliers and weak slices were not looked for: there is nothing to compare items by.")
    said.append("Whether the items themselves are the right ones to label (sampling) was not checked.")
    return tuple(said)
