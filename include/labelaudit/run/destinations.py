"""Whose a destination is. A contract may come from anyone: what it names must be no place of ours, nor of another's."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn
from urllib.parse import unquote

from labelaudit.contracts.model import Contract
from labelaudit.errors import ContractError
from labelaudit.storage import layout, release_log
from labelaudit.storage.store import Store


def require_own(contract: Contract, destination: Store, store: Store, folders: Sequence[Path] | None = None) -> None:
    """Raise ContractError where the contract's `destination.uri` leads into our store, or to another's releases.

    There a dataset would be published over another, and shown to whoever may read this one.
    With `folders`, also where it leads to what the deployment did not give the customer: a folder that is not below
    `<one of them>/<customer>`, or S3 with the deployment's own credentials.
    """
    try:
        ours, theirs = _place(store.uri), _place(destination.uri)
    except ValueError:  # NUL, as %00
        _refuse(contract, "is no path")
    default = ours + layout.published(contract.customer, contract.dataset) + "/"
    if theirs != default:
        if theirs.startswith(ours) or ours.startswith(theirs):
            why = "leads into the store of Labelaudit itself; leave it out, or name a place of the customer's"
            _refuse(contract, why)
        if folders is not None:
            _require_given(contract, theirs, folders)
    releases = release_log.log(destination)
    if not releases:
        return
    try:
        said = json.loads(destination.read(releases[-1].files + layout.MANIFEST))
    except KeyError:  # `labelaudit verify` says so
        return
    if (said["customer"], said["dataset"]) != (contract.customer, contract.dataset):
        _refuse(contract, "holds the releases of another dataset; every dataset needs a place of its own")


def _require_given(contract: Contract, place: str, folders: Sequence[Path]) -> None:
    if not place.startswith("file://"):
        if contract.destination.connection is None:
            _refuse(contract, "would be reached with our own credentials; name an Airflow Connection in `connection`")
    elif not any(place.startswith(_folder(folder / contract.customer)) for folder in folders):
        _refuse(
            contract,
            f"is in no folder that this deployment gives {contract.customer!r}; leave it out, or name one below"
            f" <folder>/{contract.customer}, of which <folder> is in the deployment's LABELAUDIT_FILE_DESTINATIONS",
        )


def _place(uri: str) -> str:
    kind, _, path = uri.partition("://")
    return _folder(Path(unquote(path))) if kind == "file" else f"{kind}://{path}".rstrip("/") + "/"


def _folder(path: Path) -> str:
    """With what `~`, `..` and links lead to; a loop of links stays as it is."""
    return f"file://{os.path.realpath(os.path.expanduser(path))}".rstrip("/") + "/"


def _refuse(contract: Contract, problem: str) -> NoReturn:
    raise ContractError(f"{contract.id}.yaml", [f"`destination.uri`: {contract.destination.uri} {problem}"])
