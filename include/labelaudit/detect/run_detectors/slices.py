"""Where the model is weak."""

from __future__ import annotations

from typing import Any

import numpy as np

from labelaudit.contracts.model import Contract
from labelaudit.detect.run_detectors.entry import RunDetector
from labelaudit.detect.sources import source_of
from labelaudit.detect.work import Work
from labelaudit.detectors.slices import find_weak_slices
from labelaudit.values.findings import SliceFinding


def fields(work: Work) -> dict[str, Any]:
    look, detection = work.dataset, work.detection
    if look.table is None or work.class_probs is None:
        return {"slices": ()}
    best = np.where(detection.is_issue, detection.suggested, detection.label)
    wrong = work.class_probs.argmax(1) != best
    return {"slices": _slices(work.contract, detection.items, look.there, look.table, wrong)}


def _slices(
    contract: Contract, items: np.ndarray, there: np.ndarray, features: Any, wrong: np.ndarray
) -> tuple[SliceFinding, ...]:
    """there: the items that have features; wrong (n,) bool of all items."""
    items, total, wrong = items[there], int(wrong.sum()), wrong[there]
    if not wrong.any():
        return ()
    sliced_by = source_of(contract).SLICED_BY
    names = contract.feature_columns if sliced_by == "columns" else None
    weak_slices = find_weak_slices(features, wrong, names, seed=contract.seed)
    return tuple(
        SliceFinding(
            rule=weak_slice.rule if sliced_by else "",
            items=len(weak_slice.rows),
            items_share=len(weak_slice.rows) / len(items),
            errors_share=float(wrong[weak_slice.rows].sum()) / total,
            rate=weak_slice.rate,
            low=weak_slice.low,
            high=weak_slice.high,
            rest_rate=weak_slice.rest_rate,
            examples=tuple(str(items[row]) for row in weak_slice.exemplars),
        )
        for weak_slice in weak_slices
    )


SLICES = RunDetector(
    "slices", "Where the model is weak", dataset_fields=fields, section="dataset", template="slices.html"
)
