"""The part of a contract that says what is good enough, and what happens where it is not."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from labelaudit.contracts.channels import CHANNELS, about_connections
from labelaudit.contracts.delivery import Model

Rate = Annotated[float, Field(ge=0, le=1)]
ConnectionId = Annotated[str, StringConstraints(max_length=250, pattern=r"^[A-Za-z0-9_#!().:/\\-]+$")]
"""What Airflow takes as one."""

Severity = Literal["critical", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")
"""From the least to the most severe."""


class Limits(Model):
    """Quality limits of a release; what is left out is not judged.

    Measured rates (human audit, gold, agreement, annotators) breach a limit when their whole interval lies beyond it,
    so that few answers breach nothing; `issue_rate` and `rejected_rows_rate` count all rows, and breach by themselves.
    """

    issue_rate: Rate | None = Field(None, description="largest share of items whose label is likely wrong")
    vendor_issue_rate: Rate | None = Field(None, description="the same, for each vendor of the release")
    defect_rate: Rate | None = Field(
        None, description="of the human audit: breached when the lower end of the release's interval is above it"
    )
    vendor_defect_rate: Rate | None = Field(None, description="the same, for each vendor of the release")
    gold_accuracy: Rate | None = Field(
        None, description="of gold items: breached when the upper end of the interval is below it; release and vendors"
    )
    canary_recall: Rate | None = Field(
        0.2,
        description="least share of planted wrong labels that the detector must find, less the share of all labels"
        " that it flags; below it the audit is invalid",
    )
    agreement: Annotated[float, Field(ge=-1, le=1)] | None = Field(
        None, description="Krippendorff's alpha: breached when the upper end of its interval is below it"
    )
    annotator_quality: Rate | None = Field(
        None, description="breached when the upper end of an annotator's interval is below it"
    )
    rejected_rows_rate: Rate | None = Field(None, description="largest share of rejected rows over the release")
    issue_rate_ratio: float | None = Field(
        None, gt=1, description="largest ratio of the issue rate to that of the releases before"
    )


class HumanAudit(Model):
    """A sample of each release that people label again: what its defect rate is measured by."""

    rows: int | None = Field(None, ge=1, le=10**9, description="items of a release that people audit")
    half_width: Annotated[float, Field(gt=0, lt=0.5)] | None = Field(
        None, description="instead of rows: wished half-width of the 95 % interval, e.g. 0.02"
    )
    per: Literal["item", "label"] = Field(
        "item", description="denominator: items, or delivered labels (an item with three has three opportunities)"
    )
    pool_releases: int = Field(1, ge=1, le=1000, description="last releases whose audits make one rate")

    @model_validator(mode="after")
    def _sized(self):
        if (self.rows is None) == (self.half_width is None):
            raise ValueError("a human audit needs either `rows` or `half_width`")
        return self


class Risk(Model):
    """A point of a sampling plan: a lot of this defect rate is judged wrongly with at most this probability."""

    rate: Annotated[float, Field(gt=0, lt=1)] = Field(description="defect rate of the lot")
    risk: Annotated[float, Field(gt=0, le=0.5)] = Field(description="largest probability that it is judged wrongly")


class Deduction(Model):
    """What an accepted delivery costs its vendor."""

    above: Rate = Field(description="defect rate: the deduction is due where the interval's lower end is above it")
    percent: Annotated[float, Field(gt=0, le=100)] = Field(description="of the price")


class Acceptance(Model):
    """When a delivery is accepted, by the answers of a human audit.

    interval: accepted where the upper end of the 95 % interval is at most `limit`, rejected where the lower end is
    above it, else undecided. single, sequential: a sampling plan that keeps the producer's and the consumer's risk.
    """

    by: Literal["interval", "single", "sequential"] = Field(
        description="the defect rate's interval, or a plan: single (a sample of fixed size), sequential"
    )
    limit: Annotated[float, Field(gt=0, lt=1)] | None = Field(None, description="interval: largest defect rate")
    producer: Risk | None = Field(None, description="plans: a lot this good is rejected with at most this risk")
    consumer: Risk | None = Field(None, description="plans: a lot this bad is accepted with at most this risk")
    deductions: tuple[Deduction, ...] = Field((), description="percent of the price, of an accepted delivery")
    on_undecided: Literal["hold", "accept"] = Field("hold", description="while answers are missing, or decide nothing")
    on_reject: Literal["hold", "reject"] = Field("hold", description="ask a person, or reject the delivery at once")

    @model_validator(mode="after")
    def _complete(self):
        if self.by == "interval" and (self.limit is None or self.producer or self.consumer):
            raise ValueError("acceptance by interval needs `limit`, and neither `producer` nor `consumer`")
        if self.by != "interval" and (self.limit is not None or not self.producer or not self.consumer):
            raise ValueError(f"acceptance by a {self.by} plan needs `producer` and `consumer`, and no `limit`")
        if self.producer and self.consumer and self.producer.rate >= self.consumer.rate:
            raise ValueError("`consumer.rate` must be above `producer.rate`")
        above = [deduction.above for deduction in self.deductions]
        if above != sorted(set(above)):
            raise ValueError("`deductions` must rise by `above`")
        return self


class Regressions(Model):
    """When a rate that got worse becomes an incident. Streams: each metric, over all vendors and of each vendor."""

    metrics: tuple[Literal["issue", "annotation_error", "reject", "gold", "defect"], ...] = Field(
        ("issue", "annotation_error", "reject", "gold", "defect"),
        description="gold: wrong labels of gold items; defect: human audits",
    )
    effect: Annotated[float, Field(gt=1, le=20)] = Field(2.0, description="least ratio to the baseline that counts")
    false_incidents: Annotated[float, Field(gt=0, le=12)] = Field(
        0.6, description="budget: false incidents of one stream in 365 releases"
    )
    learning_releases: int = Field(14, ge=2, le=10_000, description="until so many releases only limits are judged")
    learning_units: int = Field(200, ge=1, le=10**9, description="until so many units (items, rows, labels), too")
    close_after: int = Field(5, ge=1, le=10_000, description="good releases in a row that close an incident")
    reopen_within: int = Field(
        14, ge=0, le=10_000, description="releases after its end in which it opens again, as the same"
    )


Address = Annotated[str, StringConstraints(min_length=3, max_length=320, pattern=r"^[^\x00-\x1f\x7f]+$")]
Event = Literal["incident", "breach", "rejection", "failure", "digest"]


class AlertRoute(Model):
    """Where alerts of some events go. The connection is an Airflow Connection and holds the secrets."""

    on: tuple[Event, ...] = Field(
        ("incident", "breach", "rejection", "failure"),
        description="incident: a rate got worse; breach: a limit is broken, or a release is held; digest: all else of a"
        " run in one message",
    )
    severity: Severity = Field("info", description="only alerts at least as severe: info, warning, critical")
    via: Literal[tuple(CHANNELS)] = Field(description="log: the task's own log")
    to: tuple[Address, ...] = Field((), max_length=100, description="e-mail addresses")
    connection: ConnectionId | None = Field(None, description=about_connections())

    @model_validator(mode="after")
    def _complete(self):
        needs = CHANNELS[self.via].needs
        if needs == "to" and not self.to:
            raise ValueError(f"a route by {self.via} needs `to`, the addresses")
        if needs == "connection" and not self.connection:
            raise ValueError(f"a {self.via} route needs `connection`, the id of an Airflow Connection")
        return self

    @property
    def place(self) -> dict[str, Any]:
        """Where it leads, as the contract names it: all that is no filter, but for what is left out."""
        said = self.model_dump(mode="json", exclude={"on", "severity"}, exclude_defaults=True)
        return said | ({"to": sorted(self.to)} if self.to else {})


class Approval(Model):
    """How long a held release waits for a person, and what happens then."""

    timeout_hours: Annotated[float, Field(ge=0.001, le=87_600)] | None = Field(
        None, description="at most ten years; left out: it waits without end"
    )
    on_timeout: Literal["reject", "publish"] = Field("reject", description="the answer, where nobody gave one")
