"""The columns of the customer's tables, and of our own of rejects. A column is added, never renamed: customers read."""

from __future__ import annotations

import pyarrow as pa

from labelaudit.storage import layout

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
PARTS_SCHEMA = pa.schema(
    [
        ("item", pa.string()),
        ("class", pa.string()),
        ("given", pa.bool_()),
        ("label", pa.bool_()),
        ("quality", pa.float64()),
        ("is_issue", pa.bool_()),
        ("release", pa.string()),
    ]
)
"""Of kinds of label whose items have several parts: those of the items that a release judged. Which release an item was
last judged in says `labels`."""
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
JUDGED_SCHEMA = pa.schema(
    [
        *QUALITY_SCHEMA,
        ("run_time", pa.timestamp("us", tz="UTC")),
        ("digest", pa.string()),
        ("delivery", pa.string()),
        ("supersedes", pa.string()),
    ]
)
"""Without a digest: the counts of the whole; with one, the part of that delivery (vendor/id), which supersedes those
that are named, parted by commas."""
REJECTS_SCHEMA = pa.schema(
    [
        ("vendor", pa.string()),
        ("delivery", pa.string()),
        ("digest", pa.string()),
        ("run_time", pa.timestamp("us", tz="UTC")),
        ("status", pa.string()),
        ("rows", pa.int64()),
        ("file", pa.string()),
        ("line", pa.int64()),
        ("place", pa.string()),
        ("column", pa.string()),
        ("code", pa.string()),
        ("reason", pa.string()),
        ("advice", pa.string()),
        ("text", pa.string()),
    ]
)
"""`status` is the delivery's: accepted or rejected. `rows` is 1; in the one line of a rejected delivery that names no
file it counts the rows that were sound, and rejected with the others: so the sum of `rows` is what was rejected."""
SCHEMAS = {
    layout.LABELS: LABELS_SCHEMA,
    layout.ANNOTATIONS: ANNOTATIONS_SCHEMA,
    layout.QUALITY: QUALITY_SCHEMA,
    layout.PARTS: PARTS_SCHEMA,
}
LABELS = ("label", "given_label", "suggested_label")


def fitting(schema: pa.Schema, rows: pa.Schema) -> pa.Schema:
    """The schema with its labels of the type that the rows have: a kind of label may have lists or numbers."""
    for name in LABELS:
        if name in schema.names and name in rows.names and is_value(kind := rows.field(name).type):
            # of what is read, texts have another of Arrow's types than of what is written
            as_written = pa.list_(pa.string()) if pa.types.is_list(kind) else kind
            schema = schema.set(schema.get_field_index(name), pa.field(name, as_written))
    return schema


def is_value(kind: pa.DataType) -> bool:
    """Whether labels of the type are no texts; of texts, Arrow has five types that are one to us."""
    return pa.types.is_list(kind) or pa.types.is_floating(kind)
