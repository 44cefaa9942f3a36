"""Puts a delivery into the inbox: its files, and the manifest last."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from labelaudit.errors import DeliveryRejected, InvalidInput, NotAFile
from labelaudit.readers.litter import is_litter
from labelaudit.receive.manifest_file import one_form
from labelaudit.storage import layout
from labelaudit.storage.files import sha256_of
from labelaudit.storage.store import Store


def deliver(
    store: Store,
    customer: str,
    dataset: str,
    vendor: str,
    delivery_id: str,
    files: Sequence[Path],
    *,
    records: Mapping[str, int] | None = None,
    supersedes: Sequence[str] = (),
    guideline: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> str:
    """Put files into the inbox and their manifest last; gives the key of the delivery's folder.

    `records` are rows by file name. Raises InvalidInput where a name can't be a part of a key, two files share a name,
    a delivery of that id is complete already (its folder is never written to again), or holds other files.
    """
    for what, name in [("delivery id", delivery_id), ("vendor", vendor)]:
        if not layout.is_safe_part(name):
            raise InvalidInput(f"{what} {name!r}: use letters, digits and . _ = + @ -, not starting with a sign")
    if odd := next((path for path in files if not path.is_file()), None):
        raise InvalidInput(f"{odd} is no file: a pipe can be read but once, and a delivery is hashed first. Save it")
    names = [path.name for path in files]
    for name in names:
        try:
            layout.safe_path(name, "you deliver")
        except DeliveryRejected as error:
            raise InvalidInput(str(error)) from error
    if len(set(map(one_form, names))) != len(names) or not names or layout.MANIFEST in names:
        raise InvalidInput(f"the files of a delivery need different names, none of them {layout.MANIFEST}: {names}")
    manifest = _manifest(customer, dataset, vendor, delivery_id, files, records or {}, supersedes, guideline)
    folder = layout.delivery(vendor, customer, dataset, delivery_id)
    key = folder + layout.MANIFEST
    if store.exists(key):
        if store.read(key) == manifest:  # an earlier call wrote it, and did not hear so
            return folder
        raise InvalidInput(
            f"{store.uri_of(folder)} is delivered already; take another id, with --supersedes if it replaces it"
        )
    lying = store.entries(folder)
    for barred, entry in lying.items():
        if entry.problem:
            raise NotAFile(barred, entry.problem)
    others = {lies.removeprefix(folder) for lies in lying} - {*names, layout.MANIFEST}
    strange = [path for path in sorted(others) if not is_litter(path)]
    if strange:
        raise InvalidInput(f"{store.uri_of(folder)} holds {strange[0]!r} of an earlier attempt; take another id")
    for done, path in enumerate(files):
        if progress:
            progress(done, len(files))
        store.upload(path, folder + path.name)
    if not store.put_if_absent(key, manifest) and store.read(key) != manifest:
        raise InvalidInput(f"{store.uri_of(folder)} was delivered by someone else meanwhile; take another id")
    return folder


def _manifest(
    customer: str,
    dataset: str,
    vendor: str,
    delivery_id: str,
    files: Sequence[Path],
    records: Mapping[str, int],
    supersedes: Sequence[str],
    guideline: str | None,
) -> bytes:
    """The same bytes for the same files and words."""
    entries: list[dict[str, Any]] = []
    for path in files:
        entry = {"path": path.name, "bytes": path.stat().st_size, "sha256": sha256_of(path)}
        entries.append(entry | ({"records": records[path.name]} if path.name in records else {}))
    said: dict[str, Any] = {"format": 1, "delivery": delivery_id, "vendor": vendor, "customer": customer}
    said |= {"dataset": dataset, "files": entries}
    if supersedes:
        said["supersedes"] = list(supersedes)
    if guideline:
        said["guideline"] = guideline
    return json.dumps(said, indent=2).encode() + b"\n"
