"""The DAG `labelaudit__alerts`: sends the alerts that could not be sent (airflow)."""

from labelaudit_airflow.alerts_dag import alerts_dag

alerts_dag()
