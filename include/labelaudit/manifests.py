"""Deliveries in the inbox and their `manifest.json`, which is written last: with it, a delivery is complete.

    {"format": 1, "delivery": "2026-11-23",
     "files": [{"path": "labels.csv", "bytes": 812, "sha256": "…", "records": 9}],
     "supersedes": ["2026-11-22"], "guideline": "v3"}

A manifest that can't be taken is a Refusal on the Delivery, never an exception: the others go on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from labelaudit import layout
from labelaudit.contract import Contract
from labelaudit.errors import DeliveryRejected, InvalidInput
from labelaudit.store import Store, sha256_of
from labelaudit.values import DeliveredFile, Delivery, Refusal

MAX_MANIFEST_BYTES = 4 << 20


class Manifest(BaseModel):
    """What a vendor says of a delivery."""

    model_config = ConfigDict(extra="forbid")

    format: Literal[1]
    delivery: str
    files: Annotated[tuple[DeliveredFile, ...], Field(min_length=1)]
    supersedes: str | tuple[str, ...] = ()
    guideline: str | None = Field(None, max_length=200)


def waiting(contract: Contract, store: Store) -> list[Delivery]:
    """Every complete delivery in the inbox of the contract's vendors, sorted by vendor and id."""
    return [read_manifest(contract, store, *place) for place in _folders(contract, store) if _complete(store, *place)]


def incomplete(contract: Contract, store: Store) -> list[str]:
    """Names (vendor/id) of the folders in the inbox that have no manifest yet."""
    places = _folders(contract, store)
    return [f"{place[0]}/{place[3]}" for place in places if not _complete(store, *place)]


def read_manifest(contract: Contract, store: Store, vendor: str, customer: str, dataset: str, name: str) -> Delivery:
    """One complete delivery; with a refusal (bad_manifest, unsafe_path) where its manifest can't be taken."""
    key = layout.delivery(vendor, customer, dataset, name) + layout.MANIFEST
    files, supersedes, guideline, refusal = (), (), None, None
    content = store.read(key) if store.size(key) <= MAX_MANIFEST_BYTES else b""
    try:
        manifest = _parse(content, name, too_long=store.size(key) > MAX_MANIFEST_BYTES)
        files = tuple(sorted(manifest.files, key=lambda file: file.path))
        supersedes = manifest.supersedes if isinstance(manifest.supersedes, tuple) else (manifest.supersedes,)
        guideline = manifest.guideline
        digest = digest_of(vendor, [file.sha256 for file in files])
    except DeliveryRejected as error:
        refusal = Refusal(code=error.code, message=str(error))
        digest = digest_of(vendor, [hashlib.sha256(content).hexdigest()])
    return Delivery(
        customer=customer,
        dataset=dataset,
        vendor=vendor,
        id=name,
        files=files,
        digest=digest,
        supersedes=supersedes,
        guideline=guideline,
        refusal=refusal,
    )


def digest_of(vendor: str, sha256s: Sequence[str]) -> str:
    """The identity of a delivery: neither its id nor its files' names, but what they hold."""
    return hashlib.sha256("\n".join([vendor, *sorted(sha256s)]).encode()).hexdigest()


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
    or a delivery of that id is complete already (its folder is never written to again).
    """
    for what, name in [("delivery id", delivery_id), ("vendor", vendor), *(("file name", path.name) for path in files)]:
        if not layout.is_safe_part(name):
            raise InvalidInput(f"{what} {name!r}: use letters, digits and . _ = + @ -, not starting with a sign")
    names = [path.name for path in files]
    if len(set(names)) != len(names) or not names or layout.MANIFEST in names:
        raise InvalidInput(f"the files of a delivery need different names, none of them {layout.MANIFEST}: {names}")
    folder = layout.delivery(vendor, customer, dataset, delivery_id)
    if store.exists(folder + layout.MANIFEST):
        raise InvalidInput(
            f"{store.uri_of(folder)} is delivered already; take another id, with --supersedes if it replaces it"
        )
    entries: list[dict[str, Any]] = []
    for done, path in enumerate(files):
        if progress:
            progress(done, len(files))
        store.upload(path, folder + path.name)
        entry = {"path": path.name, "bytes": path.stat().st_size, "sha256": sha256_of(path)}
        entries.append(entry | ({"records": records[path.name]} if records and path.name in records else {}))
    manifest: dict[str, Any] = {"format": 1, "delivery": delivery_id, "files": entries}
    if supersedes:
        manifest["supersedes"] = list(supersedes)
    if guideline:
        manifest["guideline"] = guideline
    if not store.put_if_absent(folder + layout.MANIFEST, json.dumps(manifest, indent=2).encode() + b"\n"):
        raise InvalidInput(f"{store.uri_of(folder)} was delivered by someone else meanwhile; take another id")
    return folder


def _folders(contract: Contract, store: Store) -> list[tuple[str, str, str, str]]:
    return [
        (vendor, contract.customer, contract.dataset, name)
        for vendor in sorted(contract.vendors)
        for name in store.folders(layout.inbox(vendor, contract.customer, contract.dataset))
        if layout.is_safe_part(name)
    ]


def _complete(store: Store, *place: str) -> bool:
    return store.exists(layout.delivery(*place) + layout.MANIFEST)


def _parse(content: bytes, name: str, too_long: bool) -> Manifest:
    if too_long:
        raise DeliveryRejected("bad_manifest", f"manifest.json is longer than {MAX_MANIFEST_BYTES} bytes")
    try:
        manifest = Manifest.model_validate(json.loads(content, object_pairs_hook=_no_duplicates))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise DeliveryRejected("bad_manifest", f"manifest.json is not JSON: {error}") from error
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, finding['loc'])) or 'manifest'}: {finding['msg']}" for finding in error.errors()[:5]
        )
        raise DeliveryRejected("bad_manifest", f"manifest.json: {problems}. The README shows what it holds.") from error
    if manifest.delivery != name:
        raise DeliveryRejected(
            "bad_manifest", f"manifest.json says delivery {manifest.delivery[:200]!r}, its folder is called {name!r}"
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
