"""What lies in the inbox, as names, sizes and times only: folders and files, before any manifest is read.

The inbox is the vendors': nothing here writes to it, and nothing in it is followed. What is litter, what is an upload
under way, and what is no file at all, is decided here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from labelaudit.contracts.model import Contract
from labelaudit.readers.litter import is_litter
from labelaudit.storage import layout
from labelaudit.storage.store import Entry, Store
from labelaudit.values.value import Value

UNDER_WAY = (".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", ".download", ".uploading", ".swp", "~")
"""How the names of files end that a program still writes."""


class Waiting(Value):
    """What lies in the inbox and can't be taken yet; `since`: its last change, in UTC, where known."""

    name: str
    reason: str
    since: datetime | None = None


@dataclass(frozen=True)
class Folder:
    """One folder of a vendor's inbox. `entries`: what lies in it, by its path there; litter is left out."""

    vendor: str
    customer: str
    dataset: str
    id: str
    entries: Mapping[str, Entry]

    @property
    def prefix(self) -> str:
        return layout.delivery(self.vendor, self.customer, self.dataset, self.id)

    @property
    def name(self) -> str:
        """`<vendor>/<id>`, as people call a delivery."""
        return f"{self.vendor}/{self.id}"

    @property
    def has_manifest(self) -> bool:
        return layout.MANIFEST in self.entries

    @property
    def files(self) -> tuple[str, ...]:
        """The data files, sorted; also what should be one and is a link, a pipe or a device."""
        return tuple(sorted(path for path in self.entries if path != layout.MANIFEST and not is_under_way(path)))

    @property
    def under_way(self) -> tuple[str, ...]:
        """The files that are still being written, sorted."""
        return tuple(sorted(path for path in self.entries if path != layout.MANIFEST and is_under_way(path)))

    @property
    def denied(self) -> str | None:
        """The first path that we may not read."""
        return next((path for path in sorted(self.entries) if self.entries[path].denied), None)

    def look(self, paths: Iterable[str]) -> str:
        """64 hex digits, other ones as soon as one of these files is changed, exchanged or taken away."""
        seen = [[path, self.entries.get(path, Entry())] for path in sorted(paths)]
        told = json.dumps([[path, entry.bytes, entry.version, entry.problem] for path, entry in seen])
        return hashlib.sha256(told.encode()).hexdigest()


def folders(contract: Contract, store: Store) -> tuple[list[Folder], list[Waiting]]:
    """All folders of the contract's vendors, sorted by vendor and id; and what lies beside or in front of them.

    An id that can't stand in a key is among them: whoever reads such a folder asks `layout.is_safe_part` first.
    """
    folders: list[Folder] = []
    astray: list[Waiting] = []
    for vendor in sorted(contract.vendors):
        prefix = layout.inbox(vendor, contract.customer, contract.dataset)
        held: dict[str, dict[str, Entry]] = {name: {} for name in store.folders(prefix)}
        for key, entry in store.entries(prefix).items():
            if not key.startswith(prefix):
                astray.append(Waiting(name=repr(key[:300]), reason=_astray(entry)))
                continue
            name, slash, path = key.removeprefix(prefix).partition("/")
            if not slash and not is_litter(name):
                shown = name if layout.is_safe_part(name) else repr(name[:100])
                astray.append(Waiting(name=f"{vendor}/{shown}", reason=_astray(entry)))
                held.pop(name, None)
            elif path and not path.endswith("/") and not is_litter(path):  # S3 consoles write folders as empty objects
                held.setdefault(name, {})[path] = entry
        folders += [Folder(vendor, contract.customer, contract.dataset, name, held[name]) for name in sorted(held)]
    return folders, list(dict.fromkeys(astray))


def looked_at_again(folder: Folder, store: Store) -> Folder:
    """The folder as it is now."""
    entries = {key.removeprefix(folder.prefix): entry for key, entry in store.entries(folder.prefix).items()}
    kept = {path: entry for path, entry in entries.items() if not path.endswith("/") and not is_litter(path)}
    return Folder(folder.vendor, folder.customer, folder.dataset, folder.id, kept)


def unknown_vendors(contract: Contract, store: Store) -> list[str]:
    """Names (vendor/id) of folders that lie in the dataset's inbox of somebody whom the contract does not name."""
    return [
        f"{vendor}/{name[:100]!r}"
        for vendor in store.folders("inbox/")
        if vendor not in contract.vendors and layout.is_safe_part(vendor)
        for name in store.folders(layout.inbox(vendor, contract.customer, contract.dataset))
    ]


def is_under_way(path: str) -> bool:
    """Whether a file's name says that it is still written: hidden, temporary, or the lock of an open workbook."""
    return path.lower().endswith(UNDER_WAY) or any(part.startswith((".", "~$")) for part in path.split("/"))


def digest_of(vendor: str, sha256s: Sequence[str]) -> str:
    """The identity of a delivery: neither its id nor its files' names, but what they hold."""
    return hashlib.sha256("\n".join([vendor, *sorted(sha256s)]).encode()).hexdigest()


def _astray(entry: Entry) -> str:
    if entry.denied:
        return f"it is {entry.problem}: give us leave to read it"
    if entry.problem:
        return f"it is {entry.problem}: nothing in an inbox is followed. Put the folder itself there"
    return "it lies beside the folders: a delivery is a folder"
