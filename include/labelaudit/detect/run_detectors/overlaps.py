"""Classes that are given for each other, and whose reading of the guideline differs."""

from __future__ import annotations

from typing import Any

import numpy as np

from labelaudit.contracts.model import Contract
from labelaudit.detect.run_detectors.entry import RunDetector
from labelaudit.detect.work import Work
from labelaudit.detectors.overlap import find_overlapping_classes
from labelaudit.values.findings import OverlapFinding

SHOWN = 30


def fields(work: Work) -> dict[str, Any]:
    if work.class_probs is None:
        return {"overlaps": ()}
    by_row = work.class_probs[work.codes]
    return {"overlaps": _overlaps(work.contract, work.labels, by_row, work.people, work.detection.annotators)}


def _overlaps(
    contract: Contract, labels, pred_probs, sources: np.ndarray, source_names: np.ndarray
) -> tuple[OverlapFinding, ...]:
    source_kind = "annotator" if "annotator" in contract.columns else "vendor"
    several = len(np.unique(sources)) > 1
    overlaps = find_overlapping_classes(
        labels, pred_probs, sources if several else None, contract.classes, seed=contract.seed
    )
    overlaps.sort(key=lambda overlap: not overlap.drawn_differently)
    names = contract.classes
    return tuple(
        OverlapFinding(
            one=names[pair.a],
            other=names[pair.b],
            x=pair.ab + pair.ba,
            n=pair.a_rows + pair.b_rows,
            low=pair.low,
            high=pair.high,
            read_differently=pair.drawn_differently,
            source=str(source_names[pair.source]) if pair.drawn_differently else "",
            source_kind=source_kind,
            says=names[pair.source_says] if pair.drawn_differently and pair.source_says is not None else "",
            source_x=pair.source_says_rows,
            source_n=pair.source_rows,
            expected=pair.expected_rows,
            direction=pair.direction,
        )
        for pair in overlaps[:SHOWN]
    )


OVERLAPS = RunDetector(
    "overlaps", "Classes that overlap", dataset_fields=fields, section="dataset", template="overlaps.html"
)
