"""What items are compared by: their copies, the unusual among them, and the table that slices are cut from.

Only what the contract gives evidence for: all of it needs the columns that predictions are made from.
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


@dataclass(frozen=True)
class Dataset:
    """By item (n,): copy_of, the number of its group's first item (itself there), -1 for an item without a copy;
    is_outlier, outlier_quality. there: the numbers of the items that have features; of these, copies and table (texts
    or numbers), both None where they are too few."""

    there: np.ndarray
    table: Any
    copies: Duplicates | None
    copy_of: np.ndarray
    is_outlier: np.ndarray
    outlier_quality: np.ndarray


def look_at_dataset(contract: Contract, features: Features | None, detection: Detection) -> Dataset:
    """features: by item, or None. Copies and outliers are looked for among all items that have features."""
    items = len(detection.items)
    there = np.zeros(0, np.int64) if features is None else np.flatnonzero(features.present)
    copy_of, is_outlier, outlier_quality = np.full(items, -1), np.zeros(items, bool), np.ones(items)
    if len(there) < LEAST_ITEMS:
        return Dataset(there, None, None, copy_of, is_outlier, outlier_quality)
    values = features.of(features.present)
    scaled = comparable(contract, values)
    copies = find_duplicates(scaled, detection.given[there], seed=contract.seed)
    outliers = find_outliers(scaled, seed=contract.seed)
    first = np.unique(copies.group, return_index=True)
    starts = dict(zip(*first, strict=True))
    copy_of[there] = [there[starts[group]] if group >= 0 else -1 for group in copies.group.tolist()]
    is_outlier[there], outlier_quality[there] = outliers.is_outlier, outliers.outlier_quality
    table = values if source_of(contract).SLICED_BY == "columns" else scaled
    return Dataset(there, table, copies, copy_of, is_outlier, outlier_quality)
