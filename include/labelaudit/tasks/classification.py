"""One item, one class. The item is the part that is right or wrong."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pyarrow as pa

from labelaudit.contracts.checks import Check
from labelaudit.contracts.delivery import Vendor
from labelaudit.contracts.model import Contract
from labelaudit.detectors import classification
from labelaudit.errors import AuditImpossible
from labelaudit.readers.terms import Field
from labelaudit.tasks.judged import Given, Judged, Predict

DETECTOR = classification.NAME
LABEL = pa.string()
IS_DISTRIBUTION = True
TABLES = ()
SECTION = None


def checks(contract: Contract) -> list[Check]:
    """A label is one of the contract's classes."""
    known = {"column": "label", "value_set": list(contract.classes)}
    return [Check(type="expect_column_values_to_be_in_set", kwargs=known)]


def fields(vendor: Vendor) -> tuple[Field, ...]:
    """None but the column `label`."""
    return ()


def canonical(rows: pa.Table, contract: Contract, vendor: Vendor) -> pa.Table:
    """The rows as they are: a label is a text."""
    return rows


def checked(contract: Contract, labels: pd.Series) -> pd.Series:
    """The labels as they are."""
    return labels


def parts(judged: Judged, items: np.ndarray, chosen: np.ndarray) -> None:
    """An item is its only part."""


def judge(given: Given, predict: Predict) -> Judged:
    """Raises AuditImpossible where there is nothing to judge by, or the history has a class that is none any more."""
    contract, classes = given.contract, pd.Index(given.contract.classes)
    labels = classes.get_indexer(given.labels)
    if (labels < 0).any():  # of the history: the contract has lost a class since
        lost = sorted(set(given.labels[labels < 0]))
        raise AuditImpossible(
            f"the history of {contract.id} holds labels {lost[:5]} that are no class of the contract any more."
            " Add the class again, or publish to a new dataset."
        )
    pred_probs, note, not_checked = predict(labels, None)
    truths = given.truths
    gold = classes.get_indexer([truths.get(item) for item in given.items.tolist()]) if truths else None
    detection = classification.detect(
        given.codes, given.people, labels, pred_probs, len(classes), given.scope, contract.seed, gold
    )
    return Judged(contract.classes, contract.classes, labels, detection, pred_probs, note, not_checked)


def by_class(judged: Judged, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of the class that was given: issues x and items n (K,), of the items' places."""
    issue, given, classes = judged.detection.is_issue[items], judged.detection.given[items], len(judged.values)
    n = np.bincount(given[given >= 0], minlength=classes)
    return np.bincount(given[given >= 0], issue[given >= 0], minlength=classes), n


def pairs(judged: Judged, items: np.ndarray) -> Counter[tuple[str, str]]:
    """Of the issues among the items (n,) bool: what was given and what is suggested, where they differ."""
    detection = judged.detection
    here = items & detection.is_issue & (detection.given != detection.suggested)
    codes = Counter(zip(detection.given[here].tolist(), detection.suggested[here].tolist(), strict=True))
    return Counter({(judged.values[one], judged.values[other]): codes[one, other] for one, other in sorted(codes)})
