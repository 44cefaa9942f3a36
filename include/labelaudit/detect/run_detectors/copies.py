"""Copies among the items, and whether they are labelled alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labelaudit.detect.run_detectors.entry import RunDetector
from labelaudit.detect.work import Work
from labelaudit.detectors.duplicates import Duplicates
from labelaudit.values.findings import CopiesFinding

SHOWN = 30


def fields(work: Work) -> dict[str, Any]:
    look, scope, detection = work.dataset, work.scope, work.detection
    copies, there = look.copies, look.there
    conflicting = np.zeros(len(scope), bool)
    groups: tuple[CopiesFinding, ...] = ()
    if copies is not None:
        conflicting[there] = copies.is_conflict
        groups = _copies(work.judged.values, detection.items[there], copies, detection.given[there], scope[there])
    return {
        "looked_for_copies": copies is not None,
        "copies": groups,
        "copied_items": int((look.copy_of[scope] >= 0).sum()),
        "conflicting_items": int(conflicting[scope].sum()),
    }


def _copies(names, items, copies: Duplicates, given, scope) -> tuple[CopiesFinding, ...]:
    """Groups that hold an item in scope: those in conflict first, then by the first item's name. names: of the codes
    in given."""
    order = np.argsort(copies.group, kind="stable")
    starts = np.searchsorted(copies.group[order], np.arange(copies.groups + 1))
    made = []
    for group in range(copies.groups):
        members = order[starts[group] : starts[group + 1]]
        if scope[members].any():
            made.append(
                CopiesFinding(
                    items=tuple(str(items[member]) for member in members[:6]),
                    labels=tuple(names[given[member]] for member in members[:6]),
                    size=len(members),
                    kind="exact" if (copies.kind[members] == "exact").all() else "near",
                    conflict=bool(copies.is_conflict[members].any()),
                )
            )
    return tuple(sorted(made, key=lambda group: (not group.conflict, group.items))[:SHOWN])


def listed(labels: pa.Table) -> tuple[pa.Table, dict[str, str]]:
    copies = labels.filter(pc.is_valid(labels["_copy_of"]))
    order = pc.sort_indices(copies, [("_copy_of", "ascending"), ("item", "ascending")])
    return copies.take(order), {"_copy_of": "copy_of"}


COPIES = RunDetector(
    "copies",
    "Copies",
    dataset_fields=fields,
    section="dataset",
    template="copies.html",
    file="copies.csv",
    items=listed,
)
