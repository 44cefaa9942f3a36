"""The DAG `labelaudit__inbox`: looks at deliveries that come without a manifest (airflow)."""

from labelaudit_airflow.inbox_dag import inbox_dag

inbox_dag()
