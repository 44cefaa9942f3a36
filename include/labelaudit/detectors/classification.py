"""The detector of the task `classification`: annotations of one or several annotators to findings per item and row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelaudit.detectors.agreement import Agreement, agreement
from labelaudit.detectors.canaries import Canaries, try_detector
from labelaudit.detectors.consensus import Consensus, aggregate_labels, interval
from labelaudit.detectors.label_errors import find_label_errors, issue_rate_range, validated
from labelaudit.detectors.second_opinions import order_second_opinions
from labelaudit.errors import AuditImpossible
from labelaudit.kernels import confident, scoring
from labelaudit.kernels.calibration import posterior

NAME = "classification-3"
"""Name and version of the method: releases say by which one they were judged."""

OVERLAP = 0.2
"""From this share of items with several annotators on, labels are judged by consensus."""


@dataclass(frozen=True)
class Detection:
    """By item (n,), sorted: items, given (most frequent label), label (published), label_quality (of the published
    label, in (0, 1)), is_issue, suggested; by row (m,): annotation_quality, annotation_is_issue; by annotator (A,):
    annotators, annotator_quality, annotator_low, annotator_high, annotator_labels. Labels are codes of the classes.
    second_opinion (n,) in [0, 1): what one more label of the item is worth (detectors/second_opinions.py).
    canaries: how many wrong labels planted in a copy of these data the same method finds. gold (n,): the known label's
    code, -1 elsewhere.
    """

    items: np.ndarray
    annotations: np.ndarray
    given: np.ndarray
    label: np.ndarray
    label_quality: np.ndarray
    is_issue: np.ndarray
    suggested: np.ndarray
    annotation_quality: np.ndarray
    annotation_is_issue: np.ndarray
    annotators: np.ndarray
    annotator_quality: np.ndarray
    annotator_low: np.ndarray
    annotator_high: np.ndarray
    annotator_labels: np.ndarray
    issue_rate_range: tuple[float, float, float] | None
    agreement: Agreement | None
    method: str
    second_opinion: np.ndarray
    canaries: Canaries
    gold: np.ndarray


def detect(
    items: np.ndarray,
    annotators: np.ndarray | None,
    labels: np.ndarray,
    pred_probs: np.ndarray | None,
    classes: int,
    scope: np.ndarray | None = None,
    seed: int = 0,
    gold: np.ndarray | None = None,
) -> Detection:
    """items, annotators (m,) text, labels (m,) int codes; pred_probs (n, K) in the order of the sorted unique items;
    scope (n,) bool: the items that issue_rate_range speaks of (default: all); seed of the canaries; gold (n,) int: the
    true label's code where it is known, else -1.

    An item of several annotators gets their consensus as its label; one of a single annotator keeps the given one; a
    gold item gets its true label, and teaches what the annotators are worth.
    Raises AuditImpossible where there are neither predictions nor items with several annotators.
    """
    names, codes = np.unique(items, return_inverse=True)
    counts = np.bincount(codes, minlength=len(names))
    several = float((counts > 1).mean())
    if pred_probs is None and several == 0:
        raise AuditImpossible(
            "no item has labels of several annotators, and there are no predictions: nothing to judge a label by."
            " Let annotators overlap, or give the contract `predictions`."
        )
    if annotators is None:
        annotators = np.full(len(items), "")
    if scope is None:
        scope = np.ones(len(names), bool)
    if gold is None:
        gold = np.full(len(names), -1)
    if several >= OVERLAP or pred_probs is None:
        return _by_consensus(names, codes, counts, annotators, labels, pred_probs, classes, scope, seed, gold)
    return _by_predictions(names, codes, counts, annotators, labels, pred_probs, classes, scope, seed, gold)


def _by_consensus(names, codes, counts, annotators, labels, pred_probs, classes, scope, seed, gold) -> Detection:
    known = [None if code < 0 else code for code in gold.tolist()]
    made = aggregate_labels(codes, annotators, labels, pred_probs, range(classes), known)
    rows = np.arange(len(names))
    label = np.where((counts > 1) | (gold >= 0), made.label, made.majority)
    quality = made.posterior[rows, label].clip(1e-9, 1 - 1e-9)
    is_issue = (made.majority != made.label) | (quality < 0.5)
    right = made.posterior[codes, labels].clip(1e-9, 1 - 1e-9)
    flagged = float(is_issue[scope].mean())
    expected = float(1 - quality[scope].mean())
    wrong = labels != made.label[codes]

    def judge(copy: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        again = aggregate_labels(codes, annotators, copy, pred_probs, range(classes), known)
        suggested, quality = again.label[codes], again.posterior[codes, copy].clip(1e-9, 1 - 1e-9)
        return copy != suggested, np.log(1 / quality - 1), suggested

    by_row = None if pred_probs is None else pred_probs[codes]
    careless = 1 - made.annotator_quality[np.searchsorted(made.annotators, annotators)]
    judged = (gold[codes] < 0) & ((counts[codes] > 1) | (pred_probs is not None))
    return Detection(
        items=names,
        annotations=counts,
        given=made.majority,
        label=label,
        label_quality=quality,
        is_issue=is_issue,
        suggested=made.label,
        annotation_quality=right,
        annotation_is_issue=wrong,
        annotators=made.annotators,
        annotator_quality=made.annotator_quality,
        annotator_low=made.annotator_low,
        annotator_high=made.annotator_high,
        annotator_labels=made.annotator_labels,
        issue_rate_range=(min(flagged, expected), flagged, max(flagged, expected)),
        agreement=agreement(codes, annotators, labels, range(classes)),
        method="consensus of annotators" + (" and predictions" if pred_probs is not None else ""),
        second_opinion=order_second_opinions(made.posterior, _pool(made)).value,
        gold=gold,
        canaries=try_detector(labels, judged, by_row, classes, judge, 1 - right[wrong & judged], careless, seed),
    )


def _by_predictions(names, codes, counts, annotators, labels, pred_probs, classes, scope, seed, gold) -> Detection:
    by_row, truth = pred_probs[codes], gold[codes]
    errors = find_label_errors(labels, by_row)
    unknown = truth < 0
    wrong = np.where(unknown, errors.is_issue, labels != truth)
    suggested = np.where(unknown, errors.suggested_label, truth)
    right = np.where(unknown, errors.label_quality, np.where(wrong, 1e-9, 1 - 1e-9))
    votes = _vote_counts(codes, labels, len(names), classes)
    given = (votes + 0.5 * pred_probs).argmax(1)
    row_of = np.zeros(len(names), np.int64)
    own = labels == given[codes]
    row_of[codes[own]] = np.flatnonzero(own)
    label = np.where(gold >= 0, gold, given)
    here = scope[codes]
    people, people_codes = np.unique(annotators, return_inverse=True)
    n = np.bincount(people_codes, minlength=len(people))
    x = np.bincount(people_codes, weights=~wrong, minlength=len(people))
    mean, strength = 1 - wrong.mean(), 10.0

    def judge(copy: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        arrays = validated(copy, by_row)
        noise, seen = confident.survey(*arrays)
        score = scoring.scores(*arrays, noise)
        return scoring.flags(copy, seen.best, score, noise), score - scoring.bar(noise), seen.best

    belief, transition = posterior(labels, errors.suggested_label, errors.is_issue, by_row)
    doubts = 1 - belief[errors.is_issue, labels[errors.is_issue]]
    worth = order_second_opinions(belief[row_of], transition).value
    quality = (x + strength * mean) / (n + strength)
    low, high = interval(quality, n + strength)
    return Detection(
        items=names,
        annotations=counts,
        given=given,
        label=label,
        label_quality=np.where(label == given, right[row_of], 1 - 1e-9),
        is_issue=wrong[row_of],
        suggested=np.where(wrong[row_of], suggested[row_of], given),
        annotation_quality=right,
        annotation_is_issue=wrong,
        annotators=people,
        annotator_quality=quality,
        annotator_low=low,
        annotator_high=high,
        annotator_labels=n,
        issue_rate_range=issue_rate_range(labels[here], by_row[here], wrong[here]),
        agreement=agreement(codes, annotators, labels, range(classes)),
        method="predictions",
        second_opinion=np.where(gold >= 0, 0.0, worth),
        canaries=try_detector(labels, unknown, by_row, classes, judge, doubts, seed=seed),
        gold=gold,
    )


def _pool(made: Consensus) -> np.ndarray:
    """How the annotators together label each true class, (K, K) rows sum to 1."""
    pool = np.tensordot(made.annotator_labels / made.annotator_labels.sum(), made.confusion, 1)
    return pool / pool.sum(1, keepdims=True)


def _vote_counts(codes, labels, items: int, classes: int) -> np.ndarray:
    return np.bincount(codes * classes + labels, minlength=items * classes).reshape(items, classes).astype(float)
