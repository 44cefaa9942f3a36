"""What follows a release's commit: its rows of `annotations` and `quality`, and the removal of what lost.

The rows lie ready in our store before the commit. So the customer's tables never hold a row of a release that does not
exist; and where a run is killed just after its commit, the next one (`find`, or `publish` again) goes on from here.
"""

from __future__ import annotations

import pyarrow as pa

from labelaudit.contracts.model import Contract
from labelaudit.publish import release_files
from labelaudit.storage import commits, layout, release_log
from labelaudit.storage.parquet import read_table, write_table
from labelaudit.storage.schemas import SCHEMAS, fitting
from labelaudit.storage.store import Store
from labelaudit.tasks import task_of


def make_ready(contract: Contract, store: Store, release: str, rows: dict[str, pa.Table]) -> None:
    """Keep a release's rows, by table, for `finish`."""
    for name, table in rows.items():
        write_table(store, _key(contract, release, name), table)


def finish(contract: Contract, store: Store, destination: Store) -> None:
    """Bring in the rows of releases that exist, oldest first, and remove what other attempts left behind.

    Safe to repeat, and for several at once.
    """
    releases = release_log.log(destination)
    if not releases:
        return
    ready = layout.ready(contract.customer, contract.dataset)
    waiting = {key.removeprefix(ready).split("/")[0] for key in store.list(ready)}
    for name in (layout.ANNOTATIONS, layout.QUALITY, *task_of(contract.task).TABLES):
        done = commits.applied(destination, name) if waiting else 0
        for entry in releases:
            if entry.sequence > done and entry.release in waiting:
                try:
                    rows = read_table(store, _key(contract, entry.release, name))
                except KeyError:  # finished by another run, which has removed them
                    continue
                commits.apply_release(destination, name, rows.cast(fitting(SCHEMAS[name], rows.schema)), entry)
    for release in waiting:
        number = release_files.NUMBER.match(release)
        if number and int(number[1]) <= releases[-1].sequence:
            for key in store.list(f"{ready}{release}/"):
                store.delete(key)
    release_files.tidy(destination, releases)


def _key(contract: Contract, release: str, name: str) -> str:
    return f"{layout.ready(contract.customer, contract.dataset)}{release}/{name}.parquet"
