"""What a release changes, label by label, of the one before: new, removed, unchanged and changed items, and why."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from labelaudit.storage import layout, tables
from labelaudit.storage.store import Store
from labelaudit.tasks.texts import texts
from labelaudit.values.differences import ChangedItem, Difference, LabelMove
from labelaudit.values.releases import Audit

SHOWN_ITEMS = 40
COMPARED = ["item", "label", "given_label", "label_quality", "deliveries"]
COLUMNS = [
    "item",
    "label_before",
    "label_now",
    "given_before",
    "given_now",
    "quality_before",
    "quality_now",
    "why",
    "deliveries",
]
SUPERSEDED = "a superseded delivery's labels were replaced"
NEW_LABELS = "new annotations"
JUDGED_AGAIN = "judged again"


def changes(audit: Audit, labels: pa.Table, destination: Store) -> tuple[Difference, pa.Table] | None:
    """The difference of a run's labels (as text, with `_removed`) to the release it started from, and its changed items
    (COLUMNS, by item); None where there is no release before."""
    if audit.found.base_release is None:
        return None
    before = texts(tables.read_table(destination, layout.LABELS, COMPARED, version=audit.found.base_version))
    known = before["item"].combine_chunks()
    gone = labels.filter(labels["_removed"])
    removed = pc.sum(pc.is_in(gone["item"], known)).as_py() or 0
    now = labels.filter(pc.invert(labels["_removed"])).select(COMPARED)
    places = pc.index_in(now["item"], known)
    there = pc.is_valid(places)
    again, old = now.filter(there), before.take(places.filter(there))
    moved = pc.not_equal(again["label"], old["label"])
    again, old = again.filter(moved), old.filter(moved)
    values = [again["item"], old["label"], again["label"], old["given_label"], again["given_label"]]
    values += [old["label_quality"], again["label_quality"], _why(audit, old, again), again["deliveries"]]
    rows = pa.table(values, names=COLUMNS).sort_by("item")
    pairs = rows.group_by(["label_before", "label_now"]).aggregate([([], "count_all")]).to_pylist()
    pairs.sort(key=lambda pair: (-pair["count_all"], pair["label_before"], pair["label_now"]))
    reasons = {reason["values"]: reason["counts"] for reason in pc.value_counts(rows["why"]).to_pylist()}
    difference = Difference(
        before=audit.found.base_release,
        new=now.num_rows - (pc.sum(there).as_py() or 0),
        removed=removed,
        unchanged=before.num_rows - removed - rows.num_rows,
        changed=rows.num_rows,
        moves=tuple(
            LabelMove(before=pair["label_before"], now=pair["label_now"], items=pair["count_all"]) for pair in pairs
        ),
        reasons=dict(sorted(reasons.items())),
        first=tuple(ChangedItem(**item) for item in rows.slice(0, SHOWN_ITEMS).to_pylist()),
    )
    return difference, rows


def _why(audit: Audit, old: pa.Table, now: pa.Table) -> pa.Array:
    replaced = set(audit.superseded)
    reasons = []
    for before, after in zip(old["deliveries"].to_pylist(), now["deliveries"].to_pylist(), strict=True):
        if replaced & set(before.split(",")):
            reasons.append(SUPERSEDED)
        else:
            reasons.append(JUDGED_AGAIN if before == after else NEW_LABELS)
    return pa.array(reasons, pa.string())
