"""What an audit says of those who label: annotators, vendors, and how far they agree."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from labelaudit.detect.work import Work
from labelaudit.detectors.annotators import annotator_drift
from labelaudit.detectors.vendors import item_difficulty, vendor_quality
from labelaudit.kernels.agreement import Interval
from labelaudit.rates.intervals import wilson
from labelaudit.values.findings import AgreementFinding, AnnotatorFinding, VendorFinding


def vendor_findings(work: Work) -> tuple[VendorFinding, ...]:
    made = []
    vendors = work.rows["vendor"].to_numpy()
    fair = _fair(work, vendors)
    for vendor in sorted(set(vendors[work.current])):
        own = work.current & (vendors == vendor)
        errors = int(work.detection.annotation_is_issue[own].sum())
        low, high = wilson(errors, int(own.sum()))
        right, labels = gold_counts(work, own)
        made.append(
            VendorFinding(
                vendor=vendor,
                items=len(np.unique(work.codes[own])),
                annotations=int(own.sum()),
                annotation_errors=errors,
                low=low,
                high=high,
                gold_right=right,
                gold_labels=labels,
                **fair.get(vendor, {}),
            )
        )
    return tuple(made)


def _fair(work: Work, vendors: np.ndarray) -> dict[str, dict[str, Any]]:
    """The vendors of this release on equal items; empty where there is but one, or nothing tells hard from easy."""
    here, detection = work.current, work.detection
    if len(set(vendors[here])) < 2:
        return {}
    by_row = None if work.pred_probs is None else work.pred_probs[work.codes]
    difficulty = item_difficulty(work.codes, vendors, work.labels, by_row)[here]
    known = ~np.isnan(difficulty).all(0)
    if not known.any():
        return {}
    found = vendor_quality(detection.annotation_quality[here], vendors[here], difficulty[:, known], work.codes[here])
    return {
        str(name): {
            "fair_quality": float(found.adjusted[place]),
            "fair_low": float(found.adjusted_low[place]),
            "fair_high": float(found.adjusted_high[place]),
            "differs": ("better" if found.difference[place] > 0 else "worse") if found.differs[place] else "",
        }
        for place, name in enumerate(found.vendors)
    }


def gold_counts(work: Work, rows: np.ndarray) -> tuple[int, int]:
    """Of the rows (m,) bool on gold items: how many are right, and how many there are."""
    truth = work.detection.gold[work.codes]
    known = rows & (truth >= 0)
    return int((known & ~work.detection.annotation_is_issue).sum()), int(known.sum())


def annotator_findings(work: Work) -> tuple[AnnotatorFinding, ...]:
    """Those of this release, the worst first."""
    if "annotator" not in work.rows:
        return ()
    current = work.rows[work.current].groupby("annotator")
    given = current.size()
    vendors = current["vendor"].agg(lambda values: ",".join(sorted(set(values))))
    detection = work.detection
    drift = annotator_drift(
        detection.annotation_quality, work.people, work.rows["sequence"].fillna(0).to_numpy(), seed=work.contract.seed
    )
    on_gold = detection.gold[work.codes] >= 0
    gold_labels = Counter(work.people[on_gold].tolist())
    gold_right = Counter(work.people[on_gold & ~detection.annotation_is_issue].tolist())
    made = []
    for place, name in enumerate(detection.annotators):
        if name not in given.index:
            continue
        changed = bool(drift.changed[place])
        made.append(
            AnnotatorFinding(
                name=str(name),
                vendors=vendors[name],
                annotations=int(given[name]),
                judged=int(detection.annotator_labels[place]),
                quality=float(detection.annotator_quality[place]),
                low=float(detection.annotator_low[place]),
                high=float(detection.annotator_high[place]),
                gold_right=gold_right[place],
                gold_labels=gold_labels[place],
                changed=changed,
                before=float(drift.before[place]) if changed else None,
                after=float(drift.after[place]) if changed else None,
                labels_before=int(drift.labels_before[place]) if changed else None,
            )
        )
    return tuple(sorted(made, key=lambda one: (one.quality, one.name)))


def agreement_finding(work: Work) -> AgreementFinding | None:
    found = work.detection.agreement
    if found is None:
        return None
    most = int(found.prevalence.argmax())
    return AgreementFinding(
        alpha=_triple(found.alpha),
        fleiss=_triple(found.fleiss),
        raw=_triple(found.raw),
        items=found.items,
        most_frequent=work.contract.classes[most],
        prevalence=float(found.prevalence[most]),
    )


def _triple(one: Interval) -> tuple[float, float, float]:
    return float(one.value), float(one.low), float(one.high)
