"""What the page shows of a dataset, or of all that a person may read: from contracts, tables, recorded rejections."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from labelaudit.alerts import outbox
from labelaudit.alerts.outbox import Closed, Undelivered
from labelaudit.contracts.model import Contract
from labelaudit.contracts.reading import read_contracts
from labelaudit.errors import ContractError, LabelauditError
from labelaudit.human_audit import release_rates
from labelaudit.judge import past
from labelaudit.judge.past import read_counts
from labelaudit.page.viewer import Viewer
from labelaudit.rates.intervals import wilson
from labelaudit.receive import choosing, manifests
from labelaudit.receive.manifests import Waiting
from labelaudit.rejects import recorded
from labelaudit.rendering.charts import Point
from labelaudit.storage import release_log
from labelaudit.storage.store import Store
from labelaudit.values.deliveries import CheckedDelivery
from labelaudit.values.value import Value
from labelaudit.values.verdicts import Incident

SHOWN_RELEASES = 30
SHOWN_AUDITS = 5
UNREADABLE = "It can't be read now; the api-server's log says why."


class ReleaseLine(Value):
    release: str
    deliveries: tuple[str, ...]
    items: int
    issues: int
    rejected_rows: int


class AuditLine(Value):
    """How far people are with a release's sample."""

    release: str
    tasks: int
    answered: int
    cant_tell: int


class DatasetState(Value):
    """One dataset: releases newest first, what waits or is incomplete in the inbox, rejections. `problem`: why not.

    internal: for us, with what vendors' rows and alerts say; else as the customer sees it, who gets no plain names.
    """

    customer: str
    dataset: str
    description: str
    internal: bool
    releases: tuple[ReleaseLine, ...] = ()
    trend: tuple[Point, ...] = ()
    waiting: tuple[str, ...] = ()
    incomplete: tuple[Waiting, ...] = ()
    rejections: tuple[CheckedDelivery, ...] = ()
    incidents: tuple[Incident, ...] = ()
    undelivered: tuple[Undelivered, ...] = ()
    closed: tuple[Closed, ...] = ()
    audits: tuple[AuditLine, ...] = ()
    problem: str = ""


Opener = Callable[[Contract], Store]
log = logging.getLogger(__name__)


def all_datasets(
    folder: Path, store: Store, destination: Opener, person: Viewer, require: Callable[[Contract], None]
) -> tuple[list[DatasetState], list[ContractError]]:
    """Every dataset that `person` may read, and their broken contracts; of the others nothing is read."""
    contracts, broken = read_contracts(folder)
    read = [contract for contract in contracts if person.may_read(contract.customer, contract.dataset)]
    datasets = [
        dataset_state(contract, store, destination, person.may_edit(contract.customer, contract.dataset))
        for contract in read
    ]
    for contract in contracts if person.sees_upkeep() else read:
        try:
            require(contract)
        except ContractError as error:
            broken.append(error)
    return datasets, [error for error in broken if _concerns(error, person)]


def dataset_state(contract: Contract, store: Store, destination: Opener, internal: bool) -> DatasetState:
    """One dataset; if it can't be read it says so, and hides no other."""
    named = {"customer": contract.customer, "dataset": contract.dataset, "description": contract.description}
    named |= {"internal": internal}
    try:
        return DatasetState(**named, **_read(contract, store, destination(contract), internal))
    except LabelauditError as error:
        return DatasetState(**named, problem=str(error) if internal else UNREADABLE)
    except Exception:  # whatever one customer's Connection or store does: the others' rows stay
        log.exception("the page can't show %s", contract.id)
        return DatasetState(**named, problem=UNREADABLE)


def _concerns(error: ContractError, person: Viewer) -> bool:
    """Whether `person` may see a broken contract: theirs by its path, or they look after all."""
    customer, _, file = error.where.partition("/")
    return person.sees_upkeep() or person.may_read(customer, Path(file).stem)


def _read(contract: Contract, store: Store, destination: Store, internal: bool) -> dict:
    counts = read_counts(destination)
    published = release_log.published_deliveries(destination)
    lines, trend = [], []
    for entry in release_log.log(destination)[-SHOWN_RELEASES:]:
        whole = {count.metric: count for count in counts.get(entry.release, ()) if not count.vendor and not count.label}
        issue, reject = whole.get("issue"), whole.get("reject")
        if issue and issue.n:
            low, high = wilson(issue.x, issue.n)
            trend.append(Point(release=entry.release, x=issue.x, n=issue.n, low=low, high=high))
        lines.append(
            ReleaseLine(
                release=entry.release,
                deliveries=tuple(entry.deliveries),
                items=int(issue.n) if issue else 0,
                issues=int(issue.x) if issue else 0,
                rejected_rows=int(reject.x) if reject else 0,
            )
        )
    rejected = [delivery for _, delivery in recorded.rejections(contract, store)]
    known = set(published.values()) | set(release_log.superseded_deliveries(destination).values())
    waiting = [delivery for delivery in manifests.waiting(contract, store) if delivery.digest not in known]
    undelivered = outbox.undelivered(store, contract.customer, contract.dataset) if internal else ()
    latest = past.latest(contract, store, destination, SHOWN_AUDITS)
    audits = [(release, release_rates.progress(contract, store, release)) for release in latest]
    return {
        "incidents": past.read_open(contract, store),
        "undelivered": tuple(undelivered),
        "closed": tuple(outbox.closed(store, contract.customer, contract.dataset)) if internal else (),
        "audits": tuple(
            AuditLine(release=release, tasks=audit.tasks, answered=audit.answered, cant_tell=audit.cant_tell)
            for release, audit in audits
            if audit
        ),
        "releases": tuple(reversed(lines)),
        "trend": tuple(trend),
        "waiting": tuple(delivery.name for delivery in waiting if choosing.waits(delivery, rejected)),
        "incomplete": tuple(manifests.incomplete(contract, store)),
        "rejections": tuple(rejected),
    }
