"""What the page shows, read from contracts, tables and recorded rejections."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from labelaudit import audit_rates, intake, judged, layout, manifests, outbox, tables
from labelaudit.contract import Contract
from labelaudit.contracts import read_contracts
from labelaudit.errors import ContractError, LabelauditError
from labelaudit.judged import read_counts
from labelaudit.manifests import Waiting
from labelaudit.outbox import Undelivered
from labelaudit.rates import wilson
from labelaudit.report.content import Point
from labelaudit.store import Store
from labelaudit.values import CheckedDelivery, Value
from labelaudit.verdicts import Incident

SHOWN_RELEASES = 30
SHOWN_AUDITS = 5


class ReleaseLine(Value):
    release: str
    deliveries: tuple[str, ...]
    items: int
    issues: int
    rejected_rows: int
    has_report: bool


class AuditLine(Value):
    """How far people are with a release's sample."""

    release: str
    tasks: int
    answered: int
    cant_tell: int


class DatasetState(Value):
    """One dataset: releases newest first, what waits or is incomplete in the inbox, rejections. `problem`: why not."""

    customer: str
    dataset: str
    description: str
    releases: tuple[ReleaseLine, ...] = ()
    trend: tuple[Point, ...] = ()
    waiting: tuple[str, ...] = ()
    incomplete: tuple[Waiting, ...] = ()
    rejections: tuple[CheckedDelivery, ...] = ()
    incidents: tuple[Incident, ...] = ()
    undelivered: tuple[Undelivered, ...] = ()
    audits: tuple[AuditLine, ...] = ()
    problem: str = ""


Opener = Callable[[Contract], Store]


def all_datasets(folder: Path, store: Store, destination: Opener) -> tuple[list[DatasetState], list[ContractError]]:
    """Every dataset; one whose store does not answer says so, and hides no other."""
    contracts, broken = read_contracts(folder)
    return [dataset_state(contract, store, destination) for contract in contracts], broken


def dataset_state(contract: Contract, store: Store, destination: Opener) -> DatasetState:
    named = {"customer": contract.customer, "dataset": contract.dataset, "description": contract.description}
    try:
        return DatasetState(**named, **_read(contract, store, destination(contract)))
    except LabelauditError as error:
        return DatasetState(**named, problem=str(error))


def _read(contract: Contract, store: Store, destination: Store) -> dict:
    counts = read_counts(destination)
    published = tables.published_deliveries(destination)
    lines, trend = [], []
    for one in tables.log(destination)[-SHOWN_RELEASES:]:
        whole = {count.metric: count for count in counts.get(one.release, ()) if not count.vendor and not count.label}
        issue, reject = whole.get("issue"), whole.get("reject")
        if issue and issue.n:
            low, high = wilson(issue.x, issue.n)
            trend.append(Point(release=one.release, x=issue.x, n=issue.n, low=low, high=high))
        lines.append(
            ReleaseLine(
                release=one.release,
                deliveries=tuple(one.deliveries),
                items=int(issue.n) if issue else 0,
                issues=int(issue.x) if issue else 0,
                rejected_rows=int(reject.x) if reject else 0,
                has_report=store.exists(layout.internal_report(contract.customer, contract.dataset, one.release)),
            )
        )
    rejected = [one for _, one in intake.rejections(contract, store)]
    known = {one.delivery.digest for one in rejected} | set(published.values())
    known |= set(tables.superseded_deliveries(destination).values())
    history = judged.read_judged(contract, store, destination)
    latest = [one.release for one in history[-SHOWN_AUDITS:]]
    audits = [(release, audit_rates.progress(contract, store, release)) for release in reversed(latest)]
    return {
        "incidents": judged.read_open(contract, store),
        "undelivered": tuple(outbox.undelivered(store, contract.customer, contract.dataset)),
        "audits": tuple(
            AuditLine(release=release, tasks=one.tasks, answered=one.answered, cant_tell=one.cant_tell)
            for release, one in audits
            if one
        ),
        "releases": tuple(reversed(lines)),
        "trend": tuple(trend),
        "waiting": tuple(one.name for one in manifests.waiting(contract, store) if one.digest not in known),
        "incomplete": tuple(manifests.incomplete(contract, store)),
        "rejections": tuple(rejected),
    }
