"""What `detect` and `publish` make: counts, an audit, a release."""

from __future__ import annotations

from pydantic import Field

from labelaudit.values.deliveries import CheckedDelivery, Found
from labelaudit.values.value import Value


class Count(Value):
    """x of n: every rate is kept as its counts."""

    metric: str = Field(description="issue | annotation_error | reject | canary | gold | …")
    vendor: str = Field("", description="empty: all")
    label: str = Field("", description="class; empty: all")
    x: float
    n: float


class Audit(Value):
    """What `detect` made: the tables to publish, and counts. `release` is bound to their content by its digest."""

    run: str
    release: str = Field(description="r<sequence>-<first 8 of digest>")
    digest: str
    found: Found
    checked: tuple[CheckedDelivery, ...] = Field(description="all, the rejected too")
    superseded: tuple[str, ...] = Field((), description="names (vendor/id) of published deliveries that it replaces")
    labels: str = Field(description="key of the items' Parquet file")
    annotations: str = Field(description="key of the annotations' Parquet file (internal: plain annotators)")
    parts: str | None = Field(None, description="key of the parts' Parquet file, where an item has several")
    findings: str = Field(description="key of the JSON that the report is drawn from")
    shares: str = Field("", description="key of the JSON with each delivery's part of the counts")
    items: int
    annotations_rows: int
    issues: int
    counts: tuple[Count, ...]
    alpha: float | None = Field(None, description="Krippendorff's alpha, where items have several annotators")
    issue_rate_range: tuple[float, float, float] | None = None
    detector: str = Field(description="name and version of the method")
    predictions_note: str = ""


class Release(Value):
    """A published release. It exists if and only if the `labels` table's log says so."""

    customer: str
    dataset: str
    release: str
    digest: str
    version: int = Field(description="version of the `labels` table")
    destination: str = Field(description="URI")
    report: str = Field(description="URI of report.html")
    items: int
    issues: int
    accepted_rows: int
    rejected_rows: int
    deliveries: tuple[str, ...]
    already: bool = Field(False, description="it was published before; this run changed nothing")
