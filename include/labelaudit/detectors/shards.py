"""Wrong labels in more rows than memory holds: the same as find_label_errors, as folds and a map over shards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from labelaudit.detectors.label_errors import LabelErrors, model_based_range, quality_of, validated
from labelaudit.errors import InvalidInput
from labelaudit.kernels import confident, scoring

Shard = tuple[np.ndarray, np.ndarray]
"""labels int (n,), pred_probs float (n, K)."""


@dataclass(frozen=True)
class ShardedLabelErrors:
    """rows, flagged, and issue_rate_range of all shards; `parts` gives each shard's LabelErrors in order, made as they
    are asked for (their own issue_rate_range is that of all shards)."""

    rows: int
    flagged: int
    issue_rate_range: tuple[float, float, float]
    parts: Callable[[], Iterator[LabelErrors]]


def find_label_errors_in_shards(shards: Callable[[], Iterable[Shard]], classes: int) -> ShardedLabelErrors:
    """Find the labels that are likely wrong; memory is bounded by the largest shard.

    `shards` is called for every pass (three, and one more for each use of `parts`) and gives the same
    rows in the same order each time. Results equal those of find_label_errors on all rows, bit by bit, however the rows
    are cut. Raises InvalidInput where shapes or values do not fit, or where there are no rows.

    >>> y, p = np.array([0, 1, 1, 1]), np.array([[.9, .1], [.2, .8], [.95, .05], [.3, .7]])
    >>> made = find_label_errors_in_shards(lambda: [(y[:1], p[:1]), (y[1:], p[1:])], classes=2)
    >>> [part.is_issue.tolist() for part in made.parts()], made.flagged
    ([[False], [False, True, False]], 1)
    """
    tally = confident.Tally(classes)
    for labels, pred_probs in _checked(shards, classes):
        tally.add_own(labels, pred_probs)
    rows = int(tally.counts.sum())
    if not rows:
        raise InvalidInput("there are no rows in any shard")
    thresholds = tally.thresholds()
    for number, (labels, pred_probs) in enumerate(_checked(shards, classes)):
        with _in_shard(number):
            tally.add(labels, confident.look(labels, pred_probs, thresholds))
    noise = tally.noise()
    weighed = scoring.weights(noise)

    def judged() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        for labels, pred_probs in _checked(shards, classes):
            best = confident.look(labels, pred_probs, thresholds).best
            score = scoring.scores(labels, pred_probs, noise, weighed)
            yield best, score, scoring.flags(labels, best, score, noise)

    flagged = sum(int(is_issue.sum()) for _, _, is_issue in judged())
    spread = model_based_range(noise, flagged / rows)

    def parts() -> Iterator[LabelErrors]:
        for best, score, is_issue in judged():
            yield LabelErrors(quality_of(score), is_issue, best, spread)

    return ShardedLabelErrors(rows, flagged, spread, parts)


def _checked(shards: Callable[[], Iterable[Shard]], classes: int) -> Iterator[Shard]:
    for number, (labels, pred_probs) in enumerate(shards()):
        if not len(labels):
            labels, pred_probs = np.zeros(0, np.int64), np.zeros((0, classes), np.float32)
            yield labels, pred_probs
            continue
        if np.ndim(pred_probs) != 2 or np.shape(pred_probs)[1] != classes:
            raise InvalidInput(f"shard {number}: pred_probs must be (n, {classes}), not {np.shape(pred_probs)}")
        with _in_shard(number):
            checked = validated(labels, pred_probs)
        yield checked


@contextmanager
def _in_shard(number: int) -> Iterator[None]:
    """Rows in a message are counted within their shard: say which."""
    try:
        yield
    except InvalidInput as error:
        raise InvalidInput(f"shard {number}: {error}") from None
