"""What `detect` found, as the report needs it: frozen models, written as JSON beside the audited tables."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from labelaudit.values.value import Value

WORTHWHILE = 0.01
"""Items are listed for a second opinion from this expected gain on, in the probability that their label is right."""


class ClassFinding(Value):
    """One class: items that were given it, and how many of those labels are likely wrong; the rate's 95 % interval."""

    label: str
    items: int
    issues: int
    low: float
    high: float


class PairFinding(Value):
    """Items given one class that are likely another."""

    given: str
    suggested: str
    items: int


class VendorFinding(Value):
    """One vendor in this release: annotations, likely wrong ones with a 95 % interval of their rate; where several
    vendors can be compared, the share that would be right if every vendor had the items of all, with its interval."""

    vendor: str
    items: int
    annotations: int
    annotation_errors: int
    low: float
    high: float
    fair_quality: float | None = None
    fair_low: float | None = None
    fair_high: float | None = None
    differs: Literal["", "better", "worse"] = Field(
        "", description="than the middling vendor, beyond chance and after allowing for how hard its items are"
    )
    gold_right: int = 0
    gold_labels: int = 0


class AnnotatorFinding(Value):
    """One annotator over this release and the history: quality with its 95 % interval. `name` is plain: internal."""

    name: str
    vendors: str
    annotations: int = Field(description="in this release")
    judged: int = Field(description="annotations that the quality rests on, history included")
    quality: float
    low: float
    high: float
    gold_right: int = 0
    gold_labels: int = 0
    changed: bool = Field(False, description="the quality changed once, beyond chance")
    before: float | None = None
    after: float | None = None
    labels_before: int | None = None


class AgreementFinding(Value):
    """Coefficients of the annotators' agreement, each (value, low, high) with its 95 % interval over items."""

    alpha: tuple[float, float, float]
    fleiss: tuple[float, float, float]
    raw: tuple[float, float, float]
    items: int
    most_frequent: str
    prevalence: float = Field(description="share of the most frequent class: agreement by chance grows with it")


class WorstItem(Value):
    """An item whose label is likely wrong, as evidence."""

    item: str
    given: str
    label: str
    suggested: str
    given_quality: float = Field(description="probability that the given label is right")
    quality: float = Field(description="of the published label")
    vendors: str
    labels: tuple[str, ...] = Field(description="what its annotators said")
    text: str | None = None
    pixels: tuple[float, ...] | None = None
    features: dict[str, Any] | None = None


class CopiesFinding(Value):
    """Items that are copies of each other (the first few of `size`), and the label that each was given."""

    items: tuple[str, ...]
    labels: tuple[str, ...]
    size: int
    kind: Literal["exact", "near"]
    conflict: bool = Field(description="their labels differ")


class OverlapFinding(Value):
    """Two classes that are given for each other, in x of n labels of either, with a 95 % interval; and where annotators
    (or vendors) read the guideline differently: `source` says `says` to source_x of source_n, not to the expected."""

    one: str
    other: str
    x: int
    n: int
    low: float
    high: float
    direction: str = Field(description='"both", or which is labelled as the other: "a as b", "b as a"')
    read_differently: bool
    source: str = Field(description="plain: internal where it is an annotator")
    source_kind: Literal["annotator", "vendor"]
    says: str
    source_x: int
    source_n: int
    expected: float


class SliceFinding(Value):
    """Where the model is weak: its error rate there, measured on items not used to find the slice, and on the rest."""

    rule: str = Field(description="empty: items like the examples")
    items: int
    items_share: float
    errors_share: float = Field(description="of all of the model's errors")
    rate: float
    low: float
    high: float
    rest_rate: float
    examples: tuple[str, ...]


class DatasetFindings(Value):
    """Copies, outliers, overlapping classes and weak slices. Counts are of the items judged in this release."""

    looked_for_copies: bool = Field(description="False: no columns to compare items by, or too few items")
    copies: tuple[CopiesFinding, ...]
    copied_items: int
    conflicting_items: int
    outliers: tuple[str, ...]
    outlier_items: int
    overlaps: tuple[OverlapFinding, ...]
    slices: tuple[SliceFinding, ...]
    second_opinions: int = Field(description="items whose label one more opinion could turn")


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
    canary_recall: float | None = Field(description="expected share of the wrong labels that were found")
    canary_precision: float | None = Field(description="expected share of the flags that are right")
    dataset: DatasetFindings
    agreement: AgreementFinding | None = None
    further: dict[str, Any] = Field(
        default_factory=dict, description="by name, what the other detectors of the run found; left out where nothing"
    )

    @model_serializer(mode="wrap")
    def _said(self, rest: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without_empty(rest(self))


def without_empty(said: dict[str, Any]) -> dict[str, Any]:
    """A model's fields without `further` where that is empty."""
    return {name: value for name, value in said.items() if name != "further" or value}
