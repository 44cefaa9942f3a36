"""One Airflow DAG per contract. A broken contract is shown by the DAG `labelaudit__upkeep` and on the page."""

from labelaudit.contracts import read_contracts
from labelaudit_airflow import runtime
from labelaudit_airflow.audit_dag import audit_dag, dag_id

for contract in read_contracts(runtime.contracts_folder())[0]:
    globals()[dag_id(contract)] = audit_dag(contract)
