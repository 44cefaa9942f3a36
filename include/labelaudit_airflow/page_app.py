"""The page, behind Airflow's own login: a plugin's FastAPI app gets no authentication unless it asks for it."""

from __future__ import annotations

from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
from airflow.api_fastapi.core_api.security import requires_access_view
from fastapi import Depends

from labelaudit.page.app import create_app
from labelaudit_airflow import runtime

app = create_app(
    contracts=runtime.contracts_folder,
    store=runtime.store,
    destination=runtime.destination,
    dependencies=[Depends(requires_access_view(AccessView.PLUGINS))],
)
