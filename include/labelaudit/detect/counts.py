"""Sums an audit up: the counts that later releases are compared with, and the findings that the report shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from labelaudit.detect.people import gold_counts
from labelaudit.detect.run_detectors import looking
from labelaudit.detect.work import Work
from labelaudit.tasks import task_of
from labelaudit.values.deliveries import CheckedDelivery
from labelaudit.values.releases import Count


def counts_of(work: Work, checked: Sequence[CheckedDelivery]) -> tuple[Count, ...]:
    """issue (items), annotation_error (annotations), reject (rows), each over all, by vendor; issues also by class, and
    by vendor and class. detector, guideline: what a change of the rates may come from (the name is the label).

    canary, canary_anywhere, canary_flagged: what Canaries counts. gold: right labels of gold items, over all and by
    vendor, where there are any. Then what the other detectors of a run count.
    """
    detection, contract = work.detection, work.contract
    task = task_of(contract.task)
    here = np.zeros(len(detection.items), bool)
    here[work.codes[work.current]] = True
    counts = [_count("issue", detection.is_issue[here])]
    wrong = detection.annotation_is_issue
    counts.append(_count("annotation_error", wrong[work.current]))
    vendors = work.rows["vendor"].to_numpy()
    for vendor in sorted(set(vendors[work.current])):
        own = work.current & (vendors == vendor)
        items = np.unique(work.codes[own])
        counts.append(_count("issue", detection.is_issue[items], vendor=vendor))
        counts.append(_count("annotation_error", wrong[own], vendor=vendor))
    of = {"": np.flatnonzero(here)}
    of |= {name: np.unique(work.codes[work.current & (vendors == name)]) for name in sorted(set(vendors[work.current]))}
    by_class = {vendor: task.by_class(work.judged, items) for vendor, items in of.items()}
    for code, label in enumerate(contract.classes):
        for vendor, (x, n) in by_class.items():
            if n[code]:
                counts.append(Count(metric="issue", vendor=vendor, label=label, x=float(x[code]), n=float(n[code])))
    counts.append(Count(metric="detector", label=task.DETECTOR, x=1, n=1))
    counts += _guidelines(checked)
    tried = detection.canaries
    counts.append(Count(metric="canary", x=tried.found, n=tried.planted))
    counts.append(Count(metric="canary_anywhere", x=tried.found_anywhere, n=tried.planted_anywhere))
    counts.append(Count(metric="canary_flagged", x=tried.flagged, n=tried.judged))
    for vendor in ("", *sorted(set(vendors[work.current]))):
        right, labels = gold_counts(work, work.current & ((vendors == vendor) | (vendor == "")))
        if labels:
            counts.append(Count(metric="gold", vendor=vendor, x=right, n=labels))
    delivered, rejected = Counter(), Counter()
    for delivery in checked:
        delivered[delivery.delivery.vendor] += delivery.delivered_rows
        rejected[delivery.delivery.vendor] += delivery.rejected_rows
    counts.append(Count(metric="reject", x=rejected.total(), n=delivered.total()))
    counts += [Count(metric="reject", vendor=name, x=rejected[name], n=delivered[name]) for name in sorted(delivered)]
    counts += looking.counts(work, work.current, ("", *sorted(set(vendors[work.current]))))
    return tuple(counts)


def _guidelines(checked: Sequence[CheckedDelivery]) -> list[Count]:
    """Accepted rows by vendor and version of the guideline, of all its accepted rows."""
    rows: Counter[tuple[str, str]] = Counter()
    for delivery in checked:
        if delivery.accepted:
            rows[delivery.delivery.vendor, delivery.delivery.guideline or ""] += delivery.accepted_rows
    total = Counter()
    for (vendor, _), number in rows.items():
        total[vendor] += number
    return [
        Count(metric="guideline", vendor=vendor, label=version, x=number, n=total[vendor])
        for (vendor, version), number in sorted(rows.items())
    ]


def _count(metric: str, hits: np.ndarray, vendor: str = "", label: str = "") -> Count:
    return Count(metric=metric, vendor=vendor, label=label, x=float(hits.sum()), n=float(len(hits)))
