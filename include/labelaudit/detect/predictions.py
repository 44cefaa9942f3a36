"""The predicted probabilities of an audit's items: as delivered, or made from the columns that the contract names."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from labelaudit.contracts.model import Contract
from labelaudit.detect.features import Features
from labelaudit.detect.history import probabilities

SHOWN_CHARACTERS = 100


def predictions_of(
    contract: Contract,
    rows: pd.DataFrame,
    items: np.ndarray,
    codes: np.ndarray,
    labels: np.ndarray,
    in_scope: np.ndarray,
    features: Features | None,
    progress: Callable[[int, int], None] | None,
    of: int | None = None,
) -> tuple[np.ndarray | None, str, list[str]]:
    """Probabilities by item (n, K) or None, how they came about, and what was not checked.

    of: the code of one class, which labels say to apply (1) or not (0); K is 2 then.
    """
    source, classes = contract.predictions.source, len(contract.classes) if of is None else 2
    if source == "none":
        return None, "no predictions: labels are judged by the annotators' agreement", []
    votes = np.zeros((len(items), classes))
    np.add.at(votes, (codes, labels), 1)
    by_row = probabilities(rows, len(contract.classes))
    if of is not None:
        by_row = np.stack([1 - by_row[:, of], by_row[:, of]], 1)
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
        blind, why = wanted & in_scope, "without predictions"
    else:
        from labelaudit.detect.models import FOLDS, predict

        wanted |= in_scope
        there = features.present
        out[wanted] = shares
        if (here := wanted & there).any():
            made = predict(contract, features.of(there), votes[there].argmax(1), wanted[there], progress, classes)
            out[here] = made[wanted[there]]
        columns = ", ".join(contract.feature_columns)
        note = f"predictions from {source} ({columns}), {FOLDS}-fold cross-validated, on {int(there.sum())} items"
        blind, why = in_scope & ~there, f"without {columns}"
    if missing := items[blind].tolist():
        shown = ", ".join(f"{name[:SHOWN_CHARACTERS]}" for name in missing[:5]) + (", …" if len(missing) > 5 else "")
        not_checked.append(f"{len(missing)} items {why} were judged by their annotators only: {shown}")
    return out / out.sum(1, keepdims=True), note, not_checked
