"""Labelaudit: audits deliveries of human labels. The detectors are usable on their own:

>>> import labelaudit
>>> labelaudit.find_label_errors([0, 1, 1], [[.9, .1], [.95, .05], [.1, .9]]).suggested_label.tolist()
[0, 0, 1]
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labelaudit.detectors.agreement import Agreement, agreement
    from labelaudit.detectors.annotators import Drift, annotator_drift
    from labelaudit.detectors.consensus import Consensus, aggregate_labels
    from labelaudit.detectors.consensus_shards import ShardedConsensus, ShardItems, aggregate_labels_in_shards
    from labelaudit.detectors.duplicates import Duplicates, find_duplicates
    from labelaudit.detectors.label_errors import LabelErrors, find_label_errors
    from labelaudit.detectors.next_labels import NextLabels, label_next
    from labelaudit.detectors.outliers import Outliers, find_outliers
    from labelaudit.detectors.overlap import Overlap, find_overlapping_classes
    from labelaudit.detectors.second_opinions import SecondOpinions, order_second_opinions
    from labelaudit.detectors.shards import ShardedLabelErrors, ShardLabels, find_label_errors_in_shards
    from labelaudit.detectors.slices import Slice, find_weak_slices
    from labelaudit.detectors.vendors import VendorQuality, item_difficulty, vendor_quality

_WHERE = {
    "Agreement": "agreement",
    "Consensus": "consensus",
    "Drift": "annotators",
    "Duplicates": "duplicates",
    "LabelErrors": "label_errors",
    "NextLabels": "next_labels",
    "Outliers": "outliers",
    "Overlap": "overlap",
    "SecondOpinions": "second_opinions",
    "ShardItems": "consensus_shards",
    "ShardLabels": "shards",
    "ShardedConsensus": "consensus_shards",
    "ShardedLabelErrors": "shards",
    "Slice": "slices",
    "VendorQuality": "vendors",
    "aggregate_labels": "consensus",
    "aggregate_labels_in_shards": "consensus_shards",
    "agreement": "agreement",
    "annotator_drift": "annotators",
    "find_duplicates": "duplicates",
    "find_label_errors": "label_errors",
    "find_label_errors_in_shards": "shards",
    "find_outliers": "outliers",
    "find_overlapping_classes": "overlap",
    "find_weak_slices": "slices",
    "item_difficulty": "vendors",
    "label_next": "next_labels",
    "order_second_opinions": "second_opinions",
    "vendor_quality": "vendors",
}
__all__ = [
    "Agreement",
    "Consensus",
    "Drift",
    "Duplicates",
    "LabelErrors",
    "NextLabels",
    "Outliers",
    "Overlap",
    "SecondOpinions",
    "ShardItems",
    "ShardLabels",
    "ShardedConsensus",
    "ShardedLabelErrors",
    "Slice",
    "VendorQuality",
    "aggregate_labels",
    "aggregate_labels_in_shards",
    "agreement",
    "annotator_drift",
    "find_duplicates",
    "find_label_errors",
    "find_label_errors_in_shards",
    "find_outliers",
    "find_overlapping_classes",
    "find_weak_slices",
    "item_difficulty",
    "label_next",
    "order_second_opinions",
    "vendor_quality",
]


def __getattr__(name: str):
    """Import numpy and scipy when a detector is asked for, not when Airflow parses a DAG."""
    if name in __all__:
        from importlib import import_module

        return getattr(import_module(f"labelaudit.detectors.{_WHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
