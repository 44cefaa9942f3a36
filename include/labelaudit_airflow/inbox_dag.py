"""The DAG that looks at deliveries without a manifest, so that a daily run finds them settled."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from airflow.sdk import DAG, get_current_context, task

from labelaudit.contracts.reading import contract_names, read_contract
from labelaudit.errors import ContractError
from labelaudit_airflow import runtime

DOC = """
## What
Looks at the deliveries without a manifest of vendors whose contract gives `settled_minutes`, and seals those that two
looks, so many minutes apart, have seen the same. Publishes nothing: the dataset's own DAG takes what is sealed.

## When
Every 15 minutes. Without it, a delivery would be seen for the first time by one run, and taken by the next.

## When it fails
`look` failing with StorageUnavailable: the store does not answer. Nothing is lost: the next look counts.
"""


def inbox_dag() -> DAG:
    with DAG(
        dag_id="labelaudit__inbox",
        schedule="*/15 * * * *",
        start_date=datetime(2026, 1, 1),
        catchup=False,
        max_active_runs=1,
        tags=["labelaudit"],
        description="Looks at deliveries that come without a manifest",
        doc_md=DOC,
        default_args={
            "retries": 1,
            "retry_delay": timedelta(minutes=1),
            "retry_policy": runtime.RETRIES,
            "execution_timeout": runtime.short_limit(),
        },
    ) as made:
        look.expand(path=without_manifests())
    return made


@task
def without_manifests() -> list[str]:
    """The contracts that give a vendor `settled_minutes`."""
    paths = []
    for path in contract_names(runtime.contracts_folder()):
        try:
            contract = read_contract(runtime.contracts_folder() / path)
        except ContractError:  # the upkeep tells
            continue
        if any(vendor.settled_minutes for vendor in contract.vendors.values()):
            paths.append(path)
    return paths


@task(map_index_template="{{ contract }}")
def look(path: str) -> None:
    """One look at a dataset's inbox."""
    from labelaudit.receive.seals import seal_settled

    get_current_context()["contract"] = path
    seal_settled(read_contract(runtime.contracts_folder() / path), runtime.store(), time.time())
