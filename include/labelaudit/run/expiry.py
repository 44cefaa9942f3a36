"""Removes what the contract's retention no longer keeps: of runs, tables, the history, audits, rejects and seals."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime

from labelaudit.alerts import outbox
from labelaudit.contracts.model import Contract
from labelaudit.run import waiting_runs
from labelaudit.storage import commits, layout, release_log, tables
from labelaudit.storage.store import Store
from labelaudit.values.value import Value

DAY_SECONDS = 86_400


class Expired(Value):
    """How many files were removed; `table_files`: data files that only expired versions needed, and old entries of our
    tables' logs; `alert_files`: notes removed, and alerts closed; `left_files`: what somebody killed left behind."""

    run_files: int
    table_files: int
    history_files: int = 0
    audit_files: int = 0
    rejection_files: int = 0
    alert_files: int = 0
    left_files: int = 0


def expire(contract: Contract, store: Store, destination: Store, now: float) -> Expired:
    """`now` in seconds since 1970. What belongs together goes together, once the newest of it is old enough."""
    names, kept = (contract.customer, contract.dataset), contract.retention
    runs, versions, history, audits, rejects = (
        now - days * DAY_SECONDS
        for days in (
            kept.runs_days,
            kept.table_versions_days,
            kept.history_days,
            kept.audits_days,
            kept.rejects_days,
        )
    )
    held = waiting_runs.waiting(contract, store, destination)
    needed = {release_log.state(destination).release, *(waiting.release for waiting in held)}
    inbox = _in_inbox(contract, store)
    own_tables = (layout.rejects(*names), layout.judged(*names))
    waiting_runs.tidy(contract, store, destination)
    day = datetime.fromtimestamp(rejects, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    for table in own_tables:
        commits.drop_rows(store, table, f"run_time < '{day}'")
    return Expired(
        run_files=_expire(store, layout.runs(*names), _folder, runs, {waiting.run for waiting in held}),
        table_files=tables.expire_versions(destination, tables.PUBLISHED, kept.table_versions_days)
        + tables.expire_versions(store, own_tables, kept.table_versions_days)
        + sum(tables.expire_log(store, table, versions) for table in own_tables),
        history_files=_expire(store, layout.history(*names), _stem, history, needed)
        + _expire(store, layout.internal_reports(*names), _stem, history, needed),
        audit_files=_expire(store, layout.human_audits(*names), _folder, audits, needed),
        rejection_files=_expire(store, layout.rejections(*names), _rejected, rejects, inbox)
        + _expire(store, layout.seals(*names), _sealed, rejects, inbox),
        alert_files=outbox.expire(store, *names, versions, now),
        left_files=_expire(store, layout.ready(*names), _folder, runs, needed)
        + _expire(store, layout.forgotten(*names, ""), _folder, runs, ()),
    )


def _expire(
    store: Store, prefix: str, group: Callable[[str], str], before: float, spared: Collection[str | None]
) -> int:
    """Remove the groups of keys whose newest is older than `before`, but for those spared; gives the number of keys."""
    groups: dict[str, list[str]] = {}
    for key in store.list(prefix):
        groups.setdefault(group(key.removeprefix(prefix)), []).append(key)
    removed = 0
    for name, keys in groups.items():
        if name not in spared and max(map(store.modified, keys)) < before:
            for key in keys:
                store.delete(key)
            removed += len(keys)
    return removed


def _folder(key: str) -> str:
    return key.split("/")[0]


def _stem(key: str) -> str:
    return key.rsplit(".", 1)[0]


def _rejected(key: str) -> str:
    """vendor/id of `<vendor>/<id>-<digest>/<file>`."""
    return key.rsplit("/", 1)[0].rsplit("-", 1)[0]


def _sealed(key: str) -> str:
    """vendor/id of `<vendor>/<id>/<number>.json`."""
    return key.rsplit("/", 1)[0]


def _in_inbox(contract: Contract, store: Store) -> set[str]:
    """vendor/id of what still lies in the inbox: without its record, it would be looked at, or taken, once more."""
    return {
        f"{vendor}/{delivery}"
        for vendor in store.folders("inbox/")
        for delivery in store.folders(layout.inbox(vendor, contract.customer, contract.dataset))
    }
