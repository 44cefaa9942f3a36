"""Which objects a Delta table's version consists of: its log up to there, and the data files that the log names."""

from __future__ import annotations

import json
from urllib.parse import unquote

from labelaudit.storage import commits, delta
from labelaudit.storage.store import Store

LOG = "_delta_log/"


def version_at(destination: Store, name: str, sequence: int) -> tuple[int, int] | None:
    """The last version that holds no release after number `sequence`, and the number of the last release it holds (0:
    an older Labelaudit's). None where there is no such table, or none so old."""
    table = delta.open_table(destination, name)
    if table is None:
        return None
    with delta.answered(destination):
        while (held := table.transaction_version(commits.SEQUENCE) or 0) > sequence:
            if table.version() == 0:
                return None
            table.load_as_version(table.version() - 1)
        return table.version(), held


def data_keys(destination: Store, name: str, version: int) -> tuple[set[str], set[str]]:
    """Keys of the data files of a version, and of those that only versions before it need, some of which may have
    expired."""
    table = delta.open_table(destination, name, version)
    with delta.answered(destination):
        uris = table.file_uris()
    needed = {f"{name}/{unquote(uri.rsplit('/', 1)[1])}" for uri in uris}
    older = set()
    for key in log_keys(destination, name, version):
        if key.endswith(".json"):
            actions = map(json.loads, destination.read(key).splitlines())
            older |= {f"{name}/{unquote(action['add']['path'])}" for action in actions if "add" in action}
    return needed, older - needed


def log_keys(destination: Store, name: str, version: int) -> list[str]:
    """Keys of the log's entries up to a version, oldest first; without the hint at the last checkpoint."""
    keys = destination.list(f"{name}/{LOG}")
    there = [(said, not key.endswith(".json"), key) for key in keys if (said := _version(key)) is not None]
    return [key for said, _, key in sorted(there) if said <= version]  # a checkpoint after the commit that it sums up


def _version(key: str) -> int | None:
    said = key.rsplit("/", 1)[1].split(".", 1)[0]
    return int(said) if said.isdigit() else None
