"""Commands of what comes in: `deliver` files, put `gold` labels, count `rejects`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labelaudit.cli.options import CONTRACTS, HERE, ContractsOption, JsonOption, NameArgument, StoreOption, contract_of
from labelaudit.cli.output import tell, watched
from labelaudit.errors import InvalidInput
from labelaudit.storage.opening import open_store


def deliver(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False)],
    vendor: Annotated[str, typer.Option("--vendor", help="who delivers")],
    to: Annotated[str, typer.Option("--to", metavar="CUSTOMER/DATASET")],
    delivery: Annotated[str, typer.Option("--id", help="the delivery's id")],
    supersedes: Annotated[list[str] | None, typer.Option(help="id of a delivery that this one replaces")] = None,
    guideline: Annotated[str | None, typer.Option(help="version of the labelling guideline")] = None,
    store: StoreOption = HERE,
    contracts: ContractsOption = CONTRACTS,
    as_json: JsonOption = False,
) -> None:
    """Put files into the inbox, and their manifest last."""
    from labelaudit.receive import delivering

    contract = contract_of(contracts, to)
    if vendor not in contract.vendors:
        raise InvalidInput(f"{contract.id} has no vendor {vendor!r}; it has {', '.join(contract.vendors)}")
    with watched("deliver", as_json) as progress:
        folder = delivering.deliver(
            open_store(store),
            contract.customer,
            contract.dataset,
            vendor,
            delivery,
            files,
            supersedes=supersedes or (),
            guideline=guideline,
            progress=progress,
        )
    told = f"Delivered {len(files)} file(s). To audit: labelaudit run {contract.id} --store {store}"
    tell({"delivery": f"{vendor}/{delivery}", "folder": folder}, as_json, told)


def gold(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV: item, label")],
    to: Annotated[str, typer.Option("--to", metavar="CUSTOMER/DATASET")],
    store: StoreOption = HERE,
    contracts: ContractsOption = CONTRACTS,
    as_json: JsonOption = False,
) -> None:
    """Put the labels that are known into the store, under the name that the contract gives in `gold`."""
    from labelaudit.detect.gold import put_gold

    opened = open_store(store)
    key, items = put_gold(contract_of(contracts, to), opened, file)
    tell({"gold": opened.uri_of(key), "items": items}, as_json, f"{items} gold items are at {opened.uri_of(key)}")


def rejects(
    name: NameArgument,
    vendor: Annotated[str | None, typer.Option(help="of this vendor only")] = None,
    delivery: Annotated[str | None, typer.Option(help="of this delivery only")] = None,
    code: Annotated[str | None, typer.Option(help="of this reason only")] = None,
    since: Annotated[str | None, typer.Option(help="since a day, e.g. 2026-11-01")] = None,
    by: Annotated[str, typer.Option(help="what to count by")] = "vendor,code",
    csv: Annotated[Path | None, typer.Option("--csv", help="write the rows to a spreadsheet instead")] = None,
    store: StoreOption = HERE,
    contracts: ContractsOption = CONTRACTS,
    as_json: JsonOption = False,
) -> None:
    """Count the rejected rows of all deliveries, over time."""
    from labelaudit.cli.rejects import show_rejects

    opened = open_store(store)
    show_rejects(contract_of(contracts, name), opened, vendor, delivery, code, since, by, csv, as_json)
