"""What `detect` found, as the report needs it: frozen models, written as JSON beside the audited tables."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from labelaudit.store import Store
from labelaudit.values import Audit, Value


class ClassFinding(Value):
    """One class: items that were given it, and how many of those labels are likely wrong."""

    label: str
    items: int
    issues: int


class PairFinding(Value):
    """Items given one class that are likely another."""

    given: str
    suggested: str
    items: int


class VendorFinding(Value):
    """One vendor in this release: annotations, likely wrong ones with a 95 % interval of their rate."""

    vendor: str
    items: int
    annotations: int
    annotation_errors: int
    low: float
    high: float


class AnnotatorFinding(Value):
    """One annotator over this release and the history: quality with its 95 % interval. `name` is plain: internal."""

    name: str
    vendors: str
    annotations: int = Field(description="in this release")
    judged: int = Field(description="annotations that the quality rests on, history included")
    quality: float
    low: float
    high: float


class WorstItem(Value):
    """An item whose label is likely wrong, as evidence."""

    item: str
    given: str
    label: str
    suggested: str
    quality: float
    vendors: str
    labels: tuple[str, ...] = Field(description="what its annotators said")
    text: str | None = None
    pixels: tuple[float, ...] | None = None
    features: dict[str, Any] | None = None


class Findings(Value):
    method: str
    predictions_note: str
    classes: tuple[ClassFinding, ...]
    pairs: tuple[PairFinding, ...]
    vendors: tuple[VendorFinding, ...]
    annotators: tuple[AnnotatorFinding, ...]
    worst: tuple[WorstItem, ...]
    new_items: int
    judged_again: int = Field(description="items of earlier releases whose annotations changed")
    removed_items: int
    replaced_annotations: int = Field(description="annotations that a later one of the same annotator replaces")
    context_items: int = Field(description="items of earlier releases that were trained on")
    not_checked: tuple[str, ...]


def read_findings(store: Store, audit: Audit) -> Findings:
    return Findings.model_validate_json(store.read(audit.findings))
