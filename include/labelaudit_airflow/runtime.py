"""Facts of the deployment, from the environment and Airflow Connections, and the policy of retries.

LABELAUDIT_STORE      file:///folder or s3://bucket/prefix; default: `store` in Airflow's home
LABELAUDIT_STORE_CONNECTION  id of the Airflow Connection with the store's credentials, where boto3's own do not serve
LABELAUDIT_CONTRACTS  folder of contracts; default: include/contracts of this project
LABELAUDIT_FILE_DESTINATIONS  folders, with `:` between: a contract's `file:///` destination lies below one of them, in
                      a folder with the customer's name; default: none
LABELAUDIT_ISOLATION  best (default) or required: whether files are parsed where a protection is missing; read by
                      `labelaudit.readers.confined.isolation`
LABELAUDIT_ALERTS     JSON list of alert routes of our own, as in a contract: they get every customer's alerts
LABELAUDIT_STEP_MINUTES  longest time of one task; default: 360
"""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule
from airflow.sdk.exceptions import AirflowTaskTimeout

from labelaudit.alerts import outbox
from labelaudit.contracts.model import Contract
from labelaudit.contracts.quality import AlertRoute
from labelaudit.errors import (
    AuditImpossible,
    ContractError,
    DeliveryRejected,
    InternalError,
    InvalidInput,
    ReleaseConflict,
    RunExpired,
    StorageUnavailable,
)
from labelaudit.run import steps, time_limits
from labelaudit.storage.opening import open_store
from labelaudit.storage.store import Store
from labelaudit.values.value import View
from labelaudit_airflow import connections

if TYPE_CHECKING:
    from airflow.sdk import Connection

PROJECT = Path(__file__).resolve().parents[2]
OURS = [ContractError, DeliveryRejected, AuditImpossible, InvalidInput, InternalError, ReleaseConflict, RunExpired]
RETRIES = ExceptionRetryPolicy(
    rules=[
        RetryRule(exception=OURS, action=RetryAction.FAIL, reason="trying again can't help: someone must act"),
        RetryRule(exception=AirflowTaskTimeout, action=RetryAction.FAIL, reason="it would take as long again"),
        RetryRule(exception=StorageUnavailable, action=RetryAction.RETRY, retry_delay=timedelta(seconds=30)),
    ]
)


def contracts_folder() -> Path:
    return Path(os.environ.get("LABELAUDIT_CONTRACTS") or PROJECT / "include" / "contracts")


def step_limit() -> timedelta:
    """How long one task may take."""
    return timedelta(minutes=time_limits.minutes(os.environ.get(time_limits.VARIABLE)))


def short_limit() -> timedelta:
    """The same in DAGs that look after every customer each 15 minutes: one that hangs must not hold up all for long."""
    return min(step_limit(), timedelta(hours=1))


def store() -> Store:
    from airflow.sdk import Connection

    default = "file://" + str(Path(os.environ.get("AIRFLOW_HOME", Path.home() / "airflow")) / "store")
    named = os.environ.get("LABELAUDIT_STORE_CONNECTION")
    credentials = _credentials(Connection.get(named)) if named else None
    return open_store(os.environ.get("LABELAUDIT_STORE") or default, credentials)


def destination(contract: Contract) -> Store:
    """The customer's store, with the credentials of the contract's own Connection.

    Raises ContractError for a place or a Connection that is not this customer's to use.
    """
    named, credentials = contract.destination.connection, None
    if named:
        connection = connections.granted(named, contract.customer, contract.dataset, "destination.connection")
        if connection.conn_type != "aws":  # without keys in it our own would serve
            kind = connection.conn_type
            problem = f"`destination.connection`: Connection {named!r} is of type {kind}; name one of type aws"
            raise ContractError(f"{contract.id}.yaml", [problem])
        credentials = _credentials(connection)
    folders = [
        Path(folder) for folder in os.environ.get("LABELAUDIT_FILE_DESTINATIONS", "").split(os.pathsep) if folder
    ]
    return steps.open_destination(contract, store(), credentials, folders)


def _credentials(connection: Connection) -> dict[str, Any]:
    """Arguments of boto3's client from a Connection of type `aws`: login, password, and extra (region, endpoint…)."""
    extra = connection.extra_dejson
    named = {
        "aws_access_key_id": connection.login or extra.get("aws_access_key_id"),
        "aws_secret_access_key": connection.password or extra.get("aws_secret_access_key"),
        "aws_session_token": extra.get("aws_session_token"),
        "region_name": extra.get("region_name"),
        "endpoint_url": extra.get("endpoint_url"),
        "profile_name": extra.get("profile_name"),
    }
    return {name: value for name, value in named.items() if value}


def our_routes() -> list[AlertRoute]:
    return [AlertRoute.model_validate(route) for route in json.loads(os.environ.get("LABELAUDIT_ALERTS") or "[]")]


def alert_routes(contract: Contract | None = None) -> dict[View, list[AlertRoute]]:
    """Our own routes (internal), and the contract's (customer). One that both name is the customer's: it shows there
    what the customer may see."""
    ours = our_routes()
    theirs = list(contract.alerts) if contract else []
    shared = [route for route in ours if any(outbox.same_place(route, other) for other in theirs)]
    return {"internal": [route for route in ours if route not in shared], "customer": [*shared, *theirs]}


def recipients(contract: Contract | None = None) -> list[tuple[AlertRoute, View]]:
    """Every route, and what those at its end may see."""
    return [(route, view) for view, routes in alert_routes(contract).items() for route in routes]
