"""The internal history: accepted annotations of earlier releases, with their features and predictions, to train on.

One Parquet file a release, written before the release is committed; it counts only if the release came to exist. A file
holds all annotations of the items that its release judged, so an item's newest file tells all about it; which one that
is, the table `labels` says (`item_places`). No more files are read than hold what is wanted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from labelaudit.contracts.model import Contract
from labelaudit.detect.item_places import find_places, first_items
from labelaudit.storage import layout, release_log
from labelaudit.storage.parquet import read_rows
from labelaudit.storage.store import Store
from labelaudit.tasks import task_of
from labelaudit.tasks.texts import texts

CLASSES = b"labelaudit.classes"


def read_history(
    contract: Contract,
    store: Store,
    destination: Store,
    wanted: Iterable[str],
    dropped: Iterable[str],
    max_items: int,
) -> tuple[pd.DataFrame, set[str]]:
    """Rows of earlier releases, one per annotation; and the items that were dropped.

    All rows of the `wanted` items, and of the newest other items up to `max_items`. Rows of the `dropped` deliveries
    (vendor/id) are left out; the items they touched come whole, and are named in the second value. Where a release's
    file has expired, an item of it that others labelled too stays as it was published.
    """
    folder = layout.history(contract.customer, contract.dataset)
    there = set(store.list(folder))
    dropped = set(dropped)
    places = find_places(destination, set(wanted), dropped)
    touched = set(places.lone)
    parts: list[pd.DataFrame] = []
    room = max_items
    for entry in reversed(release_log.log(destination)):
        key, items = f"{folder}{entry.release}.parquet", places.needed.get(entry.release, set())
        if key not in there:
            continue
        touched |= places.shared & items
        more = set()
        if room > 0 and places.others[entry.release]:
            first = first_items(destination, entry.release, room + len(items))
            more = set([item for item in first if item not in items][:room])
            room -= len(more)
        if items or more:
            rows = _of_classes(contract, read_rows(store, key, "item", items | more)).to_pandas()
            parts.append(rows[~rows["delivery"].isin(dropped)])
    parts = [part for part in parts if len(part)]
    together = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({"item": pd.Series(dtype="str")})
    return together, touched


def with_classes(rows: pa.Table, classes: Sequence[str]) -> pa.Table:
    """The rows with a note of which classes their probabilities are of: a contract may add or reorder them."""
    return rows.replace_schema_metadata({CLASSES: json.dumps(list(classes))})


def _of_classes(contract: Contract, rows: pa.Table) -> pa.Table:
    """The rows with labels as text, and their probabilities in the order of the contract's classes; a class that is new
    since has none.

    Without them where they can't be told apart (files of older versions, another number), or nothing is left.
    """
    rows, classes = texts(rows), contract.classes
    if "pred_probs" not in rows.column_names:
        return rows
    place, kept = rows.column_names.index("pred_probs"), rows["pred_probs"].combine_chunks()
    told = (rows.schema.metadata or {}).get(CLASSES)
    before = tuple(json.loads(told)) if told else tuple(classes)
    if before == tuple(classes) and len(kept.flatten()) == len(kept) * len(classes):
        return rows
    if told is None or not set(before) & set(classes) or not task_of(contract.task).IS_DISTRIBUTION:
        return rows.drop_columns("pred_probs")
    was = kept.flatten().to_numpy(zero_copy_only=False).reshape(-1, len(before))
    made = np.zeros((len(was), len(classes)), np.float32)
    for code, name in enumerate(classes):
        if name in before:
            made[:, code] = was[:, before.index(name)]
    vectors = [row / row.sum() if row.any() else None for row in made]
    return rows.set_column(place, "pred_probs", pa.array(vectors, pa.list_(pa.float32())))


def probabilities(rows: pd.DataFrame, classes: int) -> np.ndarray:
    """The rows' `pred_probs` as a matrix (m, K); NaN where a row has none."""
    out = np.full((len(rows), classes), np.nan, np.float32)
    if "pred_probs" in rows:
        for place, vector in enumerate(rows["pred_probs"].to_numpy()):
            if vector is not None and not np.isscalar(vector):
                out[place] = vector
    return out
