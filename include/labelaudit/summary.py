"""Sums an audit up: the counts that later releases are compared with, and the findings that the report shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from labelaudit.detectors import classification
from labelaudit.findings import (
    ClassFinding,
    Findings,
    PairFinding,
    WorstItem,
)
from labelaudit.people_findings import agreement_finding, annotator_findings, gold_counts, vendor_findings
from labelaudit.rates import wilson
from labelaudit.values import CheckedDelivery, Count

if TYPE_CHECKING:
    from labelaudit.auditing import Work

WORST_ITEMS = 60
TEXT_CHARACTERS = 600


def counts_of(work: Work, checked: Sequence[CheckedDelivery]) -> tuple[Count, ...]:
    """issue (items), annotation_error (annotations), reject (rows), each over all, by vendor; issues also by class, and
    by vendor and class. detector, guideline: what a change of the rates may come from (the name is the label).

    canary, canary_anywhere, canary_flagged: what Canaries counts. gold: right labels of gold items, over all and by
    vendor, where there are any.
    """
    detection, contract = work.detection, work.contract
    here = np.zeros(len(detection.items), bool)
    here[work.codes[work.current]] = True
    counts = [_count("issue", detection.is_issue[here])]
    wrong = detection.annotation_is_issue
    counts.append(_count("annotation_error", wrong[work.current]))
    vendors = work.rows["vendor"].to_numpy()
    for vendor in sorted(set(vendors[work.current])):
        own = work.current & (vendors == vendor)
        items = np.unique(work.codes[own])
        counts.append(_count("issue", detection.is_issue[items], vendor=vendor))
        counts.append(_count("annotation_error", wrong[own], vendor=vendor))
    for code, label in enumerate(contract.classes):
        own = here & (detection.given == code)
        if own.any():
            counts.append(_count("issue", detection.is_issue[own], label=label))
            rows = np.flatnonzero(work.current & own[work.codes])
            for vendor in sorted(set(vendors[rows])):
                items = np.unique(work.codes[rows[vendors[rows] == vendor]])
                counts.append(_count("issue", detection.is_issue[items], vendor=vendor, label=label))
    counts.append(Count(metric="detector", label=classification.NAME, x=1, n=1))
    counts += _guidelines(checked)
    tried = detection.canaries
    counts.append(Count(metric="canary", x=tried.found, n=tried.planted))
    counts.append(Count(metric="canary_anywhere", x=tried.found_anywhere, n=tried.planted_anywhere))
    counts.append(Count(metric="canary_flagged", x=tried.flagged, n=tried.judged))
    for vendor in ("", *sorted(set(vendors[work.current]))):
        right, labels = gold_counts(work, work.current & ((vendors == vendor) | (vendor == "")))
        if labels:
            counts.append(Count(metric="gold", vendor=vendor, x=right, n=labels))
    delivered, rejected = Counter(), Counter()
    for one in checked:
        delivered[one.delivery.vendor] += one.delivered_rows
        rejected[one.delivery.vendor] += one.rejected_rows
    counts.append(Count(metric="reject", x=rejected.total(), n=delivered.total()))
    counts += [Count(metric="reject", vendor=name, x=rejected[name], n=delivered[name]) for name in sorted(delivered)]
    return tuple(counts)


def _guidelines(checked: Sequence[CheckedDelivery]) -> list[Count]:
    """Accepted rows by vendor and version of the guideline, of all its accepted rows."""
    rows: Counter[tuple[str, str]] = Counter()
    for one in checked:
        if one.accepted:
            rows[one.delivery.vendor, one.delivery.guideline or ""] += one.accepted_rows
    total = Counter()
    for (vendor, _), number in rows.items():
        total[vendor] += number
    return [
        Count(metric="guideline", vendor=vendor, label=version, x=number, n=total[vendor])
        for (vendor, version), number in sorted(rows.items())
    ]


def _count(metric: str, hits: np.ndarray, vendor: str = "", label: str = "") -> Count:
    return Count(metric=metric, vendor=vendor, label=label, x=float(hits.sum()), n=float(len(hits)))


def findings_of(work: Work) -> Findings:
    detection, names = work.detection, work.contract.classes
    scope, issue = work.scope, work.detection.is_issue
    pairs = Counter(
        (int(given), int(other))
        for given, other in zip(detection.given[scope & issue], detection.suggested[scope & issue], strict=True)
        if given != other
    )
    given = detection.given
    return Findings(
        method=detection.method,
        predictions_note=work.predictions_note,
        classes=tuple(
            _class(label, int((mine & issue).sum()), int(mine.sum()))
            for code, label in enumerate(names)
            if (mine := scope & (given == code)).any()
        ),
        pairs=tuple(
            PairFinding(given=names[one], suggested=names[other], items=items)
            for (one, other), items in sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0]))[:25]
        ),
        vendors=vendor_findings(work),
        annotators=annotator_findings(work),
        worst=_worst(work),
        new_items=work.new_items,
        judged_again=int(scope.sum()) - work.new_items,
        removed_items=len(work.removed),
        replaced_annotations=work.replaced,
        context_items=int((~scope).sum()),
        not_checked=tuple(work.not_checked),
        canary_recall=_known(detection.canaries.recall),
        canary_precision=_known(detection.canaries.precision),
        dataset=work.dataset.findings,
        agreement=agreement_finding(work),
    )


def _class(label: str, issues: int, items: int) -> ClassFinding:
    low, high = wilson(issues, items)
    return ClassFinding(label=label, items=items, issues=issues, low=low, high=high)


def given_quality(work: Work) -> np.ndarray:
    """By item (n,): the probability that its given label is right; `label_quality` is of the published one."""
    detection, codes = work.detection, work.codes
    given = np.array(work.contract.classes, object)[detection.given]
    own = work.rows["label"].to_numpy(object) == given[codes]
    found = np.zeros(len(given))
    found[codes[own]] = detection.annotation_quality[own]
    return np.where(detection.label == detection.given, detection.label_quality, found)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _worst(work: Work) -> tuple[WorstItem, ...]:
    """The likely wrong items, the likeliest first."""
    detection, names = work.detection, work.contract.classes
    found = np.flatnonzero(work.scope & detection.is_issue)
    quality = given_quality(work)
    chosen = found[np.argsort(quality[found], kind="stable")][:WORST_ITEMS]
    rows_of = {place: np.flatnonzero(work.codes == place) for place in chosen}
    return tuple(
        WorstItem(
            item=str(detection.items[place]),
            given=names[detection.given[place]],
            label=names[detection.label[place]],
            suggested=names[detection.suggested[place]],
            given_quality=float(quality[place]),
            quality=float(detection.label_quality[place]),
            vendors=",".join(sorted(set(work.rows["vendor"].iloc[rows_of[place]]))),
            labels=tuple(work.rows["label"].iloc[rows_of[place]]),
            **_evidence(work, place),
        )
        for place in chosen
    )


def _evidence(work: Work, place: int) -> dict[str, Any]:
    """What a person is shown of an item: what its predictions were made from."""
    predictions, features = work.contract.predictions, work.features
    if features is None or not features.present[place]:
        return {}
    row = features.row[place]
    if predictions.source == "text":
        return {"text": work.rows[predictions.column].iloc[row][:TEXT_CHARACTERS]}
    if predictions.source == "pixels":
        return {"pixels": tuple(float(value) for value in work.rows[predictions.column].iloc[row])}
    if predictions.source == "tabular":
        values = work.rows.iloc[row]
        return {"features": {name: _plain(values[name]) for name in predictions.columns}}
    return {}


def _plain(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not np.isfinite(value) else value
