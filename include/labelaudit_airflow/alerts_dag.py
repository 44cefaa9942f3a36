"""The DAG that sends the alerts that could not be sent: of held releases, and of services that did not answer."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from airflow.sdk import DAG, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from labelaudit.alerts import outbox
from labelaudit.contracts.reading import contract_names, read_contract
from labelaudit.errors import ContractError
from labelaudit_airflow import alerts, runtime

DOC = """
## What
Sends every alert that waits in the outbox of the store: `alerts/<customer>/<dataset>/waiting/`. What waits for a route
that is no more in the contract (or whose contract is gone) is closed with a note, and goes to the routes of its kind
that there are now.

## When
Every 15 minutes. A route that takes an alert twice is a bug; one that takes none shows here in red.

## When it fails
`send` fails for a contract whose routes do not take what waits; its log says which service, and what it answered. Mend
the Airflow Connection, or the route in the contract; nothing is lost meanwhile, and no release waits for it. What waits
is shown on the page *Labelaudit*.
"""
KEPT_SECONDS = 90 * 86_400
"""Notes of what was sent of no contract, or of one that is gone, are kept so long."""


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
            "execution_timeout": runtime.short_limit(),
        },
    ) as made:
        send.expand(path=waiting())
    return made


@task
def waiting() -> list[str]:
    """The contracts that alerts wait for, as their files; also those that are gone; empty: those of no contract."""
    paths = contract_names(runtime.contracts_folder())
    store = runtime.store()
    there = {_whose(path) for path in paths}
    # without any contract the folder itself is missing: then nobody's contract is gone
    gone = [f"{one}/{other}.yaml" for one, other in outbox.datasets(store) if there and (one, other) not in there]
    now = time.time()
    outbox.expire(store, *_whose(""), now - KEPT_SECONDS, now)
    for path in gone:  # what waits there is closed when it is sent: its routes have left
        outbox.expire_sent(store, *_whose(path), now - KEPT_SECONDS)
    return [path for path in (*paths, *gone, "") if outbox.waiting(store, *_whose(path))]


@task(map_index_template="{{ contract }}")
def send(path: str) -> None:
    """Send what waits, by the routes that there are now."""
    context = get_current_context()
    context["contract"] = path or "labelaudit"
    file = runtime.contracts_folder() / path
    try:
        contract = read_contract(file) if path and file.exists() else None
    except ContractError as error:
        raise AirflowSkipException(f"{path} is broken: what waits is sent once it is mended") from error
    store, whose = runtime.store(), _whose(path)
    closed = outbox.close_left(store, *whose, runtime.recipients(contract), time.time())
    if closed:
        alerts.log.warning("%s alerts are closed: %s", closed, outbox.LEFT)
    failed = []
    for view, routes in runtime.alert_routes(contract).items():
        failed += alerts.send_waiting(store, *whose, routes, context, view)
    if failed:
        raise ConnectionError("; ".join(failed))


def _whose(path: str) -> tuple[str, str]:
    if not path:
        return outbox.OURS
    customer, dataset = path.removesuffix(".yaml").split("/")
    return customer, dataset
