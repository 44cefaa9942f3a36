"""The releases of a dataset, as the log of its `labels` table has them. What the log does not say does not exist."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from deltalake import DeltaTable

from labelaudit.storage import delta, layout
from labelaudit.storage.store import Store


@dataclass(frozen=True)
class Logged:
    """One release, as the log of `labels` has it: deliveries as vendor/id: digest, the sha256 of its manifest.json,
    and the folder of its files below `releases/`."""

    release: str
    digest: str
    sequence: int
    version: int
    deliveries: dict[str, str] = field(default_factory=dict)
    superseded: tuple[str, ...] = ()
    manifest: str = ""
    folder: str = ""

    @property
    def files(self) -> str:
        """The prefix of its files; a release of an older version has the folder of its name."""
        return layout.release(self.folder or self.release)


@dataclass(frozen=True)
class State:
    """The `labels` table now: its version, and the last release's name and number (0: none yet)."""

    version: int
    release: str | None
    sequence: int


def log(destination: Store) -> list[Logged]:
    """All releases, oldest first."""
    table = delta.open_table(destination, layout.LABELS)
    return [] if table is None else log_of(destination, table)


def log_of(destination: Store, table: DeltaTable) -> list[Logged]:
    """All releases up to a version of `labels`, oldest first."""
    with delta.answered(destination):
        commits = table.history()
    entries = []
    for commit in commits:
        if "labelaudit" in commit:
            said = json.loads(commit["labelaudit"])
            said["superseded"] = tuple(said["superseded"])
            entries.append(Logged(version=commit["version"], **said))
    return sorted(entries, key=lambda entry: entry.sequence)


def state(destination: Store) -> State:
    releases = log(destination)
    if not releases:
        return State(-1, None, 0)
    return State(releases[-1].version, releases[-1].release, releases[-1].sequence)


def published_deliveries(destination: Store) -> dict[str, str]:
    """vendor/id: digest of the deliveries that the dataset now consists of."""
    current: dict[str, str] = {}
    for entry in log(destination):
        for name in entry.superseded:
            current.pop(name, None)
        current |= entry.deliveries
    return current


def superseded_deliveries(destination: Store) -> dict[str, str]:
    """vendor/id: digest of the deliveries that were published once and have been replaced since."""
    current, gone = published_deliveries(destination), {}
    for entry in log(destination):
        gone |= {name: digest for name, digest in entry.deliveries.items() if name not in current}
    return gone
