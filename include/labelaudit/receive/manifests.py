"""Deliveries in the inbox and their `manifest.json`, which is written last: with it, a delivery is complete.

A manifest that can't be taken is a Refusal on the Delivery, never an exception: the others go on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

from labelaudit.contracts.model import Contract
from labelaudit.errors import AccessDenied, DeliveryRejected, NotAFile
from labelaudit.receive import inbox, seals
from labelaudit.receive.delivered_files import link_refused, require
from labelaudit.receive.inbox import Folder, Waiting
from labelaudit.receive.manifest_file import MAX_MANIFEST_BYTES, files_there, parse
from labelaudit.storage import layout
from labelaudit.storage.store import Store
from labelaudit.values.deliveries import DeliveredFile, Delivery, Refusal


def waiting(contract: Contract, store: Store) -> list[Delivery]:
    """Every complete delivery in the inbox of the contract's vendors, sorted by vendor and id.

    Complete is what has a manifest, or is sealed (see `seals`); a manifest counts before a seal.
    """
    return complete(contract, store, inbox.folders(contract, store)[0])


def complete(contract: Contract, store: Store, folders: Sequence[Folder]) -> list[Delivery]:
    """As `waiting`, of the folders that were found."""
    folders = [folder for folder in folders if layout.is_safe_part(folder.id) and folder.denied is None]
    deliveries = seals.sealed_deliveries(contract, store, [folder for folder in folders if not folder.has_manifest])
    for folder in folders:
        if folder.has_manifest:
            with suppress(KeyError, AccessDenied):  # taken away just now, or not for us
                deliveries.append(read_manifest(store, folder))
    return sorted(deliveries, key=lambda delivery: (delivery.vendor, delivery.id))


def incomplete(contract: Contract, store: Store) -> list[Waiting]:
    """What in the inbox is no delivery yet, each with the reason."""
    folders, astray = inbox.folders(contract, store)
    sealed = {sealed_delivery.name for sealed_delivery in seals.sealed_deliveries(contract, store, folders)}
    since = seals.looked_at(contract, store)
    waiting = []
    for folder in folders:
        if not layout.is_safe_part(folder.id):
            reason = "its name may have letters, digits and . _ = + @ - only: rename the folder"
            waiting.append(Waiting(name=f"{folder.vendor}/{folder.id[:100]!r}", reason=reason))
        elif folder.denied is not None or (not folder.has_manifest and folder.name not in sealed):
            reason = _reason(contract, folder, since.get(folder.name))
            waiting.append(Waiting(name=folder.name, reason=reason, since=_since(folder)))
    strange = inbox.unknown_vendors(contract, store)
    return [
        *waiting,
        *astray,
        *(Waiting(name=name, reason="the contract does not name this vendor") for name in strange),
    ]


def read_manifest(store: Store, folder: Folder) -> Delivery:
    """One complete delivery; with its refusal where the manifest and the listing show that it can't be taken:
    bad_manifest, unsafe_path, unlisted_file, missing_file, size_mismatch.

    Raises KeyError where there is no manifest, and AccessDenied.
    """
    files, supersedes, guideline, refusal = (), (), None, None
    content, unlisted = b"", []
    try:
        content = _content(store, folder)
        true = {"delivery": folder.id, "vendor": folder.vendor, "customer": folder.customer, "dataset": folder.dataset}
        manifest = parse(content, true)
        there = {path: entry for path, entry in folder.entries.items() if path != layout.MANIFEST}
        named = files_there(manifest, there)
        unlisted = sorted(set(folder.files) - {file.path for file in named})
        if unlisted and {file.path for file in named} <= set(there):  # else a file is missing, or misnamed
            raise _unlisted(unlisted, folder)
        files, supersedes, guideline = named, manifest.superseded, manifest.guideline
        digest = inbox.digest_of(folder.vendor, [file.sha256 for file in files])
        try:
            _require_files(folder, files)
        except DeliveryRejected as error:  # it is known what was meant, and by that it is known again
            refusal = Refusal(code=error.code, message=str(error))
    except DeliveryRejected as error:
        refusal = Refusal(code=error.code, message=str(error))
        said = content + "\n".join(["", *unlisted]).encode("utf-8", "surrogateescape") if unlisted else content
        digest = inbox.digest_of(folder.vendor, [hashlib.sha256(said).hexdigest()])
    return Delivery(
        customer=folder.customer,
        dataset=folder.dataset,
        vendor=folder.vendor,
        id=folder.id,
        files=files,
        digest=digest,
        supersedes=supersedes,
        guideline=guideline,
        look=folder.look([file.path for file in files] or folder.files),
        refusal=refusal,
    )


def _content(store: Store, folder: Folder) -> bytes:
    entry = folder.entries[layout.MANIFEST]
    if entry.problem:
        raise link_refused(layout.MANIFEST, entry.problem)
    if entry.bytes > MAX_MANIFEST_BYTES:
        raise DeliveryRejected("bad_manifest", f"manifest.json is longer than {MAX_MANIFEST_BYTES} bytes")
    try:
        return store.read(folder.prefix + layout.MANIFEST)
    except NotAFile as error:  # put there since it was listed
        raise link_refused(layout.MANIFEST, error.problem) from error


def _unlisted(unlisted: Sequence[str], folder: Folder) -> DeliveryRejected:
    for path in unlisted:
        if problem := folder.entries[path].problem:
            return link_refused(path, problem)
    return DeliveryRejected(
        "unlisted_file",
        f"the folder holds {unlisted[0][:200]!r}{' and others' if unlisted[1:] else ''}, which manifest.json"
        " does not name: nothing of a delivery is left out. Name it there, or take it away.",
    )


def _require_files(folder: Folder, files: Sequence[DeliveredFile]) -> None:
    """Raises where the listing shows that the folder does not hold what the manifest names, as files."""
    for path in folder.files:
        if problem := folder.entries[path].problem:
            raise link_refused(path, problem)
    for file in files:
        require(file, folder.entries.get(file.path))


def _reason(contract: Contract, folder: Folder, since: float | None) -> str:
    minutes = contract.vendors[folder.vendor].settled_minutes
    if folder.denied is not None:
        return f"{folder.denied[:100]!r} is {folder.entries[folder.denied].problem}: give us leave to read it"
    if linked := next((path for path in folder.files if folder.entries[path].problem), None):
        return f"{linked[:100]!r} is {folder.entries[linked].problem}, and not followed: put the file itself there"
    if folder.under_way:
        return f"{folder.under_way[0][:100]!r}: an upload is under way, or was broken off"
    if not folder.files:
        return "the folder is empty"
    if minutes is None:
        return "no manifest.json yet"
    if since is None:
        return f"no manifest.json: it is taken once it has been seen unchanged for {minutes} minutes"
    first, then = (
        datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M") for time in (since, since + 60 * minutes)
    )
    return (
        f"no manifest.json: first seen as it is at {first} UTC; if it stays so, it is taken by a run after {then} UTC"
    )


def _since(folder: Folder) -> datetime | None:
    times = [entry.modified for entry in folder.entries.values() if not entry.problem]
    return datetime.fromtimestamp(max(times), UTC) if times else None
