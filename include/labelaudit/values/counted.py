"""Which judgement of a delivery counts: its rows count once, as they were judged last. Pure functions.

A delivery is judged several times: held, cleared, held again together with others, rejected, published, audited again.
Its counts are taken from the last of these attempts. They stand

* where it was published first, if it was: an audit of the whole dataset `again` is no news of a hundred releases;
* else with its last attempt: what was rejected by hand, and never came back, counts once.

What a superseding delivery replaced before it was published is gone with all its counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from labelaudit.values.releases import Count
from labelaudit.values.value import Value

OF_ATTEMPT = ("detector", "canary", "canary_anywhere", "canary_flagged")
"""Metrics that speak of an attempt as a whole: no delivery has a share of them."""


class Share(Value):
    """The part of an attempt's counts that one delivery answers for. digest: its identity, name: vendor/id;
    supersedes: names that it replaces. The shares of an attempt add up to its counts."""

    digest: str
    name: str
    supersedes: tuple[str, ...] = ()
    counts: tuple[Count, ...]


class Shares(Value):
    """Those of one attempt, as a run keeps them."""

    shares: tuple[Share, ...]


class Attempt(Value):
    """A release that was judged, whether or not it was published. published: digests of its deliveries, if it was.

    shares: empty where an older version judged it; then it counts as a whole.
    """

    release: str
    sequence: int
    published: frozenset[str] | None = None
    counts: tuple[Count, ...]
    shares: tuple[Share, ...] = ()


class Judged(Value):
    """What a release adds to the streams. accepted: published, so that it may teach a baseline."""

    release: str
    sequence: int
    accepted: bool
    counts: tuple[Count, ...]


def count_once(attempts: Sequence[Attempt]) -> tuple[Judged, ...]:
    """The history that streams are made of, from all attempts in the order in which they were judged.

    Attempts that add nothing, because others count for all of their deliveries, are left out.
    """
    last = {share.digest: attempt for attempt in attempts for share in attempt.shares}
    shares = {share.digest: share for attempt in attempts for share in attempt.shares}
    home = _homes(attempts)
    replaced = _replaced(attempts)
    judged = []
    for at, attempt in enumerate(attempts):
        accepted = attempt.published is not None
        if not attempt.shares:
            if accepted or not any(later.sequence == attempt.sequence for later in attempts[at + 1 :]):
                judged.append(_judged(attempt, attempt.counts))
            continue
        own = [share for share in attempt.shares if home[share.digest] is attempt and share.digest not in replaced]
        if len(own) == len(attempt.shares) and all(last[delivery.digest] is attempt for delivery in own):
            judged.append(_judged(attempt, attempt.counts))
        elif own:
            whole = [count for count in attempt.counts if count.metric in OF_ATTEMPT]
            judged.append(_judged(attempt, (*add(shares[delivery.digest] for delivery in own), *whole)))
    return tuple(judged)


def _homes(attempts: Sequence[Attempt]) -> dict[str, Attempt]:
    """digest: the attempt with which a delivery's rows stand."""
    home = {share.digest: attempt for attempt in attempts for share in attempt.shares}
    for attempt in reversed(attempts):
        for digest in attempt.published or ():
            home[digest] = attempt
    return home


def _replaced(attempts: Sequence[Attempt]) -> set[str]:
    """Digests of deliveries that were never published, and that a delivery judged later supersedes."""
    gone: set[str] = set()
    before: dict[str, set[str]] = {}
    for attempt in attempts:
        for share in attempt.shares:
            for name in share.supersedes:
                gone |= before.get(name, set())
        for share in attempt.shares:
            gone.discard(share.digest)  # what replaced it was rejected, and it was taken after all
            before.setdefault(share.name, set()).add(share.digest)
    published = {digest for attempt in attempts for digest in attempt.published or ()}
    return gone - published


def add(shares: Iterable[Share]) -> tuple[Count, ...]:
    """The counts of several deliveries together; of `guideline`, n is over all versions."""
    x: Counter[tuple[str, str, str]] = Counter()
    n: Counter[tuple[str, str, str]] = Counter()
    for share in shares:
        for count in share.counts:
            key = (count.metric, count.vendor, count.label)
            x[key] += count.x
            n[key] += count.n
    followed = Counter[str]()
    for (metric, vendor, _), rows in x.items():
        followed[vendor] += rows * (metric == "guideline")
    return tuple(
        Count(
            metric=metric, vendor=vendor, label=label, x=x[key], n=followed[vendor] if metric == "guideline" else n[key]
        )
        for key in n
        for metric, vendor, label in [key]
    )


def _judged(attempt: Attempt, counts: tuple[Count, ...]) -> Judged:
    return Judged(
        release=attempt.release,
        sequence=attempt.sequence,
        accepted=attempt.published is not None,
        counts=counts,
    )
