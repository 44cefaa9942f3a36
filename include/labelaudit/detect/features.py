"""What predictions are made from, by item: a text or numbers, and which items have any.

An item may come without them: the column is nullable, younger than the dataset, or had another length once. Such an
item is no copy and no outlier of anything, teaches no model, and is told apart; it is never filled up in silence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from labelaudit.contracts.model import Contract
from labelaudit.detect.sources import source_of

LEAST_ITEMS = 50
"""With fewer items nothing is usual, and so nothing unusual."""

DIMENSIONS = 64
"""Longer vectors are projected to their main components before neighbours are looked for."""


@dataclass(frozen=True)
class Features:
    """By item (n,): values, a list of texts or a float matrix (n, d); present, bool: the item has any; row, the number
    of the row they come from (of the item's last row where none has any)."""

    values: Any
    present: np.ndarray
    row: np.ndarray

    def of(self, chosen: np.ndarray) -> Any:
        """The values of the chosen items (n,) bool."""
        if isinstance(self.values, np.ndarray):
            return self.values[chosen]
        return [text for text, wanted in zip(self.values, chosen.tolist(), strict=True) if wanted]


def features_of(contract: Contract, rows: pd.DataFrame, codes: np.ndarray, items: int) -> Features | None:
    """The features of `items` items, each of its last row that has any; codes (m,) place each row's item. None where
    predictions are made from no column."""
    if not contract.feature_columns:
        return None
    have = np.flatnonzero(has_features(contract, rows))
    row, present = np.zeros(items, np.int64), np.zeros(items, bool)
    row[codes] = np.arange(len(rows))
    row[codes[have]], present[codes[have]] = have, True
    cells = rows[list(contract.feature_columns)].iloc[row]
    return Features(source_of(contract).values(contract, cells, present), present, row)


def has_features(contract: Contract, rows: pd.DataFrame) -> np.ndarray:
    """Which rows (m,) bool have what the contract's predictions are made from: as its source has it."""
    return source_of(contract).present(contract, rows)


def comparable(contract: Contract, features: Any) -> Any:
    """Texts, or a finite matrix (n, d) whose columns are of comparable scale."""
    if not isinstance(features, np.ndarray):
        return features
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    rows = np.asarray(features, np.float64)
    if not np.isfinite(rows).all():
        middle = np.nanmedian(np.where(np.isfinite(rows), rows, np.nan), axis=0)
        rows = np.where(np.isfinite(rows), rows, np.nan_to_num(middle))
    if source_of(contract).SLICED_BY == "columns":  # of different scales
        rows = StandardScaler().fit_transform(rows)
    if rows.shape[1] > DIMENSIONS and len(rows) > DIMENSIONS:
        rows = PCA(DIMENSIONS, svd_solver="randomized", random_state=contract.seed).fit_transform(rows)
    return rows.astype(np.float32)
