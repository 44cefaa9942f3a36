"""One label from several annotators, and how good each label, item and annotator is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv

from labelaudit.errors import InvalidInput
from labelaudit.kernels import consensus
from labelaudit.kernels.annotator_quality import annotator_quality


@dataclass(frozen=True)
class Consensus:
    """items (n,) sorted unique; label (n,) the likeliest class; quality (n,) in (0, 1), that it is right;
    annotators (A,) sorted unique; annotator_quality (A,) in (0, 1), that a label of theirs is right, with the 95 %
    interval annotator_low, annotator_high; annotator_labels (A,) labels given; posterior (n, K) and classes (K,);
    majority (n,) the most frequent label; confusion (A, K, K) as [annotator, true, given]; gold_right of gold_labels
    (A,): how many of an annotator's labels of items of known truth are right (0 of 0 without gold).
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
    gold_right: np.ndarray
    gold_labels: np.ndarray


def aggregate_labels(
    items, annotators, labels, pred_probs=None, classes: Sequence | None = None, gold: Mapping | Sequence | None = None
) -> Consensus:
    """Find each item's label from the labels of several annotators.

    items, annotators, labels: arrays of equal length m, one row a label. pred_probs: float (n_items, K), out of sample,
    rows in the order of the sorted unique items, K in the order of `classes` (default: the sorted labels).
    gold: the true labels of some items, by item (a dict), or (n_items,) in the order of the sorted unique items with
    None where the truth is not known: fixed, and what annotators are measured by first.
    Raises InvalidInput where shapes, classes, probabilities or gold do not fit.

    >>> made = aggregate_labels(["a", "a", "a", "b", "b", "b"], list("xyzxyz"), ["cat", "cat", "dog"] + ["dog"] * 3)
    >>> made.label.tolist(), made.annotators.tolist()
    (['cat', 'dog'], ['x', 'y', 'z'])
    """
    items, annotators, labels = names_of(items), names_of(annotators), np.asarray(labels)
    if not (items.shape == annotators.shape == labels.shape and items.ndim == 1 and len(items)):
        raise InvalidInput(
            f"items, annotators and labels must be (m,), m >= 1: {items.shape}, {annotators.shape}, {labels.shape}"
        )
    item_names, item_codes = codes_of(items)
    annotator_names, annotator_codes = codes_of(annotators)
    known = codes_of(labels)[0] if classes is None else np.asarray(list(classes))
    codes = label_codes(labels, known, "labels")
    if pred_probs is not None:
        pred_probs = np.asarray(pred_probs)
        if pred_probs.dtype != np.float32:
            pred_probs = pred_probs.astype(np.float64)
        if pred_probs.shape != (len(item_names), len(known)):
            raise InvalidInput(f"pred_probs must be {(len(item_names), len(known))}, not {pred_probs.shape}")
        if not (np.abs(pred_probs.sum(1) - 1) <= 0.05).all() or not (pred_probs >= 0).all():
            raise InvalidInput("every row of pred_probs must be a distribution")
    truth = None if gold is None else _gold(gold, item_names, known)
    cast = consensus.votes(item_codes, annotator_codes, codes, len(item_names), len(known))
    counts = consensus.vote_counts(cast)
    most = consensus.majority(counts, pred_probs)
    fitted = consensus.fit(cast, pred_probs, truth, counts)
    best = fitted.posterior.argmax(1)
    people = annotator_quality(cast, fitted)
    consensus.soften(cast, fitted, truth)
    low, high = interval(people.rate, people.weight)
    gold_right, gold_labels = _against_gold(truth, item_codes, annotator_codes, codes, len(annotator_names))
    return Consensus(
        items=item_names,
        label=known[best],
        quality=_open(fitted.posterior.max(1)),
        annotators=annotator_names,
        annotator_quality=_open(people.rate),
        annotator_low=low,
        annotator_high=high,
        annotator_labels=people.labels,
        classes=known,
        posterior=fitted.posterior,
        majority=known[most],
        confusion=fitted.confusion,
        gold_right=gold_right,
        gold_labels=gold_labels,
    )


def interval(rate: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """95 % interval of rates that rest on `weight` labels (prior ones included): quantiles of the beta posterior."""
    a, b = np.maximum(rate * weight, 1e-3), np.maximum((1 - rate) * weight, 1e-3)
    return betaincinv(a, b, 0.025), betaincinv(a, b, 0.975)


def names_of(values) -> np.ndarray:
    """values as an array (m,); a list of texts as objects: an array of texts of numpy's own gives each the room of the
    longest, and one id of 200 kB among 20,000 would take 16 GB."""
    if isinstance(values, list | tuple) and any(isinstance(value, str) for value in values):
        made = np.empty(len(values), object)
        made[:] = values
        return made
    return np.asarray(values)


def codes_of(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """np.unique(values, return_inverse=True), several times faster for short texts, and for texts as objects.

    Texts whose differing characters fit eight bytes are compared as whole numbers, which keep their order.
    """
    if values.dtype.kind == "O" and all(isinstance(value, str) for value in values):
        known = sorted(set(values))
        number = {name: code for code, name in enumerate(known)}
        return names_of(known), np.fromiter((number[value] for value in values), np.int64, len(values))
    if values.dtype.kind == "U" and values.dtype.itemsize and values.dtype.isnative and len(values) > 1_000:
        letters = np.ascontiguousarray(values).view(np.uint32).reshape(len(values), -1)
        places = [at for at in range(letters.shape[1]) if (letters[:, at] != letters[0, at]).any()]
        if len(places) <= 8 and all(letters[:, at].max() < 256 for at in places):
            packed = np.zeros(len(values), np.uint64)
            for at in places:
                packed = (packed << np.uint64(8)) | letters[:, at]
            first, codes = np.unique(packed, return_index=True, return_inverse=True)[1:]
            return values[first], codes
    names, codes = np.unique(values, return_inverse=True)
    return names, codes


def _gold(gold: Mapping | Sequence, items: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(n,) code of the item's true class, or -1."""
    if isinstance(gold, Mapping):
        names = np.asarray(list(gold))
        places = np.searchsorted(items, names).clip(0, len(items) - 1) if len(names) else np.zeros(0, int)
        strange = items[places] != names
        if strange.any():
            raise InvalidInput(f"gold names item {names[strange].tolist()[0]!r}, which has no labels")
        truths = np.asarray(list(gold.values()))
    else:
        given = np.asarray(gold, dtype=object)
        if given.shape != items.shape:
            raise InvalidInput(f"gold must be a dict, or {items.shape}, one value an item, not {given.shape}")
        places = np.flatnonzero([value is not None and value == value for value in given])
        truths = np.asarray(given[places].tolist())
    out = np.full(len(items), -1)
    if len(places):
        out[places] = label_codes(truths, known, "gold")
    return out


def _against_gold(truth, items, annotators, labels, people: int) -> tuple[np.ndarray, np.ndarray]:
    if truth is None:
        return np.zeros(people, np.int64), np.zeros(people, np.int64)
    rows = np.flatnonzero(truth[items] >= 0)
    right = rows[truth[items[rows]] == labels[rows]]
    return np.bincount(annotators[right], minlength=people), np.bincount(annotators[rows], minlength=people)


def label_codes(labels: np.ndarray, known: np.ndarray, what: str) -> np.ndarray:
    order = np.argsort(known, kind="stable")
    places = np.searchsorted(known, labels, sorter=order).clip(0, len(known) - 1)
    codes = order[places]
    unknown = known[codes] != labels
    if unknown.any():
        raise InvalidInput(f"{what} holds {labels[unknown].tolist()[0]!r}, which is not one of the classes")
    return codes


def _open(values: np.ndarray) -> np.ndarray:
    """Into the open interval (0, 1)."""
    return values.clip(1e-9, 1 - 1e-9)
