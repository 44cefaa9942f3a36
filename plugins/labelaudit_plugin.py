"""Puts Labelaudit's page into Airflow's navigation. Airflow executes every .py here: keep it the only one."""

import sys

from airflow.plugins_manager import AirflowPlugin


def _apps() -> list[dict]:
    """The app, in the api-server only: the scheduler and the workers load plugins too, and need no web framework."""
    if "airflow.api_fastapi.app" not in sys.modules:
        return []
    from labelaudit_airflow.page_app import app

    return [{"app": app, "url_prefix": "/labelaudit", "name": "Labelaudit"}]


class LabelauditPlugin(AirflowPlugin):
    name = "labelaudit"
    fastapi_apps = _apps()
    external_views = [  # noqa: RUF012 - Airflow's own declaration has no type to say
        {
            "name": "Labelaudit",
            "href": "/labelaudit/",
            "destination": "nav",
            "url_route": "labelaudit",
            "category": "browse",
        }
    ]
