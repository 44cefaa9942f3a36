"""Whose a destination is. A contract may come from anyone: what it names must be no place of ours, nor of another's."""

from __future__ import annotations

import json
from pathlib import Path

from labelaudit import layout, tables
from labelaudit.contract import Contract
from labelaudit.errors import ContractError
from labelaudit.store import Store


def require_own(contract: Contract, destination: Store, store: Store) -> None:
    """Raise ContractError where the contract's `destination.uri` leads into our store, or to another's releases.

    There a dataset would be published over another, and shown to whoever may read this one.
    """
    ours, theirs = _place(store.uri), _place(destination.uri)
    default = ours + layout.published(contract.customer, contract.dataset) + "/"
    if theirs != default and (theirs.startswith(ours) or ours.startswith(theirs)):
        _refuse(contract, "leads into the store of Labelaudit itself; leave it out, or name a place of the customer's")
    releases = tables.log(destination)
    if not releases:
        return
    try:
        said = json.loads(destination.read(releases[-1].files + layout.MANIFEST))
    except KeyError:  # `labelaudit verify` says so
        return
    if (said["customer"], said["dataset"]) != (contract.customer, contract.dataset):
        _refuse(contract, "holds the releases of another dataset; every dataset needs a place of its own")


def _place(uri: str) -> str:
    kind, _, path = uri.partition("://")
    return f"{kind}://{Path(path).resolve() if kind == 'file' else path}".rstrip("/") + "/"


def _refuse(contract: Contract, problem: str) -> None:
    raise ContractError(f"{contract.id}.yaml", [f"`destination.uri`: {contract.destination.uri} {problem}"])
