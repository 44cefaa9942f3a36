"""The consensus of more labels than memory holds: the method of aggregate_labels as folds and a map over shards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from labelaudit.detectors.consensus import codes_of, interval, label_codes, names_of
from labelaudit.detectors.shards import in_shard
from labelaudit.errors import InvalidInput
from labelaudit.kernels import annotator_quality, consensus, consensus_folds, consensus_rows
from labelaudit.kernels.consensus import Fit, Votes

Shard = tuple
"""items, annotators, labels (m,), one row a label; and pred_probs (n, K) by sorted item, where there are any."""


@dataclass(frozen=True)
class ShardItems:
    """One shard's items (n,) sorted; label (n,) the likeliest class; quality (n,) in (0, 1), that it is right;
    posterior (n, K)."""

    items: np.ndarray
    label: np.ndarray
    quality: np.ndarray
    posterior: np.ndarray


@dataclass(frozen=True)
class ShardedConsensus:
    """items and labels: how many there are; by annotator, as in Consensus: annotators, annotator_quality with
    annotator_low and annotator_high, annotator_labels, confusion; classes (K,)."""

    items: int
    labels: int
    annotators: np.ndarray
    annotator_quality: np.ndarray
    annotator_low: np.ndarray
    annotator_high: np.ndarray
    annotator_labels: np.ndarray
    confusion: np.ndarray
    classes: np.ndarray
    _parts: Callable[[], Iterator[ShardItems]] = field(repr=False)

    def parts(self) -> Iterator[ShardItems]:
        """Each shard's ShardItems in order, made as they are asked for: one more pass over the shards."""
        return self._parts()


@dataclass(frozen=True)
class _Read:
    """A shard as codes: names (n,), cast, pred_probs or None, gold (n,), and the place of its first item in all."""

    names: np.ndarray
    cast: Votes
    pred_probs: np.ndarray | None
    gold: np.ndarray
    first: int


def aggregate_labels_in_shards(
    shards: Callable[[], Iterable[Shard]], classes: Sequence, gold: Mapping | None = None
) -> ShardedConsensus:
    """Find each item's label from the labels of several annotators; memory is bounded by the largest shard, a sample of
    the labels (30,000, or 2,000 an annotator) and a matrix (K, K) an annotator.

    `shards` is called for every pass (five, and one more for each use of `parts`) and gives the same rows each time:
    all labels of an item in one shard, and items in ascending order from shard to shard. gold: the known label of some
    items. The model is fitted on the sample as aggregate_labels does, and finished on all labels; results are the same
    to the bit however the items are cut. Raises InvalidInput where shapes, classes or order do not fit.

    >>> shard = (["a", "a", "a", "b", "b", "b"], list("xyzxyz"), ["cat", "cat", "dog"] + ["dog"] * 3)
    >>> made = aggregate_labels_in_shards(lambda: [shard], ["cat", "dog"])
    >>> [part.label.tolist() for part in made.parts()], made.annotators.tolist()
    ([['cat', 'dog']], ['x', 'y', 'z'])
    """
    known = np.asarray(list(classes))
    people, items, labels = _census(shards)

    def read() -> Iterator[_Read]:
        return _read(shards, people, known, gold or {})

    state = _fitted(read, items, labels, len(people), known)
    sampled = len(consensus.draw(items, labels, consensus.enough(len(people))))
    for _ in range(consensus.FINISH if sampled < items else 0):
        sums = consensus_folds.Sums(len(people), len(known))
        for shard in read():
            sums.add(shard.cast, consensus_folds.posterior_of(shard.cast, shard.pred_probs, shard.gold, state))
        sums.finish(state)
    right, doubt, given = np.zeros((3, len(people)), np.int64)
    for shard in read():
        posterior = consensus_folds.posterior_of(shard.cast, shard.pred_probs, shard.gold, state)
        consensus_rows.fixed_right_counts(
            shard.cast.start, shard.cast.people, shard.cast.given, posterior, right, doubt, given
        )
    unit = consensus_rows.FIXED
    quality = annotator_quality.from_counts(right / unit, doubt / unit, given.astype(np.float64))
    low, high = interval(quality.rate, quality.weight)

    def parts() -> Iterator[ShardItems]:
        for shard in read():
            posterior = consensus_folds.posterior_of(shard.cast, shard.pred_probs, shard.gold, state)
            best = posterior.argmax(1)
            consensus.soften(shard.cast, replace(state, posterior=posterior), shard.gold)
            yield ShardItems(shard.names, known[best], posterior.max(1).clip(1e-9, 1 - 1e-9), posterior)

    return ShardedConsensus(
        items=items,
        labels=labels,
        annotators=people,
        annotator_quality=quality.rate.clip(1e-9, 1 - 1e-9),
        annotator_low=low,
        annotator_high=high,
        annotator_labels=quality.labels,
        confusion=state.confusion,
        classes=known,
        _parts=parts,
    )


def _census(shards: Callable[[], Iterable[Shard]]) -> tuple[np.ndarray, int, int]:
    """All annotators, sorted, and how many items and labels there are; checks that items ascend over the shards."""
    people: np.ndarray | None = None
    items, labels, last = 0, 0, None
    for number, (here, annotators, *_) in enumerate(shards()):
        with in_shard(number):
            names, those = codes_of(names_of(here))[0], codes_of(names_of(annotators))[0]
            if not len(names):
                continue
            if last is not None and not last < names[0]:
                raise InvalidInput(f"item {names[0]!s} comes after {last!s}; sort by item, each in one shard only")
        last = names[-1]
        people = those if people is None else np.union1d(people, those)
        items, labels = items + len(names), labels + len(np.asarray(here))
    if people is None:
        raise InvalidInput("there are no labels in any shard")
    return people, items, labels


def _read(shards, people: np.ndarray, known: np.ndarray, gold: Mapping) -> Iterator[_Read]:
    first = 0
    for number, (items, annotators, labels, *rest) in enumerate(shards()):
        items, annotators, labels = names_of(items), names_of(annotators), np.asarray(labels)
        if not len(items):
            continue
        with in_shard(number):
            if not items.shape == annotators.shape == labels.shape:
                raise InvalidInput(
                    f"items, annotators and labels must be (m,): {items.shape}, {annotators.shape}, {labels.shape}"
                )
            names, item_codes = codes_of(items)
            pred_probs = rest[0] if rest and rest[0] is not None else None
            if pred_probs is not None:
                pred_probs = np.asarray(pred_probs, np.float32)
                if pred_probs.shape != (len(names), len(known)):
                    raise InvalidInput(f"pred_probs must be {(len(names), len(known))}, not {pred_probs.shape}")
                if not ((np.abs(pred_probs.sum(1) - 1) <= 0.05) & (pred_probs >= 0).all(1)).all():
                    raise InvalidInput("every row of pred_probs must be a distribution")
            codes = label_codes(labels, known, "labels")
            truths = [gold.get(name) for name in names.tolist()] if gold else []
            truth = np.full(len(names), -1)
            have = [place for place, value in enumerate(truths) if value is not None]
            if have:
                truth[have] = label_codes(np.asarray([truths[place] for place in have]), known, "gold")
        cast = consensus.votes(item_codes, np.searchsorted(people, annotators), codes, len(names), len(known))
        yield _Read(names, replace(cast, annotators=len(people)), pred_probs, truth, first)
        first += len(names)


def _fitted(read: Callable[[], Iterator[_Read]], items: int, labels: int, people: int, known: np.ndarray) -> Fit:
    """consensus.fit on the sample; what it knows of its own items is left out of the state."""
    chosen = consensus.draw(items, labels, consensus.enough(people)).astype(np.int64)
    sizes, who, said, probs, gold = [np.zeros(1, np.int64)], [], [], [], []
    for shard in read():
        end = shard.first + shard.cast.items
        here = chosen[np.searchsorted(chosen, shard.first) : np.searchsorted(chosen, end)] - shard.first
        lengths = np.diff(shard.cast.start)[here]
        before = np.cumsum(lengths) - lengths
        rows = np.repeat(shard.cast.start[here] - before, lengths) + np.arange(lengths.sum())
        sizes.append(lengths)
        who.append(shard.cast.people[rows])
        said.append(shard.cast.given[rows])
        gold.append(shard.gold[here])
        if shard.pred_probs is not None:
            probs.append(shard.pred_probs[here])
    if probs and len(probs) < len(gold):
        raise InvalidInput("some shards have pred_probs and some have none")
    cast = Votes(np.cumsum(np.concatenate(sizes)), np.concatenate(who), np.concatenate(said), people, len(known))
    truth = np.concatenate(gold)
    state = consensus.fit(cast, np.concatenate(probs) if probs else None, truth if (truth >= 0).any() else None)
    copying = np.zeros((people, people)) if len(state.copying) else state.copying
    copying[: len(state.copying), : len(state.copying)] = state.copying
    return replace(state, posterior=np.zeros((0, len(known))), weights=np.zeros(0, np.float32), copying=copying)
