"""Where Airflow and Labelaudit meet; nothing else imports both."""
