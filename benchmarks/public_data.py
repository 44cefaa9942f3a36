"""The public data that benchmarks and accuracy tests read. It is no part of the project: LABELAUDIT_DATA says where.

label_noise/*.npz: labels, pred_probs, error_mask. deliveries/cifar10n and deliveries/product-match: labels as vendors
deliver them, and the truth. See FOLDER/README.md for sources and licences.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

PROJECT = Path(__file__).resolve().parents[1]
FOLDER = Path(os.environ.get("LABELAUDIT_DATA") or PROJECT.parent / "shared" / "data")


@dataclass(frozen=True)
class Delivered:
    """Labels in long form (item_id, annotator_id, label), predictions (item_id and a column a class) or None, truth."""

    name: str
    labels: pd.DataFrame
    predictions: pd.DataFrame | None
    truth: pd.Series
    files: tuple[Path, ...]


def present() -> bool:
    return (FOLDER / "deliveries").is_dir()


def delivered(name: str) -> Delivered:
    folder = FOLDER / "deliveries" / name
    labels = next(folder.glob("labels.csv*"))
    truth = next(folder.glob("truth.csv*"))
    predictions = next(folder.glob("pred_probs.csv*"), None)
    plain = {"dtype": str, "keep_default_na": False}
    return Delivered(
        name=name,
        labels=pd.read_csv(labels, **plain),
        predictions=None if predictions is None else pd.read_csv(predictions, dtype={"item_id": str}),
        truth=pd.read_csv(truth, **plain).set_index("item_id")["true_label"],
        files=tuple(filter(None, (labels, predictions))),
    )


def label_noise() -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """By name: labels (n,), pred_probs (n, K), error_mask (n,)."""
    sets = {}
    for path in sorted((FOLDER / "label_noise").glob("*.npz")):
        with np.load(path) as arrays:
            sets[path.stem] = (arrays["labels"].astype(np.int64), arrays["pred_probs"], arrays["error_mask"])
    return sets
