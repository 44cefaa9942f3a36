"""A column of vectors: logistic regression, and the nearest neighbours' votes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from labelaudit.contracts.model import Contract
from labelaudit.detect.sources import neighbours

SLICED_BY = ""


def present(contract: Contract, cells: pd.DataFrame) -> np.ndarray:
    """A vector of the contract's length."""
    column = contract.feature_columns[0]
    length = contract.columns[column].length
    return np.array([isinstance(cell, list | np.ndarray) and len(cell) == length for cell in cells[column]], bool)


def values(contract: Contract, cells: pd.DataFrame, present: np.ndarray) -> np.ndarray:
    column = contract.feature_columns[0]
    vectors = np.zeros((len(cells), contract.columns[column].length), np.float32)
    for place, (cell, there) in enumerate(zip(cells[column].tolist(), present.tolist(), strict=True)):
        if there:
            vectors[place] = cell
    return vectors


def matrix(features: Any) -> np.ndarray:
    return np.nan_to_num(np.asarray(features, np.float32))


def models(contract: Contract, rows: int) -> list[Any]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    regression = LogisticRegression(C=0.1, max_iter=200, random_state=contract.seed)
    return [make_pipeline(StandardScaler(), regression), neighbours(rows)]


def evidence(contract: Contract, row: pd.Series) -> dict[str, Any]:
    """A vector says nothing to a person."""
    return {}
