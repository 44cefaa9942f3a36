"""`labelaudit backup` and `labelaudit restore`: a copy of a destination with one release, and the way back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from labelaudit.cli.options import CONTRACTS, HERE, ContractsOption, JsonOption, NameArgument, StoreOption, opened
from labelaudit.cli.output import tell, watched
from labelaudit.storage.opening import open_store

PlaceArgument = Annotated[str, typer.Argument(metavar="FOLDER", help="a folder, file:///folder or s3://bucket/prefix")]


def backup(
    name: NameArgument,
    to: PlaceArgument,
    store: StoreOption = HERE,
    contracts: ContractsOption = CONTRACTS,
    as_json: JsonOption = False,
) -> None:
    """Copy what was published, as it is with its last release: tables, log and reports."""
    from labelaudit.upkeep import backups

    contract, ours, destination = opened(contracts, name, store)
    made = datetime.now(UTC).isoformat(timespec="seconds")
    with watched("backup", as_json) as progress:
        copied = backups.back_up(contract, ours, destination, open_store(to), made, progress)
    told = f"[green]{copied.release} is backed up[/green]: {len(copied.files)} files, digest {copied.digest}"
    tell(copied.model_dump(), as_json, told)


def restore(
    name: NameArgument,
    source: PlaceArgument,
    store: StoreOption = HERE,
    contracts: ContractsOption = CONTRACTS,
    as_json: JsonOption = False,
) -> None:
    """Put a backup back at the contract's destination, and verify it; newer releases are never written over."""
    from labelaudit.upkeep import backups

    contract, _, destination = opened(contracts, name, store)
    with watched("restore", as_json) as progress:
        restored = backups.restore(contract, open_store(source), destination, progress)
    told = f"[green]{restored.release} is restored and whole[/green]: {len(restored.files)} files"
    tell(restored.model_dump(), as_json, told)
