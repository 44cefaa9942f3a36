"""Columns of numbers: gradient boosting, and the nearest neighbours' votes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from labelaudit.contracts.model import Contract
from labelaudit.detect.sources import neighbours

SLICED_BY = "columns"


def present(contract: Contract, cells: pd.DataFrame) -> np.ndarray:
    """One number at least."""
    return np.isfinite(cells[list(contract.feature_columns)].to_numpy(np.float64, na_value=np.nan)).any(1)


def values(contract: Contract, cells: pd.DataFrame, present: np.ndarray) -> np.ndarray:
    return cells.to_numpy(np.float64, na_value=np.nan)


def matrix(features: Any) -> Any:
    return features


def models(contract: Contract, rows: int) -> list[Any]:
    from sklearn.ensemble import HistGradientBoostingClassifier

    boosting = HistGradientBoostingClassifier(
        learning_rate=0.1, max_iter=100, min_samples_leaf=10, l2_regularization=1.0, random_state=contract.seed
    )
    return [boosting, neighbours(rows)]


def evidence(contract: Contract, row: pd.Series) -> dict[str, Any]:
    return {"features": {name: _plain(row[name]) for name in contract.feature_columns}}


def _plain(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not np.isfinite(value) else value
