"""Where Airflow and Labelaudit meet; nothing else imports both. Comes with `pip install 'labelaudit[airflow]'`."""

from importlib.util import find_spec

if (spec := find_spec("airflow")) is None or spec.origin is None:  # no origin: a folder that is called so
    raise ModuleNotFoundError(
        "labelaudit_airflow needs Apache Airflow, which is not installed here: pip install 'labelaudit[airflow]'",
        name="airflow",
    )
