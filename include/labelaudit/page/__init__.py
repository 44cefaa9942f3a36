"""The page inside Airflow: what was published, what was rejected, which contracts are broken."""
