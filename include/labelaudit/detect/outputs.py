"""The tables that an audit writes for `publish`, and the digest that binds a release to them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from labelaudit.contracts.model import Contract
from labelaudit.detect.findings import given_quality
from labelaudit.detect.history import with_classes
from labelaudit.detect.run_detectors import looking
from labelaudit.detect.work import Work
from labelaudit.storage import schemas
from labelaudit.tasks import task_of
from labelaudit.tasks.texts import typed
from labelaudit.values.deliveries import CheckedDelivery, Found

LABELS_FIELDS = [field for field in schemas.LABELS_SCHEMA if field.name != "release"]
INTERNAL_FIELDS = [
    ("_removed", pa.bool_()),
    ("_given_quality", pa.float64()),
    ("_second_opinion", pa.float64()),
    ("_copy_of", pa.string()),
    ("_is_outlier", pa.bool_()),
]
"""Of a run's own file of labels, not of the table: removed items, and what goes into the lists beside the report."""


def labels_table(work: Work) -> pa.Table:
    detection, names = work.detection, np.array(work.judged.values, dtype=object)
    joined = {name: _joined(work, name) for name in ("vendor", "delivery")}
    here = work.scope
    columns = {
        "item": detection.items[here].tolist(),
        "label": names[detection.label[here]],
        "given_label": names[detection.given[here]],
        "suggested_label": names[detection.suggested[here]],
        "label_quality": detection.label_quality[here],
        "is_issue": detection.is_issue[here],
        "annotations": detection.annotations[here],
        "vendors": joined["vendor"][here],
        "deliveries": joined["delivery"][here],
        "_removed": np.zeros(int(here.sum()), bool),
        "_given_quality": given_quality(work)[here],
        "_second_opinion": detection.second_opinion[here],
        "_copy_of": [str(detection.items[first]) if first >= 0 else None for first in work.dataset.copy_of[here]],
        "_is_outlier": work.dataset.is_outlier[here],
    }
    schema = pa.schema([*LABELS_FIELDS, *INTERNAL_FIELDS])
    kept = pa.Table.from_pydict(columns, schema=schema)
    gone = [{"item": item, "_removed": True} for item in work.removed]
    table = pa.concat_tables([kept, pa.Table.from_pylist(gone, schema=schema)])
    return typed(table, task_of(work.contract.task).LABEL).combine_chunks()


def _joined(work: Work, column: str) -> np.ndarray:
    """By item (n,): the column's texts, each once, in their order."""
    texts, place = np.unique(work.rows[column].to_numpy(object), return_inverse=True)
    pairs = np.unique(work.codes * len(texts) + place)  # by item, then by text
    item, place = np.divmod(pairs, len(texts))
    first, number = np.unique(item, return_index=True)[1], np.bincount(item)
    made = texts[place[first]]
    for row in np.flatnonzero(number > 1):
        made[row] = ",".join(texts[place[first[row] : first[row] + number[row]]])
    return made


def annotations_table(work: Work) -> pa.Table:
    """All annotations of the judged items, plain, with what the history needs of them."""
    here = work.scope[work.codes]
    detection = work.detection
    rows = work.rows[here].drop(columns=["pred_probs", *looking.columns(work.contract)], errors="ignore")
    rows = rows.assign(
        annotation_quality=detection.annotation_quality[here], is_issue=detection.annotation_is_issue[here]
    )
    table = typed(pa.Table.from_pandas(rows, preserve_index=False), task_of(work.contract.task).LABEL)
    table = with_classes(table, work.contract.classes)
    if work.pred_probs is not None:
        vectors = work.pred_probs[work.codes[here]].astype(np.float32)
        table = table.append_column("pred_probs", pa.array(list(vectors), pa.list_(pa.float32())))
    return table


def digest_of(
    contract: Contract,
    found: Found,
    checked: Sequence[CheckedDelivery],
    superseded: Sequence[str],
    contents: Sequence[bytes],
) -> str:
    """What the release is bound to: contract, deliveries, the release before, and every byte that was made of them."""
    bound = {
        "contract": contract.model_dump(mode="json"),
        "deliveries": [[delivery.delivery.name, delivery.delivery.digest, delivery.accepted] for delivery in checked],
        "superseded": list(superseded),
        "base": found.base_release,
        "sequence": found.sequence,
        "detector": task_of(contract.task).DETECTOR,
        "contents": [hashlib.sha256(content).hexdigest() for content in contents],
    }
    return hashlib.sha256(json.dumps(bound, sort_keys=True).encode()).hexdigest()
