"""The DAGs of all contracts, each made by itself: one that can't be made takes no other customer's away.

`python -m labelaudit_airflow.audit_dags FOLDER` prints, as JSON, what Airflow has against those of sound contracts; the
command `labelaudit contracts`, which knows no Airflow, asks so.
"""

from __future__ import annotations

import json
import logging
import sys
from functools import lru_cache
from pathlib import Path

from airflow.sdk import DAG

from labelaudit.contracts.model import Contract
from labelaudit.contracts.reading import read_contracts
from labelaudit.errors import ContractError
from labelaudit_airflow.audit_dag import audit_dag, dag_id_of

log = logging.getLogger(__name__)


def audit_dags(folder: Path, only: str | None = None) -> dict[str, DAG]:
    """The DAG of every sound contract, by its id; with `only`, that one: a task needs no other, and would wait for the
    DAGs of all other customers.

    What is left out is shown by `labelaudit__upkeep` (a task of its own, failed), on the page, and by `labelaudit
    contracts`. Where not one can be made, it is no contract's fault, and the last error is raised.
    """
    made: dict[str, DAG] = {}
    failed: Exception | None = None
    contracts, _ = read_contracts(folder, lambda path: only in (None, dag_id_of(path.parent.name, path.stem)))
    for contract in contracts:
        try:
            dag = valid_dag(contract)
            if dag.dag_id in made:
                raise ContractError(f"{contract.id}.yaml", [f"another contract's DAG is called {dag.dag_id}, too"])
            made[dag.dag_id] = dag
        except Exception as error:  # an import error of this file would mark every customer's DAG as stale
            log.exception("the DAG of %s can't be made", contract.id)
            failed = error
    if failed and not made:
        raise failed
    return made


def valid_dag(contract: Contract) -> DAG:
    """The contract's DAG, as Airflow takes it into its bag. Raises whatever Airflow has against it."""
    dag = audit_dag(contract)
    dag.validate()
    return dag


def require_dag(contract: Contract) -> None:
    """Raise ContractError where Airflow can't make the contract's DAG, or not store it."""
    if problem := _problem(contract.model_dump_json()):
        raise ContractError(f"{contract.id}.yaml", [problem])


@lru_cache(maxsize=1000)  # the page asks for every contract each time that it is looked at
def _problem(terms: str) -> str:
    from airflow.serialization.serialized_objects import DagSerialization

    try:
        DagSerialization.to_dict(valid_dag(Contract.model_validate_json(terms)))
    except Exception as error:  # whatever Airflow raises, its reader is who mends the contract
        return f"Airflow can't make its DAG: {type(error).__name__}: {error}"
    return ""


def main(folder: Path) -> None:
    problems = {}
    for contract in read_contracts(folder)[0]:
        try:
            require_dag(contract)
        except ContractError as error:
            problems[error.where] = error.problems
    print(json.dumps(problems))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
