"""Wrong labels in more rows than memory holds: the same as find_label_errors, as folds and a map over shards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from labelaudit.detectors.label_errors import model_based_range, quality_of, validated
from labelaudit.errors import InvalidInput
from labelaudit.kernels import confident, scoring

Shard = tuple[np.ndarray, np.ndarray]
"""labels int (n,), pred_probs float (n, K)."""


@dataclass(frozen=True)
class ShardLabels:
    """One shard's label_quality (n,) in (0, 1), low = likely wrong; is_issue (n,) bool; suggested_label (n,) int."""

    label_quality: np.ndarray
    is_issue: np.ndarray
    suggested_label: np.ndarray


@dataclass(frozen=True)
class ShardedLabelErrors:
    """What was found in all shards. rows: how many there are.

    `parts` reads the shards once more each time. `flagged` and `issue_rate_range` are known once `parts` has gone
    through all of them; asked for before that, they go through them by themselves.
    """

    rows: int
    _shards: Callable[[], Iterator[Shard]] = field(repr=False)
    _noise: confident.Noise = field(repr=False)

    def parts(self) -> Iterator[ShardLabels]:
        """Each shard's ShardLabels in order, made as they are asked for."""
        flagged, weighed = 0, scoring.weights(self._noise)
        for labels, pred_probs in self._shards():
            best, score, is_issue = scoring.judge(labels, pred_probs, self._noise, weighed)
            flagged += int(np.count_nonzero(is_issue))
            yield ShardLabels(_quality(score), is_issue, best)
        self.__dict__["flagged"] = flagged  # what cached_property keeps

    @cached_property
    def flagged(self) -> int:
        """How many labels are likely wrong."""
        return sum(int(np.count_nonzero(part.is_issue)) for part in self.parts())

    @property
    def issue_rate_range(self) -> tuple[float, float, float]:
        """(low, middle, high) over all shards, as in LabelErrors."""
        return model_based_range(self._noise, self.flagged / self.rows)


def find_label_errors_in_shards(shards: Callable[[], Iterable[Shard]], classes: int) -> ShardedLabelErrors:
    """Find the labels that are likely wrong; memory is bounded by the largest shard.

    `shards` is called for every pass (two here, and one for each use of `parts`) and gives the same rows in the same
    order each time; labelaudit.storage.parquet_shards.parquet_shards makes it of a file. Results equal those of
    find_label_errors on all rows, bit by bit, however the rows are cut. Raises InvalidInput where shapes or values do
    not fit, or where there are no rows.

    >>> y, p = np.array([0, 1, 1, 1]), np.array([[.9, .1], [.2, .8], [.95, .05], [.3, .7]])
    >>> made = find_label_errors_in_shards(lambda: [(y[:1], p[:1]), (y[1:], p[1:])], classes=2)
    >>> [part.is_issue.tolist() for part in made.parts()], made.flagged
    ([[False], [False, True, False]], 1)
    """

    def checked() -> Iterator[Shard]:
        return _checked(shards, classes)

    tally = confident.Tally(classes)
    for labels, pred_probs in checked():
        tally.add_own(labels, pred_probs)
    rows = int(tally.counts.sum())
    if not rows:
        raise InvalidInput("there are no rows in any shard")
    thresholds = tally.thresholds()
    for number, (labels, pred_probs) in enumerate(checked()):
        with in_shard(number):
            tally.add(confident.look(labels, pred_probs, thresholds))
    return ShardedLabelErrors(rows, checked, tally.noise())


def _quality(score: np.ndarray) -> np.ndarray:
    """quality_of, on all cores."""
    quality = np.empty(len(score))

    def one(part: slice) -> None:
        quality[part] = quality_of(score[part])

    confident.in_parts(one, len(score))
    return quality


def _checked(shards: Callable[[], Iterable[Shard]], classes: int) -> Iterator[Shard]:
    for number, (labels, pred_probs) in enumerate(shards()):
        if not len(labels):
            labels, pred_probs = np.zeros(0, np.int64), np.zeros((0, classes), np.float32)
            yield labels, pred_probs
            continue
        if np.ndim(pred_probs) != 2 or np.shape(pred_probs)[1] != classes:
            raise InvalidInput(f"shard {number}: pred_probs must be (n, {classes}), not {np.shape(pred_probs)}")
        with in_shard(number):
            checked = validated(labels, pred_probs)
        yield checked


@contextmanager
def in_shard(number: int) -> Iterator[None]:
    """Rows in a message are counted within their shard: say which."""
    try:
        yield
    except InvalidInput as error:
        raise InvalidInput(f"shard {number}: {error}") from None
