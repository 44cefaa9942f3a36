"""The DAG that looks after the contracts: shows broken ones, and removes what retention no longer keeps."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from airflow.sdk import DAG, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from labelaudit.contracts.reading import contract_names, read_contract
from labelaudit.errors import ContractError
from labelaudit_airflow import alerts, runtime
from labelaudit_airflow.audit_dags import require_dag

DAG_ID = "labelaudit__upkeep"
DOC = """
## What
Checks every contract file, down to its Great Expectations, and removes what the contracts' `retention` no longer keeps:
old runs' files and table versions, and after years the history, audits and rejects. A run that waits for an answer
keeps its files.

## When
Daily at 04:00 UTC, or by hand: trigger it after a contract was changed.

## When it fails
`check_contract` fails for each broken contract, named by its file; its log says line, field and the nearest valid name.
That customer's DAG is missing until the file is mended; the others run. `expire` failing with StorageUnavailable: the
store does not answer; clear it later.
"""


def upkeep_dag() -> DAG:
    with DAG(
        dag_id=DAG_ID,
        schedule="0 4 * * *",
        start_date=datetime(2026, 1, 1),
        catchup=False,
        max_active_runs=1,
        tags=["labelaudit"],
        description="Checks the contracts, and removes what has expired",
        doc_md=DOC,
        default_args={
            "retries": 2,
            "retry_delay": timedelta(minutes=5),
            "retry_policy": runtime.RETRIES,
            "execution_timeout": runtime.step_limit(),
            "on_failure_callback": alerts.on_failure(None, "upkeep"),
        },
    ) as made:
        paths = contract_files()
        check_contract.expand(path=paths)
        expire.expand(path=paths)
    return made


@task
def contract_files() -> list[str]:
    """The contract files that are there now."""
    return contract_names(runtime.contracts_folder())


@task(map_index_template="{{ contract }}")
def check_contract(path: str) -> None:
    """Read one contract, hold its checks against Great Expectations, and make its DAG."""
    get_current_context()["contract"] = path
    contract = read_contract(runtime.contracts_folder() / path)
    require_dag(contract)
    if contract.checks:
        from labelaudit.check.expectations import validate_checks

        if problems := validate_checks(contract):
            raise ContractError(path, problems)


@task(map_index_template="{{ contract }}")
def expire(path: str) -> dict:
    """Remove what this contract's retention no longer keeps."""
    from labelaudit.run.expiry import expire as expire_contract

    get_current_context()["contract"] = path
    try:
        contract = read_contract(runtime.contracts_folder() / path)
    except ContractError as error:
        raise AirflowSkipException(f"{path} is broken, see check_contract: nothing was removed") from error
    return expire_contract(contract, runtime.store(), runtime.destination(contract), time.time()).model_dump()
