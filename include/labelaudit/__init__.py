"""Labelaudit: audits deliveries of human labels. The two detectors are usable on their own:

>>> import labelaudit
>>> labelaudit.find_label_errors([0, 1, 1], [[.9, .1], [.95, .05], [.1, .9]]).suggested_label.tolist()
[0, 0, 1]
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labelaudit.detectors.consensus import Consensus, aggregate_labels
    from labelaudit.detectors.label_errors import LabelErrors, find_label_errors

__all__ = ["Consensus", "LabelErrors", "aggregate_labels", "find_label_errors"]

_WHERE = {"aggregate_labels": "consensus", "Consensus": "consensus", "find_label_errors": "label_errors"}


def __getattr__(name: str):
    """Import numpy and scipy when a detector is asked for, not when Airflow parses a DAG."""
    if name in __all__:
        from importlib import import_module

        return getattr(import_module(f"labelaudit.detectors.{_WHERE.get(name, 'label_errors')}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
