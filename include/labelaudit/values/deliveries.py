"""The values that steps hand to each other: frozen pydantic models of references, counts and digests, never rows.

Nouns name values, past participles what a step made of one. They cross Airflow's XCom and come back equal.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from labelaudit.values.value import Value


class DeliveredFile(Value):
    """One data file of a delivery, as its manifest states it."""

    path: str = Field(description="relative to the delivery's folder")
    bytes: int = Field(ge=0, description="its size")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    records: int | None = Field(None, ge=0, description="rows, where the vendor says so")


class Refusal(Value):
    """Why a whole delivery can't be taken: a stable code, what was found and what to do, for the vendor."""

    code: str
    message: str


class Delivery(Value):
    """A complete delivery in the inbox (its manifest is there). `digest` is its identity: the same bytes twice are one.

    `refusal` is set where the manifest alone shows that the delivery can't be taken.
    """

    customer: str
    dataset: str
    vendor: str
    id: str
    files: tuple[DeliveredFile, ...]
    digest: str = Field(description="sha256 over the vendor and the files' sha256, sorted")
    supersedes: tuple[str, ...] = Field((), description="ids of earlier deliveries of this vendor that it replaces")
    guideline: str | None = Field(None, description="version of the labelling guideline")
    look: str = Field("", description="another one once a file is changed or exchanged, whatever the manifest says")
    refusal: Refusal | None = None

    @property
    def name(self) -> str:
        """`<vendor>/<id>`, as people call it."""
        return f"{self.vendor}/{self.id}"


class Found(Value):
    """What `find` saw in the inbox for one run, and the state of the published tables that the run starts from."""

    run: str = Field(description="name of the run's prefix in the store")
    deliveries: tuple[Delivery, ...]
    base_version: int = Field(description="version of the `labels` table; -1 where there is none yet")
    base_release: str | None = None
    sequence: int = Field(description="number of the release that this run may make, from 1")


class RejectCount(Value):
    """Rows rejected for one reason."""

    code: str = Field(description="a reader's reason or an expectation's name")
    column: str | None = None
    rows: int = Field(ge=0)


class PathCount(Value):
    """How often records of a tool's export hold a value at a path that no column has."""

    path: str = Field(description="keys, with [] for the elements of a list and * for an id")
    count: int = Field(ge=0)


class Cleanup(Value):
    """Values that a declared clean-up changed: what the vendor wrote is not what was taken."""

    column: str
    kind: Literal["trim", "case", "synonyms", "label_map"]
    rows: int = Field(ge=0)


class StagedDelivery(Value):
    """A delivery read into canonical Parquet (fixed row groups) and a table of rejects.

    delivered_rows = staged_rows + rejected_rows, where all files could be read to their ends (`refusal` is None).
    """

    delivery: Delivery
    delivered_rows: int = Field(ge=0, description="rows seen; with a refusal, those seen until then")
    staged_rows: int = Field(ge=0)
    rejected_rows: int = Field(ge=0)
    table: str | None = Field(None, description="key of the staged rows; None with a refusal")
    predictions: str | None = Field(None, description="key of the staged predictions file (item, pred_probs)")
    rejects: str | None = Field(None, description="key of the rejects' Parquet file")
    reject_counts: tuple[RejectCount, ...] = ()
    records: int = Field(0, ge=0, description="records of the files; one of a tool's export may hold several rows")
    undeclared: tuple[str, ...] = Field((), description="columns that the files have and the contract does not name")
    untaken: tuple[PathCount, ...] = Field((), description="what nested records hold and no column has")
    cleanups: tuple[Cleanup, ...] = ()
    refusal: Refusal | None = None


class CheckOutcome(Value):
    """What one expectation found over the whole delivery."""

    type: str = Field(description="Great Expectations' name")
    column: str | None = None
    arguments: str = Field("", description="as people read them")
    severity: Literal["critical", "warning", "info"]
    source: Literal["contract", "implied"]
    success: bool
    checked_rows: int = 0
    failed_rows: int = 0
    examples: tuple[str, ...] = Field((), description="a few values that failed, as text")
    detail: str = Field("", description="for table checks: what was observed")


class CheckedDelivery(Value):
    """A delivery with the outcome of every check; made by `check` only, so nothing unchecked can be audited.

    Conservation, to the row: delivered_rows = accepted_rows + rejected_rows.
    """

    delivery: Delivery
    accepted: bool
    delivered_rows: int = Field(ge=0)
    accepted_rows: int = Field(ge=0)
    rejected_rows: int = Field(ge=0)
    table: str | None = Field(None, description="key of the accepted rows; None where rejected")
    predictions: str | None = None
    rejects: str | None = None
    reject_counts: tuple[RejectCount, ...] = ()
    records: int = Field(0, ge=0)
    undeclared: tuple[str, ...] = ()
    untaken: tuple[PathCount, ...] = ()
    cleanups: tuple[Cleanup, ...] = ()
    outcomes: tuple[CheckOutcome, ...] = ()
    refusal: Refusal | None = Field(None, description="why the delivery is rejected")
    report: str | None = Field(None, description="key of the rejection report in the store")
