"""The DAG that sends the alerts that could not be sent: of held releases, and of services that did not answer."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from labelaudit import outbox
from labelaudit.contracts import contract_names, read_contract
from labelaudit.errors import ContractError
from labelaudit_airflow import alerts, runtime

DOC = """
## What
Sends every alert that waits in the outbox of the store: `alerts/<customer>/<dataset>/waiting/`.

## When
Every 15 minutes. A route that takes an alert twice is a bug; one that takes none shows here in red.

## When it fails
`send` fails for a contract whose routes do not take what waits; its log says which service, and what it answered. Mend
the Airflow Connection, or the route in the contract; nothing is lost meanwhile, and no release waits for it. What waits
is shown on the page *Labelaudit*.
"""
OURS = ("labelaudit", "")
"""Whose alerts belong to no contract: of the upkeep."""


def alerts_dag() -> DAG:
    with DAG(
        dag_id="labelaudit__alerts",
        schedule="*/15 * * * *",
        start_date=datetime(2026, 1, 1),
        catchup=False,
        max_active_runs=1,
        tags=["labelaudit"],
        description="Sends the alerts that could not be sent",
        doc_md=DOC,
        default_args={
            "retries": 1,
            "retry_delay": timedelta(minutes=1),
            "retry_policy": runtime.RETRIES,
            "execution_timeout": runtime.step_limit(),
        },
    ) as made:
        send.expand(path=waiting())
    return made


@task
def waiting() -> list[str]:
    """The contracts that alerts wait for; empty: those of no contract."""
    paths = contract_names(runtime.contracts_folder())
    store = runtime.store()
    return [path for path in (*paths, "") if outbox.waiting(store, *_whose(path))]


@task(map_index_template="{{ contract }}")
def send(path: str) -> None:
    """Send what waits, by the routes that there are now."""
    context = get_current_context()
    context["contract"] = path or "labelaudit"
    try:
        contract = read_contract(runtime.contracts_folder() / path) if path else None
    except ContractError as error:
        raise AirflowSkipException(f"{path} is broken: what waits is sent once it is mended") from error
    routes = runtime.alert_routes(contract)
    if failed := alerts.send_waiting(runtime.store(), *_whose(path), routes, context):
        raise ConnectionError("; ".join(failed))


def _whose(path: str) -> tuple[str, str]:
    if not path:
        return OURS
    customer, dataset = path.removesuffix(".yaml").split("/")
    return customer, dataset
