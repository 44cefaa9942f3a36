"""The Airflow DAG that checks the contracts and removes what has expired."""

from labelaudit_airflow.upkeep_dag import upkeep_dag

dag = upkeep_dag()
