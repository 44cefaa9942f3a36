"""Which Airflow Connections that contracts name are there, and lead where they should: for `labelaudit doctor`.

    python -m labelaudit_airflow.connection_trial FOLDER

A process of its own: the command itself does without Airflow.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path

from labelaudit.cli.finding import Finding
from labelaudit.cli.store_trial import destinations
from labelaudit.contracts.model import Contract
from labelaudit.contracts.reading import read_contracts
from labelaudit_airflow import connections, runtime

MEND = "Make it in Airflow, under Admin → Connections, or mend its extra; or name another in the contract."


def examine(folder: Path) -> list[Finding]:
    contracts = read_contracts(folder)[0]
    told = [_route(contract, named) for contract in contracts for named in _named(contract)]
    reached = (
        (contract.id, partial(runtime.destination, contract))
        for contract in contracts
        if contract.destination.connection
    )
    return [*told, *destinations(reached)]


def _named(contract: Contract) -> Iterator[str]:
    yield from dict.fromkeys(route.connection for route in contract.alerts if route.connection)


def _route(contract: Contract, named: str) -> Finding:
    about = f"connection {named} of {contract.id}"
    try:
        connections.granted(named, contract.customer, contract.dataset, "alerts.connection")
    except Exception as error:  # Airflow raises what it likes where there is none
        return Finding(about, False, f"{type(error).__name__}: {error}", MEND)
    return Finding(about, True, "is there, and says that the customer may use it")


if __name__ == "__main__":
    print(json.dumps([asdict(finding) for finding in examine(Path(sys.argv[1]))]))
