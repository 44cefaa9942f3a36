"""The contract of one dataset: frozen pydantic models of `<contracts>/<customer>/<dataset>.yaml`.

Promises only: what is delivered, how it is checked, what is good enough, where it goes. Secrets and endpoints are not
here, but in Airflow Connections that the contract names. Reading and error messages are in `reading`.
"""

from __future__ import annotations

import difflib
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from labelaudit.contracts import kinds, schedules
from labelaudit.contracts.check_arguments import BOUNDS
from labelaudit.contracts.checks import Check
from labelaudit.contracts.delivery import Column, ColumnName, Label, Model, Name, Vendor
from labelaudit.contracts.predictions import Delivered, Predictions
from labelaudit.contracts.quality import (
    Acceptance,
    AlertRoute,
    Approval,
    ConnectionId,
    HumanAudit,
    Limits,
    Rate,
    Regressions,
)

RESERVED = ("delivery", "vendor", "file", "line", "place", "row", "release")
"""Columns that Labelaudit writes itself; a contract can't declare them."""

DERIVED = {"pred_probs_sum": "sum", "pred_probs_min": "min"}
"""Columns that are made of the probability vector for the checks only."""


class Tolerance(Model):
    """How many rejects a delivery may have."""

    rejected_rows_rate: Rate = Field(0.05, description="more than this share of rejects rejects the delivery")


class Destination(Model):
    """Where releases are published: a place of this dataset's alone."""

    uri: str | None = Field(
        None,
        max_length=1000,
        pattern=r"^(file:///|s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/|$))[^\x00-\x20`<>\"\\]*$",
        description="file:///folder or s3://bucket/prefix; left out: `published/<customer>/<dataset>` in the store",
    )
    connection: ConnectionId | None = Field(
        None, description="id of the Airflow Connection with this customer's credentials"
    )


class Retention(Model):
    """How long what is kept. Nothing of a run that waits for a person, or of the last release, is ever removed."""

    runs_days: int = Field(30, ge=1, le=36_500, description="staged tables and check results of finished runs")
    table_versions_days: int = Field(
        90,
        ge=7,
        le=36_500,
        description="old versions of the published tables, and of our own with their logs; notes of alerts, and alerts"
        " that could not be sent for so long",
    )
    history_days: int = Field(
        1095,
        ge=30,
        le=36_500,
        description="internal annotations of releases, from which later runs learn, and internal reports",
    )
    audits_days: int = Field(1095, ge=30, le=36_500, description="samples that people audit, and their answers")
    rejects_days: int = Field(
        1095,
        ge=30,
        le=36_500,
        description="rejects; reports and notes of deliveries that have left the inbox; counts by delivery",
    )


class History(Model):
    """What a run learns from, beside its own deliveries."""

    max_items: int = Field(
        20_000, ge=0, le=10**9, description="items of earlier releases that a run trains on; newest first"
    )


class Contract(Model):
    """What a customer, its vendors and we agreed on for one dataset. `customer` and `dataset` come from the path."""

    customer: Name = Field(description="the folder of the contract's file")
    dataset: Name = Field(description="the name of the contract's file")
    task: Literal[kinds.NAMES] = Field(description=kinds.SAID)
    description: Annotated[str, StringConstraints(max_length=10_000)] = Field(
        "", description="for people: shown in Airflow"
    )
    classes: tuple[Label, ...] = Field(
        (),
        max_length=10_000,
        description="all classes, two at least; a label that is none of them is a reject",
    )
    columns: dict[ColumnName, Column] = Field(
        description="our name of a column: what it holds. `item` and `label` must be there, `annotator` where several"
        " label an item; what is not named is not taken"
    )
    vendors: dict[Name, Vendor] = Field(min_length=1, description="who may deliver, and how each does")
    guidelines: tuple[Annotated[str, StringConstraints(min_length=1, max_length=200)], ...] = Field(
        (), description="versions of the labelling guideline that are taken; empty: any"
    )
    label_map: dict[str, dict[str, Label]] = Field(
        default_factory=dict,
        description="guideline version: {label as delivered: class it is now called}; for labels of an older version",
    )
    predictions: Predictions = Field(description="a second opinion on every label: where its probabilities come from")
    gold: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")] | None = Field(
        None, description="file of known labels (CSV: item, label), put into the store by `labelaudit gold`"
    )
    checks: tuple[Check, ...] = Field(
        (), description="Great Expectations, beside those that follow from `columns` and `classes`"
    )
    tolerance: Tolerance = Field(Tolerance(), description="how many rejects a delivery may have")
    limits: Limits = Field(Limits(), description="what a release must keep; a breach alerts or holds it (`on_breach`)")
    human_audit: HumanAudit | None = Field(None, description="left out: the defect rate is only a model-based range")
    acceptance: Acceptance | None = Field(None, description="of each delivery; left out: by checks and limits only")
    regressions: Regressions | None = Field(Regressions(), description="null: no incidents")
    on_breach: Literal["alert", "hold"] = Field("alert", description="of a limit, or while an incident is open")
    approval: Approval = Field(Approval(), description="how long a held release waits")
    alerts: tuple[AlertRoute, ...] = Field((), description="who is told; they see what the customer may see")
    schedule: str | None = Field("0 6 * * *", description="cron, UTC; null: by hand only")
    destination: Destination = Field(Destination(), description="where releases are published")
    retention: Retention = Field(Retention(), description="how long what is kept, in days")
    history: History = Field(History(), description="what a run learns from, beside its own deliveries")
    annotators: Literal["hashed", "omitted", "plain"] = Field(
        "hashed", description="how annotators appear to the customer"
    )
    seed: int = Field(
        0, ge=0, lt=2**32, description="of all that is drawn at random: the same rows give the same release"
    )

    @field_validator("schedule")
    @classmethod
    def _schedule_is_cron(cls, schedule: str | None) -> str | None:
        if schedule is not None and (said := schedules.problem(schedule)):
            raise ValueError(said)
        return schedule

    @model_validator(mode="after")
    def _agrees_with_itself(self):
        _require(self.id != "labelaudit/all", "the dataset `all` of `labelaudit` is where our own alerts wait")
        _require(len(set(self.classes)) == len(self.classes), "a class is listed twice")
        for name in ("item", "label"):
            _require(name in self.columns, f"`columns` must declare `{name}`")
        for name, column in self.columns.items():
            _require(name not in RESERVED, f"column `{name}` is written by Labelaudit; call it something else")
            if name in ("item", "annotator"):
                _require(column.type == "string", f"column `{name}` must be of type string")
            if name in ("item", "annotator", "label"):
                _require(column.required and not column.nullable, f"column `{name}` can't be optional or empty")
        _require("all" not in self.vendors, "a vendor can't be called `all`: incidents call all vendors so")
        for vendor, terms in self.vendors.items():
            _require("annotator" in self.columns or not terms.raters, "`raters` needs `columns` to declare `annotator`")
            for name in terms.columns:
                _require(
                    name in self.columns or name in self.probability_columns,
                    f"vendor `{vendor}` maps `{name}`, which `columns` does not declare",
                )
        for version, renamed in self.label_map.items():
            known = not self.guidelines or version in self.guidelines
            _require(known, f"`label_map` names guideline {version!r}, which `guidelines` does not list")
            for new in renamed.values():
                _require(new in self.classes, f"`label_map.{version}` leads to {new!r}, which is not a class")
        if self.acceptance and self.acceptance.by == "interval":
            _require(self.human_audit is not None, "acceptance by interval needs `human_audit`")
        for problem in self.predictions.problems(self.columns, self.classes):
            raise ValueError(problem)
        for problem in kinds.problems(self):
            _require(False, problem)
        self._check_checks()
        return self

    def _check_checks(self) -> None:
        within = isinstance(self.predictions, Delivered) and self.predictions.file is None
        known = set(self.columns) | (set(DERIVED) if within else set())
        for number, check in enumerate(self.checks):
            where = f"`checks.{number}`: {check.type}"
            for name in check.columns:
                near = ", ".join(difflib.get_close_matches(name, known, n=1, cutoff=0))
                _require(
                    name in known, f"{where}: column `{name}` is not declared in `columns`; the nearest is `{near}`"
                )
            for name in BOUNDS:
                bound = check.kwargs.get(name)
                if isinstance(bound, str):
                    _require(_is_moment(bound), f"{where}: `{name}` is {bound!r}, and neither a number nor ISO 8601")
                    kinds = {self.columns[column].type for column in check.columns if column in self.columns}
                    _require(kinds == {"timestamp"}, f"{where}: `{name}` {bound!r} needs a column of type timestamp")

    @property
    def id(self) -> str:
        """`<customer>/<dataset>`."""
        return f"{self.customer}/{self.dataset}"

    @property
    def probability_columns(self) -> tuple[str, ...]:
        """Delivered probabilities in the order of `classes`: the columns of the file that holds them, else empty."""
        if not isinstance(self.predictions, Delivered):
            return ()
        return tuple(self.predictions.columns.get(label, label) for label in self.classes)

    @property
    def feature_columns(self) -> tuple[str, ...]:
        """The canonical columns that predictions are made from."""
        return self.predictions.feature_columns


def _require(true: bool, message: str) -> None:
    if not true:
        raise ValueError(message)


def _is_moment(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
