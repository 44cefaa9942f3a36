"""What is watched, in words that a customer reads: one table for reports, pages, alerts and the command line."""

from __future__ import annotations

from functools import cache

SMALL = "small vendors"
"""The stream of all vendors that send few units, together; no vendor's name has a space."""
_RATES = {
    "issue": "items likely labelled wrong",
    "annotation_error": "wrong labels by single annotators",
    "reject": "rejected rows",
    "gold": "gold items labelled wrong",
    "defect": "wrong labels found by people",
}
_CAUSES = {
    "mix": "another mix of classes",
    "guideline": "another version of the guideline",
    "detector": "another detector",
}


def rate_of(metric: str) -> str:
    """What a stream is the rate of.

    >>> f"the rate of {rate_of('reject')}{whose('cedar')}"
    'the rate of rejected rows from vendor cedar'
    """
    return _RATES.get(metric) or words_of_detectors().get(metric, metric.replace("_", " "))


@cache
def words_of_detectors() -> dict[str, str]:
    from labelaudit.detect.run_detectors import looking  # heavy, and alerts are imported by a scheduler

    return {metric.name: metric.words for metric in looking.metrics()}


def whose(vendor: str) -> str:
    """Of which vendor, to follow `rate_of`; nothing where it is of all."""
    return "" if not vendor else f" from {vendor}" if vendor == SMALL else f" from vendor {vendor}"


def cause_in_words(cause: str) -> str:
    """Why a rate moved, where that is no incident."""
    return _CAUSES.get(cause, cause)
