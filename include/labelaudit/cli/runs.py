"""`labelaudit run`: audits what waits, and publishes a release, without Airflow."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from labelaudit.cli.options import (
    ACCEPTED,
    CONTRACTS,
    FAILED,
    HELD,
    HERE,
    REJECTED,
    ContractsOption,
    JsonOption,
    NameArgument,
    StoreOption,
    opened,
)
from labelaudit.cli.output import show, tell, watched
from labelaudit.run import steps, time_limits

EXIT_OF = {"published": ACCEPTED, "nothing": ACCEPTED, "held": HELD, "rejected": REJECTED}


def run(
    name: NameArgument,
    delivery: Annotated[list[str] | None, typer.Option(help="only this delivery (id, or vendor/id)")] = None,
    again: Annotated[bool, typer.Option("--again", help="audit what was published or rejected once more")] = False,
    hold: Annotated[bool, typer.Option("--hold", help="stop before publishing")] = False,
    publish_held: Annotated[
        str | None, typer.Option("--publish-held", metavar="NOTE", help="publish even if held; the report says why")
    ] = None,
    store: StoreOption = HERE,
    contracts: ContractsOption = CONTRACTS,
    as_json: JsonOption = False,
) -> None:
    """Audit the deliveries that wait, and publish a release."""
    from labelaudit.receive import manifests
    from labelaudit.run.whole_run import whole_run

    contract, ours, destination = opened(contracts, name, store)
    limit = time_limits.minutes(os.environ.get(time_limits.VARIABLE)) * 60
    outcome = whole_run(
        contract,
        ours,
        destination,
        f"cli-{secrets.token_hex(6)}",
        deliveries=delivery or (),
        again=again,
        hold=hold,
        publish_held=publish_held,
        watch=lambda step: _limited(step, as_json, limit),
    )
    incomplete = manifests.incomplete(contract, ours)
    waits = [delivery.model_dump(mode="json") for delivery in incomplete]
    tell(outcome.model_dump(mode="json") | {"incomplete": waits}, as_json, None)
    if not as_json:
        show(contract, outcome, ours, incomplete)
    raise typer.Exit(FAILED if outcome.failed else EXIT_OF[outcome.status])


@contextmanager
def _limited(step: str, as_json: bool, seconds: float) -> Iterator[steps.Progress | None]:
    with time_limits.limited(step, seconds), watched(step, as_json) as progress:
        yield progress
