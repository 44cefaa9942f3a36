"""One label from several annotators, and how good each label, item and annotator is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv

from labelaudit.errors import InvalidInput
from labelaudit.kernels import consensus


@dataclass(frozen=True)
class Consensus:
    """items (n,) sorted unique; label (n,) the likeliest class; quality (n,) in (0, 1), that it is right;
    annotators (A,) sorted unique; annotator_quality (A,) in (0, 1), that a label of theirs is right, with the 95 %
    interval annotator_low, annotator_high; annotator_labels (A,) labels given; posterior (n, K) and classes (K,);
    majority (n,) the most frequent label; confusion (A, K, K) as [annotator, true, given].
    """

    items: np.ndarray
    label: np.ndarray
    quality: np.ndarray
    annotators: np.ndarray
    annotator_quality: np.ndarray
    annotator_low: np.ndarray
    annotator_high: np.ndarray
    annotator_labels: np.ndarray
    classes: np.ndarray
    posterior: np.ndarray
    majority: np.ndarray
    confusion: np.ndarray


def aggregate_labels(items, annotators, labels, pred_probs=None, classes: Sequence | None = None) -> Consensus:
    """Find each item's label from the labels of several annotators.

    items, annotators, labels: arrays of equal length m, one row a label. pred_probs: float (n_items, K), out of sample,
    rows in the order of the sorted unique items, K in the order of `classes` (default: the sorted labels).
    Raises InvalidInput where shapes, classes or probabilities do not fit.

    >>> made = aggregate_labels(["a", "a", "a", "b", "b", "b"], list("xyzxyz"), ["cat", "cat", "dog"] + ["dog"] * 3)
    >>> made.label.tolist(), made.annotators.tolist()
    (['cat', 'dog'], ['x', 'y', 'z'])
    """
    items, annotators, labels = np.asarray(items), np.asarray(annotators), np.asarray(labels)
    if not (items.shape == annotators.shape == labels.shape and items.ndim == 1 and len(items)):
        raise InvalidInput(
            f"items, annotators and labels must be (m,), m >= 1: {items.shape}, {annotators.shape}, {labels.shape}"
        )
    known = np.unique(labels) if classes is None else np.asarray(list(classes))
    item_names, item_codes = np.unique(items, return_inverse=True)
    annotator_names, annotator_codes = np.unique(annotators, return_inverse=True)
    codes = _codes(labels, known)
    if pred_probs is not None:
        pred_probs = np.asarray(pred_probs, dtype=np.float64)
        if pred_probs.shape != (len(item_names), len(known)):
            raise InvalidInput(f"pred_probs must be {(len(item_names), len(known))}, not {pred_probs.shape}")
        if not (np.abs(pred_probs.sum(1) - 1) <= 0.05).all() or not (pred_probs >= 0).all():
            raise InvalidInput("every row of pred_probs must be a distribution")
    cast = consensus.votes(item_codes, annotator_codes, codes, len(item_names), len(known))
    fitted = consensus.fit(cast, pred_probs)
    best = fitted.posterior.argmax(1)
    quality, given, strength = consensus.annotator_quality(cast, fitted)
    # the pool's spread is itself known from these annotators only: it can't vouch for one of them without bound
    low, high = interval(quality, given + np.minimum(strength, 10 * len(annotator_names)))
    return Consensus(
        items=item_names,
        label=known[best],
        quality=_open(fitted.posterior.max(1)),
        annotators=annotator_names,
        annotator_quality=_open(quality),
        annotator_low=low,
        annotator_high=high,
        annotator_labels=given,
        classes=known,
        posterior=fitted.posterior,
        majority=known[consensus.majority(cast, pred_probs)],
        confusion=fitted.confusion,
    )


def interval(rate: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """95 % interval of rates that rest on `weight` labels (prior ones included): quantiles of the beta posterior."""
    a, b = np.maximum(rate * weight, 1e-3), np.maximum((1 - rate) * weight, 1e-3)
    return betaincinv(a, b, 0.025), betaincinv(a, b, 0.975)


def _codes(labels: np.ndarray, known: np.ndarray) -> np.ndarray:
    order = np.argsort(known, kind="stable")
    places = np.searchsorted(known, labels, sorter=order).clip(0, len(known) - 1)
    codes = order[places]
    unknown = known[codes] != labels
    if unknown.any():
        raise InvalidInput(f"labels holds {labels[unknown][0]!r}, which is not one of the classes")
    return codes


def _open(values: np.ndarray) -> np.ndarray:
    """Into the open interval (0, 1)."""
    return values.clip(1e-9, 1 - 1e-9)
