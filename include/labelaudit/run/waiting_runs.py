"""Which held runs still wait for a person: their files must not expire meanwhile, however long that takes."""

from __future__ import annotations

from datetime import datetime

from labelaudit.contracts.model import Contract
from labelaudit.storage import layout, release_log
from labelaudit.storage.store import Store
from labelaudit.values.releases import Audit
from labelaudit.values.value import Value


class WaitingRun(Value):
    """A run whose release is held; `since` in UTC."""

    run: str
    release: str
    digest: str
    sequence: int
    since: datetime


def keep(contract: Contract, audit: Audit, store: Store, since: datetime) -> None:
    """Note that a run waits."""
    waiting = WaitingRun(
        run=audit.run, release=audit.release, digest=audit.digest, sequence=audit.found.sequence, since=since
    )
    store.write(layout.waiting_run(contract.customer, contract.dataset, audit.run), waiting.model_dump_json().encode())


def let_go(contract: Contract, run: str, store: Store) -> None:
    """It was decided, or nobody will: its files expire like any other's."""
    store.delete(layout.waiting_run(contract.customer, contract.dataset, run))


def waiting(contract: Contract, store: Store, destination: Store) -> tuple[WaitingRun, ...]:
    """Those that can still be published: none whose number has been given to another release since."""
    prefix = layout.waiting_runs(contract.customer, contract.dataset)
    runs = [WaitingRun.model_validate_json(store.read(key)) for key in store.list(prefix)]
    last = release_log.state(destination).sequence
    return tuple(waiting for waiting in runs if waiting.sequence > last)


def tidy(contract: Contract, store: Store, destination: Store) -> None:
    """Remove the notes of runs that can't be published any more."""
    last = release_log.state(destination).sequence
    for key in store.list(layout.waiting_runs(contract.customer, contract.dataset)):
        if WaitingRun.model_validate_json(store.read(key)).sequence <= last:
            store.delete(key)
