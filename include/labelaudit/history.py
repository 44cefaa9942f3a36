"""The internal history: accepted annotations of earlier releases, with their features and predictions, to train on.

One Parquet file a release, written before the release is committed; it counts only if the release came to exist. A file
holds all annotations of the items that its release judged, so an item's newest file tells all about it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from labelaudit import layout
from labelaudit.contract import Contract
from labelaudit.parquet_files import read_table
from labelaudit.store import Store

CLASSES = b"labelaudit.classes"


def read_history(
    contract: Contract,
    store: Store,
    releases: Sequence[str],
    wanted: Iterable[str],
    dropped: Iterable[str],
    max_items: int,
) -> tuple[pd.DataFrame, set[str]]:
    """Rows of earlier releases (oldest name first in `releases`), one per annotation; and the items that were dropped.

    All rows of the `wanted` items, and of the newest other items up to `max_items`. Rows of the `dropped` deliveries
    (vendor/id) are left out; the items they touched come whole, and are named in the second value.
    """
    folder = layout.history(contract.customer, contract.dataset)
    there = set(store.list(folder))
    wanted, dropped = set(wanted), set(dropped)
    seen: set[str] = set()
    touched: set[str] = set()
    parts: list[pd.DataFrame] = []
    context = 0
    for release in reversed(releases):
        key = f"{folder}{release}.parquet"
        if key not in there:  # expired, or the history was moved: a run then trains on less
            continue
        if context >= max_items and not wanted - seen and not dropped:
            break
        rows = _of_classes(read_table(store, key), contract.classes).to_pandas()
        rows = rows[~rows["item"].isin(seen)]
        gone = rows["delivery"].isin(dropped)
        touched |= set(rows.loc[gone, "item"])
        needed = rows["item"].isin(wanted | touched)
        others = rows.loc[~needed, "item"].unique()[: max(0, max_items - context)]
        seen |= set(rows["item"])
        context += len(others)
        part = rows[(needed | rows["item"].isin(set(others))) & ~gone]
        if len(part):
            parts.append(part)
    together = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({"item": pd.Series(dtype="str")})
    return together, touched


def with_classes(rows: pa.Table, classes: Sequence[str]) -> pa.Table:
    """The rows with a note of which classes their probabilities are of: a contract may add or reorder them."""
    return rows.replace_schema_metadata({CLASSES: json.dumps(list(classes))})


def _of_classes(rows: pa.Table, classes: Sequence[str]) -> pa.Table:
    """The rows with their probabilities in the order of `classes`; a class that is new since has none.

    Without them where they can't be told apart (files of older versions, another number), or nothing is left.
    """
    if "pred_probs" not in rows.column_names:
        return rows
    place, kept = rows.column_names.index("pred_probs"), rows["pred_probs"].combine_chunks()
    told = (rows.schema.metadata or {}).get(CLASSES)
    before = tuple(json.loads(told)) if told else tuple(classes)
    if before == tuple(classes) and len(kept.flatten()) == len(kept) * len(classes):
        return rows
    if told is None or not set(before) & set(classes):
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
