"""What a kind of label is given to judge, and what it gives back: plain arrays, whatever a label is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from labelaudit.contracts.model import Contract
from labelaudit.detectors import classification
from labelaudit.values.value import Value

Predicted = tuple[np.ndarray | None, str, list[str]]
"""Probabilities by item (n, K) or None, how they came about, and what was not checked."""
Predict = Callable[[np.ndarray, int | None], Predicted]
"""Predictions of the items from labels (m,): int codes of the contract's classes; or, of one class by its code, 1 where
it applies and 0 elsewhere (K is 2 then)."""


@dataclass(frozen=True)
class Section:
    """What a kind's own section of the report tells: look(judged, chosen (n,) bool of its items) gives a `model`, which
    template, of report/templates, draws as `found`; lines: what `labelaudit run` says of it."""

    title: str
    model: type[Value]
    look: Callable[[Judged, np.ndarray], Value | None]
    template: str
    lines: Callable[[Any], Iterable[str]] = lambda finding: ()


@dataclass(frozen=True)
class Parts:
    """By item and class (n, K): given, label (published), suggested, is_issue, all bool; quality in (0, 1)."""

    given: np.ndarray
    label: np.ndarray
    suggested: np.ndarray
    quality: np.ndarray
    is_issue: np.ndarray


@dataclass(frozen=True)
class Given:
    """By row (m,): labels, as text; codes, the place of its item in items (n,); people, the number of its annotator.
    scope (n,) bool: the items that are judged. truths: known labels by item."""

    contract: Contract
    items: np.ndarray
    labels: np.ndarray
    codes: np.ndarray
    people: np.ndarray
    scope: np.ndarray
    truths: Mapping[str, str]


@dataclass(frozen=True)
class Judged:
    """values: what the codes of labels mean, as text; classes: the contract's; labels (m,) codes. detection: by item
    and row, its items and annotators as numbers; pred_probs (n, K) by class, or None; parts: where an item has several.
    """

    values: tuple[str, ...]
    classes: tuple[str, ...]
    labels: np.ndarray
    detection: classification.Detection
    pred_probs: np.ndarray | None
    note: str
    not_checked: list[str]
    parts: Parts | None = None
