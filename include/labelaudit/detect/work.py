"""What one audit works on, between reading the rows and writing the tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from labelaudit.contracts.model import Contract
from labelaudit.detect.dataset import Dataset
from labelaudit.detect.features import Features
from labelaudit.detectors.classification import Detection
from labelaudit.tasks.judged import Judged


@dataclass
class Work:
    """The rows of one audit. rows: one per annotation, scope and context; codes (m,) place each row's item in
    detection.items, people (m,) its annotator (the vendor where there are none) in detection.annotators, and labels
    (m,) its label in judged.values; scope (n,) bool by item; current (m,) bool: the row is of a delivery of this run.
    judged: what the kind of label found; detection is its own, with names. class_probs: pred_probs (n, K), or None
    where they are no distribution over the classes: detectors that compare classes need one."""

    contract: Contract
    rows: pd.DataFrame
    judged: Judged
    detection: Detection
    codes: np.ndarray
    people: np.ndarray
    labels: np.ndarray
    features: Features | None
    scope: np.ndarray
    current: np.ndarray
    pred_probs: np.ndarray | None
    class_probs: np.ndarray | None
    dataset: Dataset
    predictions_note: str
    not_checked: list[str]
    new_items: int
    removed: list[str]
    replaced: int
