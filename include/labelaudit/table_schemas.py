"""The columns of the customer's tables. A column is added here, never renamed: customers read them."""

from __future__ import annotations

import pyarrow as pa

from labelaudit import layout

LABELS_SCHEMA = pa.schema(
    [
        ("item", pa.string()),
        ("label", pa.string()),
        ("given_label", pa.string()),
        ("suggested_label", pa.string()),
        ("label_quality", pa.float64()),
        ("is_issue", pa.bool_()),
        ("annotations", pa.int64()),
        ("vendors", pa.string()),
        ("deliveries", pa.string()),
        ("release", pa.string()),
    ]
)
ANNOTATIONS_SCHEMA = pa.schema(
    [
        ("item", pa.string()),
        ("annotator", pa.string()),
        ("vendor", pa.string()),
        ("delivery", pa.string()),
        ("label", pa.string()),
        ("annotation_quality", pa.float64()),
        ("is_issue", pa.bool_()),
        ("release", pa.string()),
    ]
)
QUALITY_SCHEMA = pa.schema(
    [
        ("release", pa.string()),
        ("sequence", pa.int64()),
        ("metric", pa.string()),
        ("vendor", pa.string()),
        ("label", pa.string()),
        ("x", pa.float64()),
        ("n", pa.float64()),
    ]
)
SCHEMAS = {layout.LABELS: LABELS_SCHEMA, layout.ANNOTATIONS: ANNOTATIONS_SCHEMA, layout.QUALITY: QUALITY_SCHEMA}
