"""Vendors: their errors, and what they are worth on equal items."""

from __future__ import annotations

from typing import Any

import numpy as np

from labelaudit.detect.people import gold_counts
from labelaudit.detect.run_detectors.entry import RunDetector
from labelaudit.detect.work import Work
from labelaudit.detectors.vendors import item_difficulty, vendor_quality
from labelaudit.rates.intervals import wilson
from labelaudit.values.findings import VendorFinding


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
    by_row = None if work.class_probs is None else work.class_probs[work.codes]
    difficulty = item_difficulty(work.codes, vendors, work.labels, by_row)[here]
    known = ~np.isnan(difficulty).all(0)
    if not known.any():
        return {}
    quality = vendor_quality(detection.annotation_quality[here], vendors[here], difficulty[:, known], work.codes[here])
    return {
        str(name): {
            "fair_quality": float(quality.adjusted[place]),
            "fair_low": float(quality.adjusted_low[place]),
            "fair_high": float(quality.adjusted_high[place]),
            "differs": ("better" if quality.difference[place] > 0 else "worse") if quality.differs[place] else "",
        }
        for place, name in enumerate(quality.vendors)
    }


VENDORS = RunDetector(
    "vendors",
    "Vendors",
    fields=lambda work: {"vendors": vendor_findings(work)},
    section="people",
    template="vendors.html",
)
