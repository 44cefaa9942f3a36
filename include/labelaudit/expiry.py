"""Removes what the contract's retention no longer keeps: old runs' own files, and old versions of the tables."""

from __future__ import annotations

from labelaudit import layout, outbox, tables
from labelaudit.contract import Contract
from labelaudit.store import Store
from labelaudit.values import Value

DAY_SECONDS = 86_400


class Expired(Value):
    """What was removed: runs' files, and table data files that only expired versions needed."""

    run_files: int
    table_files: int


def expire(contract: Contract, store: Store, destination: Store, now: float) -> Expired:
    """`now` in seconds since 1970. A run's files go together, once the newest of them is old enough."""
    before = now - contract.retention.runs_days * DAY_SECONDS
    removed = 0
    for run in store.folders(layout.runs(contract.customer, contract.dataset)):
        keys = store.list(layout.run(contract.customer, contract.dataset, run))
        if keys and max(map(store.modified, keys)) < before:
            for key in keys:
                store.delete(key)
            removed += len(keys)
    kept = now - contract.retention.table_versions_days * DAY_SECONDS
    outbox.expire_sent(store, contract.customer, contract.dataset, kept)
    return Expired(
        run_files=removed,
        table_files=tables.expire_versions(destination, contract.retention.table_versions_days),
    )
