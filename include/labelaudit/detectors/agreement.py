"""How far annotators agree: coefficients with their intervals, and the prevalence of the classes beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labelaudit.detectors.consensus import codes_of, label_codes, names_of
from labelaudit.errors import InvalidInput
from labelaudit.kernels import agreement as kernel
from labelaudit.kernels.agreement import Interval
from labelaudit.kernels.consensus import votes


@dataclass(frozen=True)
class Agreement:
    """alpha (Krippendorff's), fleiss (Fleiss' kappa), raw (share of pairs of labels that agree), each value, low, high;
    prevalence (K,) of classes (K,), mean share of an item's labels, with prevalence_low, prevalence_high. Of so many
    items of two labels or more, and their labels; repeated: labels left out because the annotator had judged the item.
    """

    alpha: Interval
    fleiss: Interval
    raw: Interval
    classes: np.ndarray
    prevalence: np.ndarray
    prevalence_low: np.ndarray
    prevalence_high: np.ndarray
    items: int
    labels: int
    repeated: int


def agreement(items, annotators, labels, classes: Sequence | None = None) -> Agreement | None:
    """Agreement of several annotators; None where no item has labels of two annotators.

    items, annotators, labels: arrays of equal length m, one row a label. Items of one label are left out, and of an
    annotator's labels of one item the first counts. Raw agreement and kappa count every item once, alpha every label:
    see labelaudit.kernels.agreement for what that means where items have unequal numbers of labels. Raises
    InvalidInput.

    >>> round(agreement([1, 1, 2, 2, 3, 3], list("abacbc"), list("xxyyxy")).alpha.value, 3)
    0.444
    """
    items, annotators, labels = names_of(items), names_of(annotators), np.asarray(labels)
    if not (items.shape == annotators.shape == labels.shape and items.ndim == 1 and len(items)):
        raise InvalidInput(
            f"items, annotators and labels must be (m,), m >= 1: {items.shape}, {annotators.shape}, {labels.shape}"
        )
    known = codes_of(labels)[0] if classes is None else np.asarray(list(classes))
    codes = label_codes(labels, known, "labels")
    item_names, item_codes = codes_of(items)
    people, people_codes = codes_of(annotators)
    pairs = item_codes.astype(np.int64) * len(people) + people_codes
    first = np.unique(pairs, return_index=True)[1]
    repeated = len(pairs) - len(first)
    if repeated:
        first.sort()
        item_codes, people_codes, codes = item_codes[first], people_codes[first], codes[first]
    cast = votes(item_codes, people_codes, codes, len(item_names), len(known))
    coefficients = kernel.coefficients(cast.start, cast.given, len(known))
    if coefficients is None:
        return None
    return Agreement(
        alpha=coefficients.alpha,
        fleiss=coefficients.fleiss,
        raw=coefficients.raw,
        classes=known,
        prevalence=coefficients.prevalence,
        prevalence_low=coefficients.prevalence_low,
        prevalence_high=coefficients.prevalence_high,
        items=coefficients.items,
        labels=coefficients.labels,
        repeated=repeated,
    )
