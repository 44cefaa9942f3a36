"""Labelaudit: audits deliveries of human labels. The detectors are usable on their own:

>>> import labelaudit
>>> labelaudit.find_label_errors([0, 1, 1], [[.9, .1], [.95, .05], [.1, .9]]).suggested_label.tolist()
[0, 0, 1]
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labelaudit.detectors.consensus import Consensus, aggregate_labels
    from labelaudit.detectors.label_errors import LabelErrors, find_label_errors
    from labelaudit.detectors.shards import ShardedLabelErrors, find_label_errors_in_shards

_WHERE = {
    "Consensus": "consensus",
    "LabelErrors": "label_errors",
    "ShardedLabelErrors": "shards",
    "aggregate_labels": "consensus",
    "find_label_errors": "label_errors",
    "find_label_errors_in_shards": "shards",
}
__all__ = [
    "Consensus",
    "LabelErrors",
    "ShardedLabelErrors",
    "aggregate_labels",
    "find_label_errors",
    "find_label_errors_in_shards",
]


def __getattr__(name: str):
    """Import numpy and scipy when a detector is asked for, not when Airflow parses a DAG."""
    if name in __all__:
        from importlib import import_module

        return getattr(import_module(f"labelaudit.detectors.{_WHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
