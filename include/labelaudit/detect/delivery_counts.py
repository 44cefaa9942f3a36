"""The part of a release's counts that each of its deliveries answers for: the parts add up to `counts.counts_of`.

An item counts for one delivery of those that labelled it (of all vendors, and of each vendor): its first by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from labelaudit.detect.people import gold_counts
from labelaudit.detect.run_detectors import looking
from labelaudit.detect.work import Work
from labelaudit.tasks import task_of
from labelaudit.values.counted import Share
from labelaudit.values.deliveries import CheckedDelivery
from labelaudit.values.releases import Count


def shares_of(work: Work, checked: Sequence[CheckedDelivery]) -> tuple[Share, ...]:
    """One share a delivery of which a row was read: what was refused by its manifest alone was not judged."""
    items = dict(_items(work))
    return tuple(
        Share(
            digest=delivery.delivery.digest,
            name=delivery.delivery.name,
            supersedes=tuple(f"{delivery.delivery.vendor}/{old}" for old in delivery.delivery.supersedes),
            counts=(*items.get(delivery.delivery.name, ()), *_rows(work, delivery)),
        )
        for delivery in checked
        if delivery.delivered_rows
    )


def _items(work: Work) -> Iterator[tuple[str, list[Count]]]:
    """Issues by delivery: over all and for its vendor, each also by class."""
    deliveries, vendors = (work.rows[name].to_numpy(object).astype(str) for name in ("delivery", "vendor"))
    order = np.flatnonzero(work.current)
    order = order[np.lexsort((deliveries[order], work.codes[order]))]
    counts: dict[str, list[Count]] = {name: [] for name in sorted(set(deliveries[order]))}
    for vendor in ("", *sorted(set(vendors[order]))):
        rows = order[(vendors[order] == vendor) | (not vendor)]
        items, first = np.unique(work.codes[rows], return_index=True)
        owners = deliveries[rows[first]]
        for name in sorted(set(owners)):
            counts[name] += _issues(work, items[owners == name], vendor)
    yield from counts.items()


def _issues(work: Work, items: np.ndarray, vendor: str) -> list[Count]:
    issue, classes = work.detection.is_issue[items], work.contract.classes
    x, n = task_of(work.contract.task).by_class(work.judged, items)
    return [
        Count(metric="issue", vendor=vendor, x=float(issue.sum()), n=float(len(items))),
        *(
            Count(metric="issue", vendor=vendor, label=classes[code], x=float(x[code]), n=float(n[code]))
            for code in np.flatnonzero(n)
        ),
    ]


def _rows(work: Work, delivery: CheckedDelivery) -> Iterator[Count]:
    """What counts labels and rows: they are of one delivery only. Over all, and for its vendor."""
    own = work.current & (work.rows["delivery"] == delivery.delivery.name).to_numpy()
    wrong, (right, known) = work.detection.annotation_is_issue[own], gold_counts(work, own)
    if delivery.accepted:
        yield from looking.counts(work, own, ("", delivery.delivery.vendor))
    for vendor in ("", delivery.delivery.vendor):
        if delivery.accepted:
            yield Count(metric="annotation_error", vendor=vendor, x=float(wrong.sum()), n=float(len(wrong)))
            if known:
                yield Count(metric="gold", vendor=vendor, x=right, n=known)
        yield Count(metric="reject", vendor=vendor, x=delivery.rejected_rows, n=delivery.delivered_rows)
    if delivery.accepted:
        rows = delivery.accepted_rows
        yield Count(
            metric="guideline", vendor=delivery.delivery.vendor, label=delivery.delivery.guideline or "", x=rows, n=rows
        )
