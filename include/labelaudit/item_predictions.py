"""The predicted probabilities of an audit's items: as delivered, or made from the columns that the contract names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from labelaudit.contract import Contract
from labelaudit.history import probabilities


def predictions_of(
    contract: Contract,
    rows: pd.DataFrame,
    items: np.ndarray,
    codes: np.ndarray,
    labels: np.ndarray,
    in_scope: np.ndarray,
    features: Any,
    progress: Callable[[int, int], None] | None,
) -> tuple[np.ndarray | None, str, list[str]]:
    """Probabilities by item (n, K) or None, how they came about, and what was not checked."""
    source, classes = contract.predictions.source, len(contract.classes)
    if source == "none":
        return None, "no predictions: labels are judged by the annotators' agreement", []
    votes = np.zeros((len(items), classes))
    np.add.at(votes, (codes, labels), 1)
    by_row = probabilities(rows, classes)
    have = ~np.isnan(by_row[:, 0])
    sums, counts = np.zeros((len(items), classes)), np.bincount(codes[have], minlength=len(items))
    np.add.at(sums, codes[have], by_row[have])
    out = sums / np.maximum(counts, 1)[:, None]
    wanted = counts == 0
    shares = (votes.sum(0) + 1) / (votes.sum() + classes)
    not_checked: list[str] = []
    if source == "delivered":
        note = f"predictions as delivered, for {int((~wanted).sum())} of {len(items)} items"
        out[wanted] = shares
        if missing := items[wanted & in_scope].tolist():
            shown = ", ".join(missing[:5]) + (", …" if len(missing) > 5 else "")
            not_checked.append(
                f"{len(missing)} items without predictions were judged by their annotators only: {shown}"
            )
    else:
        from labelaudit.predictions import FOLDS, predict

        wanted |= in_scope
        out[wanted] = predict(contract, features, votes.argmax(1), wanted, progress)[wanted]
        columns = ", ".join(contract.feature_columns)
        note = f"predictions from {source} ({columns}), {FOLDS}-fold cross-validated, on {len(items)} items"
    return out / out.sum(1, keepdims=True), note, not_checked


def features_of(contract: Contract, rows: pd.DataFrame, codes: np.ndarray, items: int) -> Any:
    """One value an item, that of its last row: a list of texts, or a float matrix (n, d)."""
    last = np.zeros(items, np.int64)
    last[codes] = np.arange(len(rows))
    chosen = rows.iloc[last]
    if contract.predictions.source == "text":
        return chosen[contract.predictions.column].tolist()
    if contract.predictions.source == "tabular":
        return chosen[list(contract.predictions.columns)].to_numpy(np.float64)
    length = contract.columns[contract.predictions.column].length
    empty = np.zeros(length, np.float32)
    cells = chosen[contract.predictions.column]
    return np.stack([np.asarray(cell, np.float32) if cell is not None else empty for cell in cells])
