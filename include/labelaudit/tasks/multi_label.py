"""A list of classes an item, or none of them. Each class of an item is a part: it applies, or it does not.

Every class is judged by itself, as a classification with two answers. The item is right where all its parts are: it is
an issue where any part is, and its quality is that of its worst part. An annotator's labels are lists, right where
every class is. Of each class count the items that were given it, or should have been: who neither got nor lacks it is
no part that counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa

from labelaudit.contracts.checks import Check
from labelaudit.contracts.delivery import Vendor
from labelaudit.contracts.kinds import JOINER, NO_CLASS
from labelaudit.contracts.model import Contract
from labelaudit.detectors import classification
from labelaudit.detectors.canaries import Canaries
from labelaudit.detectors.classification import Detection
from labelaudit.detectors.consensus import interval
from labelaudit.errors import AuditImpossible
from labelaudit.readers.terms import Field
from labelaudit.storage import layout
from labelaudit.storage.schemas import PARTS_SCHEMA
from labelaudit.tasks.judged import Given, Judged, Parts, Predict, Section
from labelaudit.tasks.texts import classes_in
from labelaudit.values.value import Value

DETECTOR = f"multi_label-1 of {classification.NAME}"
LABEL = pa.list_(pa.string())
IS_DISTRIBUTION = False
TABLES = (layout.PARTS,)
STRENGTH = 10.0
"""As many labels of the mean quality each annotator's own are weighed with."""
_CELL = "label."


def checks(contract: Contract) -> list[Check]:
    """Every class of a label is one of the contract's: of the value that `checked` shows."""
    known = {"column": "label", "value_set": list(contract.classes)}
    return [Check(type="expect_column_values_to_be_in_set", kwargs=known)]


def checked(contract: Contract, labels: pd.Series) -> pd.Series:
    """Of each list its first class that is none of the contract's; where there is none, one that is."""
    known = set(contract.classes)
    strange = (next((name for name in cell if name not in known), contract.classes[0]) for cell in labels)
    return pd.Series(list(strange), labels.index, dtype="str")


def fields(vendor: Vendor) -> tuple[Field, ...]:
    """One-hot: a column for each class, true or false."""
    columns = vendor.labels.one_hot or {}
    return tuple(Field(_CELL + name, source, "boolean") for name, source in columns.items())


def canonical(rows: pa.Table, contract: Contract, vendor: Vendor) -> pa.Table:
    """Rows as read, their label as a list in the order of the contract's classes, then what is none of them."""
    order = {name: place for place, name in enumerate(contract.classes)}
    if vendor.labels.one_hot is None:
        lists = (_split(cell, vendor.labels.separator, vendor.labels.none) for cell in rows["label"].to_pylist())
        place, rest = rows.column_names.index("label"), rows.drop_columns("label")
    else:
        names = [name for name in contract.classes if _CELL + name in rows.column_names]
        applies = zip(*(rows[_CELL + name].to_pylist() for name in names), strict=True)
        lists = ([name for name, there in zip(names, row, strict=True) if there] for row in applies)
        place = min(rows.column_names.index(_CELL + name) for name in names)
        rest = rows.drop_columns([_CELL + name for name in names])
    cells = [sorted(set(names), key=lambda name: (order.get(name, len(order)), name)) for names in lists]
    return rest.add_column(place, "label", pa.array(cells, LABEL))


def _split(cell: str, separator: str, none: str | None) -> list[str]:
    return [] if none is not None and cell.strip() == none else [name.strip() for name in cell.split(separator)]


def judge(given: Given, predict: Predict) -> Judged:
    """Raises AuditImpossible where there is nothing to judge by, or the history has a class that is none any more."""
    contract = given.contract
    labelled = _matrix(contract, given.labels)
    detections, probabilities, notes, not_checked = [], [], [], []
    for code in range(len(contract.classes)):
        applies = labelled[:, code].astype(np.int64)
        pred_probs, note, missing = predict(applies, code)
        detections.append(
            classification.detect(given.codes, given.people, applies, pred_probs, 2, given.scope, contract.seed + code)
        )
        notes.append(note)
        not_checked += missing
        if pred_probs is not None:
            probabilities.append(pred_probs[:, 1])
    parts = _parts(detections)
    values, (labels, *of_items) = _coded(contract, [labelled, parts.given, parts.label, parts.suggested])
    return Judged(
        values=values,
        classes=contract.classes,
        labels=labels,
        detection=_gathered(given, detections, parts, of_items),
        pred_probs=np.stack(probabilities, 1) if probabilities else None,
        note=", ".join(dict.fromkeys(notes)) + "; each class by itself",
        not_checked=list(dict.fromkeys(not_checked)),
        parts=parts,
    )


def _matrix(contract: Contract, labels: np.ndarray) -> np.ndarray:
    """Which classes each row's text names, (m, K) bool."""
    code = {name: place for place, name in enumerate(contract.classes)}
    distinct, of_row = np.unique(labels.astype(str), return_inverse=True)
    named = [classes_in(text) for text in distinct.tolist()]
    if lost := sorted({name for names in named for name in names} - code.keys()):
        raise AuditImpossible(
            f"the history of {contract.id} holds labels {lost[:5]} that are no class of the contract any more."
            " Add the class again, or publish to a new dataset."
        )
    out = np.zeros((len(distinct), len(code)), bool)
    for row, names in enumerate(named):
        out[row, [code[name] for name in names]] = True
    return out[of_row]


def _parts(detections: list[Detection]) -> Parts:
    def of(name: str) -> np.ndarray:
        return np.stack([getattr(detection, name) for detection in detections], 1)

    return Parts(
        given=of("given").astype(bool),
        label=of("label").astype(bool),
        suggested=of("suggested").astype(bool),
        quality=of("label_quality"),
        is_issue=of("is_issue").astype(bool),
    )


def _coded(contract: Contract, matrices: list[np.ndarray]) -> tuple[tuple[str, ...], list[np.ndarray]]:
    """The distinct rows of the matrices (·, K) bool as texts, and each matrix as codes of them."""
    distinct, codes = np.unique(np.concatenate(matrices), axis=0, return_inverse=True)
    names = np.array(contract.classes, object)
    values = tuple(JOINER.join(names[row]) or NO_CLASS for row in distinct)
    return values, np.split(codes.reshape(-1), np.cumsum([len(matrix) for matrix in matrices])[:-1])


def _gathered(given: Given, detections: list[Detection], parts: Parts, codes: list[np.ndarray]) -> Detection:
    """The parts' findings as those of items, rows and annotators."""
    first = detections[0]
    quality, is_issue = parts.quality.min(1), parts.is_issue.any(1)
    wrong = np.any([detection.annotation_is_issue for detection in detections], 0)
    labels = first.annotator_labels
    people = np.bincount(given.people, weights=~wrong, minlength=len(labels))
    worth = (people + STRENGTH * (1 - wrong.mean())) / (labels + STRENGTH)
    low, high = interval(worth, labels + STRENGTH)
    flagged = float(is_issue[given.scope].mean())
    expected = float(1 - parts.quality[given.scope].prod(1).mean())
    return replace(
        first,
        given=codes[0],
        label=codes[1],
        suggested=codes[2],
        label_quality=quality,
        is_issue=is_issue,
        annotation_quality=np.min([detection.annotation_quality for detection in detections], 0),
        annotation_is_issue=wrong,
        annotator_quality=worth,
        annotator_low=low,
        annotator_high=high,
        issue_rate_range=(min(flagged, expected), flagged, max(flagged, expected)),
        agreement=None,
        method="each class by itself: " + ", ".join(dict.fromkeys(detection.method for detection in detections)),
        second_opinion=np.max([detection.second_opinion for detection in detections], 0),
        canaries=_together([detection.canaries for detection in detections]),
    )


def _together(tried: list[Canaries]) -> Canaries:
    """All classes' canaries; the precision is of their flags together."""
    known = [canaries for canaries in tried if not np.isnan(canaries.precision)]
    flagged = sum(canaries.flagged for canaries in known)
    right = sum(canaries.precision * canaries.flagged for canaries in known)
    return Canaries(
        planted=sum(canaries.planted for canaries in tried),
        found=sum(canaries.found for canaries in tried),
        precision=right / flagged if flagged else float("nan"),
        planted_anywhere=sum(canaries.planted_anywhere for canaries in tried),
        found_anywhere=sum(canaries.found_anywhere for canaries in tried),
        flagged=sum(canaries.flagged for canaries in tried),
        judged=sum(canaries.judged for canaries in tried),
    )


class ClassOfItems(Value):
    """Items that were given a class; of them, those that likely should not have been, and of the others, those that
    likely should."""

    label: str
    given: int
    spurious: int
    missing: int


class Classes(Value):
    classes: tuple[ClassOfItems, ...]
    parts: int
    """Classes that were given to items, or likely should have been."""
    wrong: int
    without: int
    """Items that were given no class."""


def look(judged: Judged, chosen: np.ndarray) -> Classes:
    """Class by class of the chosen items (n,) bool: what is too much, and what is missing."""
    given, issue = judged.parts.given[chosen], judged.parts.is_issue[chosen]
    counts = zip(judged.classes, given.sum(0), (given & issue).sum(0), (~given & issue).sum(0), strict=True)
    classes = tuple(
        ClassOfItems(label=label, given=int(n), spurious=int(spurious), missing=int(missing))
        for label, n, spurious, missing in counts
    )
    return Classes(
        classes=classes,
        parts=int((given | issue).sum()),
        wrong=int(issue.sum()),
        without=int((~given.any(1)).sum()),
    )


def lines(finding: Classes) -> Iterator[str]:
    missing = sum(label.missing for label in finding.classes)
    yield (
        f"classes of items: {finding.wrong} of {finding.parts} likely wrong, {finding.wrong - missing} too many and"
        f" {missing} missing"
    )


SECTION = Section("Classes of items", Classes, look, "multi_label.html", lines)


def by_class(judged: Judged, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of the items' places: issues x of each class (K,), and the items n that were given it or should have been."""
    given, issue = judged.parts.given[items], judged.parts.is_issue[items]
    return issue.sum(0), (given | issue).sum(0)


def pairs(judged: Judged, items: np.ndarray) -> Counter[tuple[str, str]]:
    """Of the issues among the items (n,) bool: classes too many and missing, as given and suggested texts."""
    counts: Counter[tuple[str, str]] = Counter()
    for row, code in np.argwhere(judged.parts.is_issue & items[:, None]):
        name = judged.classes[code]
        counts[(name, NO_CLASS) if judged.parts.given[row, code] else (NO_CLASS, name)] += 1
    return counts


def parts(judged: Judged, items: np.ndarray, chosen: np.ndarray) -> pa.Table:
    """A row for each class of the chosen items (n,) bool that was given, is published or is an issue."""
    schema = pa.schema([field for field in PARTS_SCHEMA if field.name != "release"])
    return pa.Table.from_pylist(list(_rows(judged, items, chosen)), schema=schema)


def _rows(judged: Judged, items: np.ndarray, chosen: np.ndarray) -> Iterator[dict]:
    made = judged.parts
    for row, code in np.argwhere((made.given | made.label | made.is_issue) & chosen[:, None]):
        yield {
            "item": str(items[row]),
            "class": judged.classes[code],
            "given": bool(made.given[row, code]),
            "label": bool(made.label[row, code]),
            "quality": float(made.quality[row, code]),
            "is_issue": bool(made.is_issue[row, code]),
        }
