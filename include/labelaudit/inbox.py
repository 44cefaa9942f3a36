"""What lies in the inbox, as names only: folders and files, before any manifest is read.

The inbox is the vendors': nothing here writes to it. What is litter, and what is an upload under way, is decided here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from labelaudit import layout
from labelaudit.contract import Contract
from labelaudit.store import Store

LITTER = {".ds_store", "thumbs.db", "desktop.ini", ".keep", ".gitkeep"}
"""What file managers leave behind: never a part of a delivery, and never missed."""

UNDER_WAY = (".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", ".download", ".uploading", ".swp", "~")
"""How the names of files end that a program still writes."""


@dataclass(frozen=True)
class Folder:
    """One folder of a vendor's inbox. `files` are data files, relative to it; `under_way` those still being written."""

    vendor: str
    customer: str
    dataset: str
    id: str
    files: tuple[str, ...]
    under_way: tuple[str, ...]
    has_manifest: bool

    @property
    def prefix(self) -> str:
        return layout.delivery(self.vendor, self.customer, self.dataset, self.id)

    @property
    def name(self) -> str:
        """`<vendor>/<id>`, as people call a delivery."""
        return f"{self.vendor}/{self.id}"


def folders(contract: Contract, store: Store) -> tuple[list[Folder], list[str]]:
    """All folders of the contract's vendors, sorted by vendor and id; and the names of files that lie beside them.

    An id that can't stand in a key is among them: whoever reads such a folder asks `layout.is_safe_part` first.
    """
    found, astray = [], []
    for vendor in sorted(contract.vendors):
        prefix = layout.inbox(vendor, contract.customer, contract.dataset)
        held: dict[str, list[str]] = {name: [] for name in store.folders(prefix)}
        for key in store.list(prefix):
            name, slash, path = key.removeprefix(prefix).partition("/")
            if not slash and not is_litter(name):
                astray.append(f"{vendor}/{name[:100]!r}")
            elif path and not path.endswith("/"):  # S3 consoles write folders as empty objects
                held.setdefault(name, []).append(path)
        found += [_folder(vendor, contract, name, held[name]) for name in sorted(held)]
    return found, astray


def unknown_vendors(contract: Contract, store: Store) -> list[str]:
    """Names (vendor/id) of folders that lie in the dataset's inbox of somebody whom the contract does not name."""
    return [
        f"{vendor}/{name[:100]!r}"
        for vendor in store.folders("inbox/")
        if vendor not in contract.vendors and layout.is_safe_part(vendor)
        for name in store.folders(layout.inbox(vendor, contract.customer, contract.dataset))
    ]


def is_litter(path: str) -> bool:
    name = path.rsplit("/", 1)[-1]
    return name.lower() in LITTER or name.startswith("._") or "__MACOSX" in path.split("/")


def is_under_way(path: str) -> bool:
    """Whether a file's name says that it is still written: hidden, temporary, or the lock of an open workbook."""
    return path.lower().endswith(UNDER_WAY) or any(part.startswith((".", "~$")) for part in path.split("/"))


def digest_of(vendor: str, sha256s: Sequence[str]) -> str:
    """The identity of a delivery: neither its id nor its files' names, but what they hold."""
    return hashlib.sha256("\n".join([vendor, *sorted(sha256s)]).encode()).hexdigest()


def _folder(vendor: str, contract: Contract, name: str, paths: Sequence[str]) -> Folder:
    data = sorted(path for path in paths if path != layout.MANIFEST and not is_litter(path))
    return Folder(
        vendor,
        contract.customer,
        contract.dataset,
        name,
        files=tuple(path for path in data if not is_under_way(path)),
        under_way=tuple(path for path in data if is_under_way(path)),
        has_manifest=layout.MANIFEST in paths,
    )
