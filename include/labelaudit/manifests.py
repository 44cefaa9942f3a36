"""Deliveries in the inbox and their `manifest.json`, which is written last: with it, a delivery is complete.

    {"format": 1, "delivery": "2026-11-23", "vendor": "alder", "customer": "acme", "dataset": "pets",
     "files": [{"path": "labels.csv", "bytes": 812, "sha256": "…", "records": 9}],
     "supersedes": ["2026-11-22"], "guideline": "v3"}

A manifest that can't be taken is a Refusal on the Delivery, never an exception: the others go on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from labelaudit import inbox, layout, settled
from labelaudit.contract import Contract
from labelaudit.errors import DeliveryRejected, InvalidInput
from labelaudit.inbox import Folder
from labelaudit.model_errors import in_words
from labelaudit.store import Store, sha256_of
from labelaudit.values import DeliveredFile, Delivery, Refusal, Value

MAX_MANIFEST_BYTES = 16 << 20  # of some 80,000 files


class Manifest(BaseModel):
    """What a vendor says of a delivery. `vendor`, `customer` and `dataset` may be left out; they must agree."""

    model_config = ConfigDict(extra="forbid")

    format: Literal[1]
    delivery: str
    vendor: str | None = None
    customer: str | None = None
    dataset: str | None = None
    files: Annotated[tuple[DeliveredFile, ...], Field(min_length=1)]
    supersedes: str | tuple[str, ...] = ()
    guideline: str | None = Field(None, max_length=200)


class Waiting(Value):
    """What lies in the inbox and can't be taken yet; `since`: its last change, in UTC, where known."""

    name: str
    reason: str
    since: datetime | None = None


def waiting(contract: Contract, store: Store) -> list[Delivery]:
    """Every complete delivery in the inbox of the contract's vendors, sorted by vendor and id.

    Complete is what has a manifest, or is sealed (see `settled`); a manifest counts before a seal.
    """
    folders = [one for one in inbox.folders(contract, store)[0] if layout.is_safe_part(one.id)]
    found = settled.sealed_deliveries(contract, store, [one for one in folders if not one.has_manifest])
    for folder in folders:
        if folder.has_manifest:
            with suppress(KeyError):  # taken away just now
                found.append(read_manifest(store, folder))
    return sorted(found, key=lambda one: (one.vendor, one.id))


def incomplete(contract: Contract, store: Store) -> list[Waiting]:
    """What in the inbox is no delivery yet, each with the reason."""
    folders, astray = inbox.folders(contract, store)
    sealed = {one.name for one in settled.sealed_deliveries(contract, store, folders)}
    found = []
    for folder in folders:
        if not layout.is_safe_part(folder.id):
            reason = "its name may have letters, digits and . _ = + @ - only: rename the folder"
            found.append(Waiting(name=f"{folder.vendor}/{folder.id[:100]!r}", reason=reason))
        elif not folder.has_manifest and folder.name not in sealed:
            found.append(Waiting(name=folder.name, reason=_reason(contract, folder), since=_since(store, folder)))
    found += [Waiting(name=name, reason="it lies beside the folders: a delivery is a folder") for name in astray]
    strange = inbox.unknown_vendors(contract, store)
    return found + [Waiting(name=name, reason="the contract does not name this vendor") for name in strange]


def read_manifest(store: Store, folder: Folder) -> Delivery:
    """One complete delivery; with a refusal (bad_manifest, unsafe_path, unlisted_file) where it can't be taken.

    Raises KeyError where there is no manifest.
    """
    key = folder.prefix + layout.MANIFEST
    files, supersedes, guideline, refusal = (), (), None, None
    content, unlisted = b"", []
    try:
        too_long = store.size(key) > MAX_MANIFEST_BYTES
        content = b"" if too_long else store.read(key)
        manifest = _parse(content, folder, too_long)
        named = {file.path for file in manifest.files}
        unlisted = sorted(set(folder.files) - named)
        if unlisted and named <= {*folder.files, *folder.under_way}:  # else a file is missing, or misnamed
            raise DeliveryRejected(
                "unlisted_file",
                f"the folder holds {unlisted[0][:200]!r}{' and others' if unlisted[1:] else ''}, which manifest.json"
                " does not name: nothing of a delivery is left out. Name it there, or take it away.",
            )
        files = tuple(sorted(manifest.files, key=lambda file: file.path))
        supersedes = manifest.supersedes if isinstance(manifest.supersedes, tuple) else (manifest.supersedes,)
        guideline = manifest.guideline
        digest = inbox.digest_of(folder.vendor, [file.sha256 for file in files])
    except (DeliveryRejected, InvalidInput) as error:
        if isinstance(error, DeliveryRejected):
            refusal = Refusal(code=error.code, message=str(error))
        else:
            refusal = Refusal(code="unsafe_path", message="manifest.json is a link to somewhere else; deliver a file")
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
        refusal=refusal,
    )


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
    for what, name in [("delivery id", delivery_id), ("vendor", vendor), *(("file name", path.name) for path in files)]:
        if not layout.is_safe_part(name):
            raise InvalidInput(f"{what} {name!r}: use letters, digits and . _ = + @ -, not starting with a sign")
    names = [path.name for path in files]
    if len(set(names)) != len(names) or not names or layout.MANIFEST in names:
        raise InvalidInput(f"the files of a delivery need different names, none of them {layout.MANIFEST}: {names}")
    folder = layout.delivery(vendor, customer, dataset, delivery_id)
    there = {key.removeprefix(folder) for key in store.list(folder)}
    strange = [path for path in sorted(there - {*names, layout.MANIFEST}) if not inbox.is_litter(path)]
    if store.exists(folder + layout.MANIFEST):
        raise InvalidInput(
            f"{store.uri_of(folder)} is delivered already; take another id, with --supersedes if it replaces it"
        )
    if strange:
        raise InvalidInput(f"{store.uri_of(folder)} holds {strange[0]!r} of an earlier attempt; take another id")
    entries: list[dict[str, Any]] = []
    for done, path in enumerate(files):
        if progress:
            progress(done, len(files))
        store.upload(path, folder + path.name)
        entry = {"path": path.name, "bytes": path.stat().st_size, "sha256": sha256_of(path)}
        entries.append(entry | ({"records": records[path.name]} if records and path.name in records else {}))
    manifest: dict[str, Any] = {"format": 1, "delivery": delivery_id, "vendor": vendor, "customer": customer}
    manifest |= {"dataset": dataset, "files": entries}
    if supersedes:
        manifest["supersedes"] = list(supersedes)
    if guideline:
        manifest["guideline"] = guideline
    if not store.put_if_absent(folder + layout.MANIFEST, json.dumps(manifest, indent=2).encode() + b"\n"):
        raise InvalidInput(f"{store.uri_of(folder)} was delivered by someone else meanwhile; take another id")
    return folder


def _reason(contract: Contract, folder: Folder) -> str:
    minutes = contract.vendors[folder.vendor].settled_minutes
    if folder.under_way:
        return f"{folder.under_way[0][:100]!r}: an upload is under way, or was broken off"
    if not folder.files:
        return "the folder is empty"
    if minutes is None:
        return "no manifest.json yet"
    return f"no manifest.json: it is taken by the first run after {minutes} minutes without a change"


def _since(store: Store, folder: Folder) -> datetime | None:
    try:
        times = [store.modified(folder.prefix + path) for path in folder.files + folder.under_way]
    except (KeyError, InvalidInput):
        return None
    return datetime.fromtimestamp(max(times), UTC) if times else None


def _parse(content: bytes, folder: Folder, too_long: bool) -> Manifest:
    if too_long:
        raise DeliveryRejected("bad_manifest", f"manifest.json is longer than {MAX_MANIFEST_BYTES} bytes")
    try:
        manifest = Manifest.model_validate(json.loads(content, object_pairs_hook=_no_duplicates))
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, finding['loc'])) or 'manifest'}: {in_words(finding)}" for finding in error.errors()[:5]
        )
        raise DeliveryRejected("bad_manifest", f"manifest.json: {problems}. The README shows what it holds.") from error
    except (ValueError, RecursionError) as error:  # also a number of more digits than Python reads
        raise DeliveryRejected("bad_manifest", f"manifest.json is not JSON: {error}") from error
    true = {"delivery": folder.id, "vendor": folder.vendor, "customer": folder.customer, "dataset": folder.dataset}
    for what, name in true.items():
        said = getattr(manifest, what)
        if said is not None and said != name:
            raise DeliveryRejected(
                "bad_manifest",
                f"manifest.json says {what} {said[:200]!r}, its folder is {name!r}. Correct one of them.",
            )
    paths = [layout.safe_path(file.path) for file in manifest.files]
    if len(set(paths)) != len(paths) or layout.MANIFEST in paths:
        raise DeliveryRejected("bad_manifest", "manifest.json names a file twice, or itself")
    return manifest


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) != len(pairs):
        raise DeliveryRejected("bad_manifest", "manifest.json gives a key twice")
    return names
