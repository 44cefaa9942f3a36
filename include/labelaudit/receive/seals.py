"""Deliveries without a manifest, of vendors whose contract gives `settled_minutes`: taken once they have settled.

A delivery has settled when two looks at it, so many minutes apart by our clock, saw the same names, sizes and times,
and no upload is under way. When its files say that they were changed counts for nothing: `cp -p`, `rsync -a` and unzip
keep the times of the original. Looks are kept in `<store>/looks`; every run takes one, and every quarter of an hour the
DAG `labelaudit__inbox` does, so that what came yesterday does not wait for a second run.

What has settled is sealed: names, sizes, times and sha256 are kept in `<store>/sealed`, so that it is hashed once; what
is added or changed afterwards is other bytes under the same id, once it has settled again. Every change that settles is
a seal of its own; the newest one counts. Whoever reads the files compares the sha256 again.
"""

from __future__ import annotations

import hashlib
import json
from typing import Literal

from pydantic import Field

from labelaudit.contracts.model import Contract
from labelaudit.errors import AccessDenied, DeliveryRejected, NotAFile
from labelaudit.receive import inbox
from labelaudit.receive.delivered_files import link_refused
from labelaudit.receive.inbox import Folder
from labelaudit.storage import layout
from labelaudit.storage.store import Entry, Store
from labelaudit.values.deliveries import DeliveredFile, Delivery, Refusal
from labelaudit.values.value import Value


class SealedFile(Value):
    """One file as it was found; `modified` in seconds since 1970; no sha256 where the delivery is refused."""

    path: str
    bytes: int
    modified: float
    version: str = ""
    sha256: str = ""


class Seal(Value):
    """What a delivery was when it had settled; `sealed` is when that was seen, in seconds since 1970."""

    format: Literal[1] = 1
    delivery: str
    sealed: float
    look: str = ""
    files: tuple[SealedFile, ...]
    refusal: Refusal | None = None


class Look(Value):
    """What a delivery looked like (`Folder.look`), and when it was first seen so, in seconds since 1970."""

    look: str
    since: float


class Looks(Value):
    format: Literal[1] = 1
    deliveries: dict[str, Look] = Field(default_factory=dict)


def seal_settled(contract: Contract, store: Store, now: float) -> None:
    """Look at what is not sealed as it is, and seal what has settled by `now` (seconds since 1970)."""
    minutes = {name: vendor.settled_minutes for name, vendor in contract.vendors.items() if vendor.settled_minutes}
    if not minutes:
        return
    seals, before, looks = _newest(contract, store), _looks(contract, store), {}
    for folder in inbox.folders(contract, store)[0]:
        open_to = folder.vendor in minutes and layout.is_safe_part(folder.id) and folder.denied is None
        if not open_to or not folder.files or folder.under_way or folder.has_manifest:
            continue
        newest = seals.get(folder.name)
        sealed = Seal.model_validate_json(store.read(newest)) if newest else None
        look = folder.look(folder.files)
        if sealed and sealed.look == look:
            continue
        first = before.deliveries.get(folder.name)
        looks[folder.name] = (
            first if first and first.look == look and first.since <= now else Look(look=look, since=now)
        )
        refusal = _refusal(folder)
        if refusal or now - looks[folder.name].since >= 60 * minutes[folder.vendor]:
            _seal(folder, store, now, refusal, sealed, newest)
    if looks != before.deliveries:
        text = Looks(deliveries=looks).model_dump_json(indent=1)
        store.write(layout.looks(contract.customer, contract.dataset), text.encode())


def sealed_deliveries(contract: Contract, store: Store, folders: list[Folder]) -> list[Delivery]:
    """The folders among `folders` that are sealed as they lie there now; refused (unsafe_path) where a name is none."""
    seals = _newest(contract, store) if folders else {}
    sealed = []
    for folder in folders:
        if folder.name in seals:
            seal = Seal.model_validate_json(store.read(seals[folder.name]))
            if seal.look == folder.look(folder.files):  # else somebody is at work on it
                sealed.append(_delivery(folder, seal))
    return sealed


def looked_at(contract: Contract, store: Store) -> dict[str, float]:
    """vendor/id: since when a delivery that is not sealed has looked as it did at the last look."""
    return {name: look.since for name, look in _looks(contract, store).deliveries.items()}


def _looks(contract: Contract, store: Store) -> Looks:
    try:
        return Looks.model_validate_json(store.read(layout.looks(contract.customer, contract.dataset)))
    except KeyError:
        return Looks()


def _newest(contract: Contract, store: Store) -> dict[str, str]:
    """vendor/id: key of the newest seal."""
    prefix = layout.seals(contract.customer, contract.dataset)
    return {key.removeprefix(prefix).rsplit("/", 1)[0]: key for key in store.list(prefix)}  # sorted: the last stays


def _refusal(folder: Folder) -> Refusal | None:
    """What no time will mend."""
    try:
        for path in folder.files:
            if problem := folder.entries[path].problem:
                raise link_refused(path, problem)
            layout.safe_path(path, "the delivery holds")
    except DeliveryRejected as error:
        return Refusal(code=error.code, message=str(error))
    return None


def _seal(
    folder: Folder, store: Store, now: float, refusal: Refusal | None, before: Seal | None, newest: str | None
) -> None:
    if refusal:
        files = [SealedFile(path=ascii(path), bytes=0, modified=0) for path in folder.files]
    else:
        known = {(file.path, file.bytes, file.version): file.sha256 for file in before.files} if before else {}
        try:
            files = [_hashed(path, folder, store, known) for path in folder.files]
        except (KeyError, NotAFile, AccessDenied):  # taken away, or exchanged, just now: somebody is at work on it
            return
        now_there = inbox.looked_at_again(folder, store)
        if now_there.under_way or now_there.look(now_there.files) != folder.look(folder.files):
            return
    number = int(newest.rsplit("/", 1)[1].removesuffix(".json")) + 1 if newest else 1
    key = layout.seal(folder.customer, folder.dataset, folder.vendor, folder.id, number)
    seal = Seal(delivery=folder.name, sealed=now, look=folder.look(folder.files), files=tuple(files), refusal=refusal)
    store.put_if_absent(key, seal.model_dump_json(indent=1).encode())  # else another run has sealed it


def _hashed(path: str, folder: Folder, store: Store, known: dict[tuple[str, int, str], str]) -> SealedFile:
    entry: Entry = folder.entries[path]
    sha256 = known.get((path, entry.bytes, entry.version)) or store.sha256(folder.prefix + path)
    return SealedFile(path=path, bytes=entry.bytes, modified=entry.modified, version=entry.version, sha256=sha256)


def _delivery(folder: Folder, seal: Seal) -> Delivery:
    files = () if seal.refusal else seal.files
    sha256s = [file.sha256 for file in files]
    if seal.refusal:
        sha256s = [hashlib.sha256(json.dumps([file.path for file in seal.files]).encode()).hexdigest()]
    return Delivery(
        customer=folder.customer,
        dataset=folder.dataset,
        vendor=folder.vendor,
        id=folder.id,
        files=tuple(DeliveredFile(path=file.path, bytes=file.bytes, sha256=file.sha256) for file in files),
        digest=inbox.digest_of(folder.vendor, sha256s),
        look=folder.look([file.path for file in files] or folder.files),
        refusal=seal.refusal,
    )
