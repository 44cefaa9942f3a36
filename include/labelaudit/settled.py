"""Deliveries without a manifest, of vendors whose contract gives `settled_minutes`: taken once they have settled.

A delivery has settled when none of its objects changed for so long, and no upload is under way. It is sealed then:
names, sizes, times and sha256 are kept in `<store>/sealed`, so that it is hashed once, and what is added or changed
afterwards is other bytes under the same id. Every change that settles is a seal of its own; the newest one counts.
"""

from __future__ import annotations

import hashlib
import json
from typing import Literal

from labelaudit import inbox, layout
from labelaudit.contract import Contract
from labelaudit.errors import DeliveryRejected, InvalidInput
from labelaudit.inbox import Folder
from labelaudit.store import Store, sha256_of
from labelaudit.values import DeliveredFile, Delivery, Refusal, Value


class SealedFile(Value):
    """One file as it was found; `modified` in seconds since 1970; no sha256 where the delivery is refused."""

    path: str
    bytes: int
    modified: float
    sha256: str = ""


class Seal(Value):
    """What a delivery was when it had settled; `sealed` is when that was seen, in seconds since 1970."""

    format: Literal[1] = 1
    delivery: str
    sealed: float
    files: tuple[SealedFile, ...]
    refusal: Refusal | None = None


def seal_settled(contract: Contract, store: Store, now: float) -> None:
    """Seal what has settled by `now` (seconds since 1970) and is not sealed as it is yet."""
    minutes = {name: one.settled_minutes for name, one in contract.vendors.items() if one.settled_minutes}
    if not minutes:
        return
    seals = _newest(contract, store)
    for folder in inbox.folders(contract, store)[0]:
        open_to = folder.vendor in minutes and layout.is_safe_part(folder.id)
        if open_to and folder.files and not folder.under_way and not folder.has_manifest:
            _seal(folder, store, now, minutes[folder.vendor], seals.get(folder.name))


def sealed_deliveries(contract: Contract, store: Store, folders: list[Folder]) -> list[Delivery]:
    """The folders among `folders` that are sealed, as deliveries; refused (unsafe_path) where a name is none."""
    seals = _newest(contract, store) if folders else {}
    return [
        _delivery(folder, Seal.model_validate_json(store.read(seals[folder.name])))
        for folder in folders
        if folder.name in seals
    ]


def _newest(contract: Contract, store: Store) -> dict[str, str]:
    """vendor/id: key of the newest seal."""
    prefix = layout.seals(contract.customer, contract.dataset)
    return {key.removeprefix(prefix).rsplit("/", 1)[0]: key for key in store.list(prefix)}  # sorted: the last stays


def _seal(folder: Folder, store: Store, now: float, minutes: int, newest: str | None) -> None:
    before = Seal.model_validate_json(store.read(newest)) if newest else None
    known = {one.path: one for one in before.files} if before else {}
    refusal = None
    try:
        for path in folder.files:
            layout.safe_path(path, "the delivery holds")
        files = _seen(folder, store)
    except DeliveryRejected as error:
        refusal = Refusal(code=error.code, message=str(error))
        files = [SealedFile(path=ascii(path), bytes=0, modified=0) for path in folder.files]
    except KeyError:  # taken away just now: somebody is at work on it
        return
    if before and [_look(one) for one in before.files] == [_look(one) for one in files]:
        return
    if refusal is None:
        if now - max(one.modified for one in files) < 60 * minutes:
            return
        try:
            hashed = [_hashed(one, folder, store, known.get(one.path)) for one in files]
            if files != _seen(folder, store):  # it changed while it was read
                return
        except (KeyError, DeliveryRejected):
            return
        files = hashed
    seal = Seal(delivery=folder.name, sealed=now, files=tuple(files), refusal=refusal)
    number = int(newest.rsplit("/", 1)[1].removesuffix(".json")) + 1 if newest else 1
    key = layout.seal(folder.customer, folder.dataset, folder.vendor, folder.id, number)
    store.put_if_absent(key, seal.model_dump_json(indent=1).encode())  # else another run has sealed it


def _seen(folder: Folder, store: Store) -> list[SealedFile]:
    found = []
    for path in folder.files:
        key = folder.prefix + path
        try:
            found.append(SealedFile(path=path, bytes=store.size(key), modified=store.modified(key)))
        except InvalidInput as error:  # a link that leads out of the store
            raise DeliveryRejected(
                "unsafe_path", f"{path} is a link to somewhere else. Deliver the file itself, under a new id."
            ) from error
    return found


def _look(one: SealedFile) -> tuple[str, int, float]:
    return one.path, one.bytes, one.modified


def _hashed(one: SealedFile, folder: Folder, store: Store, known: SealedFile | None) -> SealedFile:
    if known and known.sha256 and _look(known) == _look(one):
        return known
    with store.local(folder.prefix + one.path) as path:
        return one.model_copy(update={"sha256": sha256_of(path)})


def _delivery(folder: Folder, seal: Seal) -> Delivery:
    files = () if seal.refusal else seal.files
    sha256s = [one.sha256 for one in files]
    if seal.refusal:
        sha256s = [hashlib.sha256(json.dumps([one.path for one in seal.files]).encode()).hexdigest()]
    return Delivery(
        customer=folder.customer,
        dataset=folder.dataset,
        vendor=folder.vendor,
        id=folder.id,
        files=tuple(DeliveredFile(path=one.path, bytes=one.bytes, sha256=one.sha256) for one in files),
        digest=inbox.digest_of(folder.vendor, sha256s),
        refusal=seal.refusal,
    )
