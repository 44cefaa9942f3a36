"""The DAGs of all contracts, each made by itself: one that can't be made takes no other customer's away."""

from __future__ import annotations

import logging
from pathlib import Path

from airflow.sdk import DAG

from labelaudit.contract import Contract
from labelaudit.contracts import read_contracts
from labelaudit.errors import ContractError
from labelaudit_airflow.audit_dag import audit_dag

log = logging.getLogger(__name__)


def audit_dags(folder: Path) -> dict[str, DAG]:
    """The DAG of every sound contract, by its id.

    What is left out is shown by `labelaudit__upkeep` (a task of its own, failed) and on the page.
    """
    made: dict[str, DAG] = {}
    for contract in read_contracts(folder)[0]:
        try:
            dag = valid_dag(contract)
            if dag.dag_id in made:
                raise ContractError(f"{contract.id}.yaml", [f"another contract's DAG is called {dag.dag_id}, too"])
            made[dag.dag_id] = dag
        except Exception:  # an import error of this file would mark every customer's DAG as stale
            log.exception("the DAG of %s can't be made", contract.id)
    return made


def valid_dag(contract: Contract) -> DAG:
    """The contract's DAG, as Airflow takes it into its bag. Raises whatever Airflow has against it."""
    dag = audit_dag(contract)
    dag.validate()
    return dag


def require_dag(contract: Contract) -> None:
    """Raise ContractError where Airflow can't make the contract's DAG, or not store it."""
    from airflow.serialization.serialized_objects import DagSerialization

    try:
        DagSerialization.to_dict(valid_dag(contract))
    except Exception as error:  # whatever Airflow raises, its reader is who mends the contract
        problem = f"Airflow can't make its DAG: {type(error).__name__}: {error}"
        raise ContractError(f"{contract.id}.yaml", [problem]) from error
