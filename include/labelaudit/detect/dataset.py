"""What an audit says of the dataset as a whole: copies, outliers, overlapping classes, weak slices, second opinions.

Only what the contract gives evidence for: copies, outliers and slices need the columns that predictions are made from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from labelaudit.contracts.model import Contract
from labelaudit.detect.features import LEAST_ITEMS, Features, comparable
from labelaudit.detect.sources import source_of
from labelaudit.detectors.classification import Detection
from labelaudit.detectors.duplicates import Duplicates, find_duplicates
from labelaudit.detectors.outliers import find_outliers
from labelaudit.detectors.overlap import find_overlapping_classes
from labelaudit.detectors.slices import find_weak_slices
from labelaudit.values.findings import WORTHWHILE, CopiesFinding, DatasetFindings, OverlapFinding, SliceFinding

SHOWN = 30


@dataclass(frozen=True)
class Dataset:
    """By item (n,): copy_of, the number of its group's first item (itself there), -1 for an item without a copy;
    is_outlier. findings: what the report shows."""

    copy_of: np.ndarray
    is_outlier: np.ndarray
    findings: DatasetFindings


def look_at_dataset(
    contract: Contract,
    items: np.ndarray,
    features: Features | None,
    detection: Detection,
    pred_probs: np.ndarray | None,
    scope: np.ndarray,
    labels: np.ndarray,
    codes: np.ndarray,
    sources: np.ndarray,
    source_names: np.ndarray,
) -> Dataset:
    """items (n,) names; features by item, or None; pred_probs (n, K) or None; scope (n,) bool: the items judged now;
    labels (m,) codes, codes (m,) place of the item and sources (m,) number of the annotator or vendor in source_names,
    by annotation. Copies, outliers and slices are looked for among all items that have features, and copies and
    outliers told where one in scope is concerned.
    """
    best = np.where(detection.is_issue, detection.suggested, detection.label)
    there = np.zeros(0, np.int64) if features is None else np.flatnonzero(features.present)
    few = len(there) < LEAST_ITEMS
    values = None if few else features.of(features.present)
    scaled = None if few else comparable(contract, values)
    copies = None if few else find_duplicates(scaled, detection.given[there], seed=contract.seed)
    outliers = None if few else find_outliers(scaled, seed=contract.seed)
    table = values if not few and source_of(contract).SLICED_BY == "columns" else scaled
    copy_of, conflicting = np.full(len(items), -1), np.zeros(len(items), bool)
    if copies is not None:
        first = np.unique(copies.group, return_index=True)
        starts = dict(zip(*first, strict=True))
        copy_of[there] = [there[starts[group]] if group >= 0 else -1 for group in copies.group.tolist()]
        conflicting[there] = copies.is_conflict
    is_outlier, outlier_quality = np.zeros(len(items), bool), np.ones(len(items))
    if outliers is not None:
        is_outlier[there], outlier_quality[there] = outliers.is_outlier, outliers.outlier_quality
    slices = () if few or pred_probs is None else _slices(contract, items, there, table, pred_probs.argmax(1) != best)
    overlaps = () if pred_probs is None else _overlaps(contract, labels, pred_probs[codes], sources, source_names)
    findings = DatasetFindings(
        copies=() if copies is None else _copies(contract, items[there], copies, detection.given[there], scope[there]),
        copied_items=int((copy_of[scope] >= 0).sum()),
        conflicting_items=int(conflicting[scope].sum()),
        outliers=_outliers(items, is_outlier & scope, outlier_quality),
        outlier_items=int(is_outlier[scope].sum()),
        overlaps=overlaps,
        slices=slices,
        second_opinions=int((detection.second_opinion[scope] >= WORTHWHILE).sum()),
        looked_for_copies=copies is not None,
    )
    return Dataset(copy_of, is_outlier, findings)


def _copies(contract, items, copies: Duplicates, given, scope) -> tuple[CopiesFinding, ...]:
    """Groups that hold an item in scope: those in conflict first, then by the first item's name."""
    names = contract.classes
    order = np.argsort(copies.group, kind="stable")
    starts = np.searchsorted(copies.group[order], np.arange(copies.groups + 1))
    made = []
    for group in range(copies.groups):
        members = order[starts[group] : starts[group + 1]]
        if scope[members].any():
            made.append(
                CopiesFinding(
                    items=tuple(str(items[one]) for one in members[:6]),
                    labels=tuple(names[given[one]] for one in members[:6]),
                    size=len(members),
                    kind="exact" if (copies.kind[members] == "exact").all() else "near",
                    conflict=bool(copies.is_conflict[members].any()),
                )
            )
    return tuple(sorted(made, key=lambda one: (not one.conflict, one.items))[:SHOWN])


def _outliers(items: np.ndarray, flagged: np.ndarray, quality: np.ndarray) -> tuple[str, ...]:
    found = np.flatnonzero(flagged)
    return tuple(str(items[one]) for one in found[np.argsort(quality[found], kind="stable")][:SHOWN])


def _overlaps(
    contract: Contract, labels, pred_probs, sources: np.ndarray, source_names: np.ndarray
) -> tuple[OverlapFinding, ...]:
    source_kind = "annotator" if "annotator" in contract.columns else "vendor"
    several = len(np.unique(sources)) > 1
    found = find_overlapping_classes(
        labels, pred_probs, sources if several else None, contract.classes, seed=contract.seed
    )
    found.sort(key=lambda one: not one.drawn_differently)
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
        for pair in found[:SHOWN]
    )


def _slices(
    contract: Contract, items: np.ndarray, there: np.ndarray, features: Any, wrong: np.ndarray
) -> tuple[SliceFinding, ...]:
    """there: the items that have features; wrong (n,) bool of all items."""
    items, total, wrong = items[there], int(wrong.sum()), wrong[there]
    if not wrong.any():
        return ()
    sliced_by = source_of(contract).SLICED_BY
    names = contract.feature_columns if sliced_by == "columns" else None
    found = find_weak_slices(features, wrong, names, seed=contract.seed)
    return tuple(
        SliceFinding(
            rule=one.rule if sliced_by else "",
            items=len(one.rows),
            items_share=len(one.rows) / len(items),
            errors_share=float(wrong[one.rows].sum()) / total,
            rate=one.rate,
            low=one.low,
            high=one.high,
            rest_rate=one.rest_rate,
            examples=tuple(str(items[row]) for row in one.exemplars),
        )
        for one in found
    )
