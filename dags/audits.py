"""One Airflow DAG per contract. A broken contract is shown by the DAG `labelaudit__upkeep` and on the page."""

from airflow.sdk import get_parsing_context

from labelaudit_airflow import runtime
from labelaudit_airflow.audit_dags import audit_dags

globals().update(audit_dags(runtime.contracts_folder(), get_parsing_context().dag_id))
