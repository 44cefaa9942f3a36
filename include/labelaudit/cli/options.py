"""What commands share: their options, and the contract and stores that these name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labelaudit.contracts import reading
from labelaudit.contracts.model import Contract
from labelaudit.errors import ContractError, InvalidInput
from labelaudit.run import steps
from labelaudit.storage import layout
from labelaudit.storage.opening import open_store
from labelaudit.storage.store import Store

ACCEPTED, FAILED, HELD, REJECTED = 0, 1, 2, 3
"""Exit codes."""

NameArgument = Annotated[str, typer.Argument(metavar="CUSTOMER/DATASET")]
ReleaseArgument = Annotated[str | None, typer.Argument(help="the last published one by default")]
StoreOption = Annotated[str, typer.Option("--store", envvar="LABELAUDIT_STORE", help="file:///folder or s3://bucket")]
ContractsOption = Annotated[
    Path, typer.Option("--contracts", envvar="LABELAUDIT_CONTRACTS", help="folder of contracts")
]
JsonOption = Annotated[bool, typer.Option("--json", help="print JSON for programs")]
HERE, CONTRACTS = "labelaudit-store", Path("include/contracts")
"""A folder where the command is called; relative, as it is looked up then."""


def split(name: str) -> tuple[str, str]:
    """Customer and dataset of `<customer>/<dataset>`."""
    customer, slash, dataset = name.partition("/")
    if not slash or not customer or not dataset:
        raise InvalidInput(f"{name!r} is not CUSTOMER/DATASET")
    return customer, dataset


def contract_of(folder: Path, name: str) -> Contract:
    """The contract of that name. Raises InvalidInput or ContractError, which says what there is."""
    customer, dataset = split(name)
    path = folder / customer / f"{dataset}.yaml"
    if not layout.is_safe_part(customer) or not layout.is_safe_part(dataset) or not path.is_file():
        there = ", ".join(f"{path.parent.name}/{path.stem}" for path in reading.contract_paths(folder)) or "none"
        raise ContractError(f"{name}.yaml", [f"is not below {folder.resolve()}; there are: {there}"])
    return reading.read_contract(path)


def opened(contracts: Path, name: str, store: str) -> tuple[Contract, Store, Store]:
    """The contract of that name, the store, and the contract's destination."""
    contract, ours = contract_of(contracts, name), open_store(store)
    return contract, ours, steps.open_destination(contract, ours)
