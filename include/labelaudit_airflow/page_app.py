"""The page, behind Airflow's own login and permissions: a plugin's FastAPI app gets neither unless it asks for them."""

from __future__ import annotations

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import AccessView, DagDetails
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_view
from airflow.models.dag import DagModel
from fastapi import Depends

from labelaudit.page.app import create_app
from labelaudit_airflow import runtime
from labelaudit_airflow.audit_dag import dag_id_of
from labelaudit_airflow.audit_dags import require_dag
from labelaudit_airflow.upkeep_dag import DAG_ID as UPKEEP


class AirflowUser:
    """What the auth manager says of the user who asks.

    A DAG is always asked for by its id: without one, FAB says yes to whoever may read any. One that Airflow does not
    know (its contract is new, or was broken from the start) has no team yet: it is for those who see the upkeep's DAG.
    """

    def __init__(self, user: GetUserDep):
        self.user = user

    def may_read(self, customer: str, dataset: str) -> bool:
        return self._may("GET", dag_id_of(customer, dataset))

    def may_edit(self, customer: str, dataset: str) -> bool:
        return self._may("PUT", dag_id_of(customer, dataset))

    def sees_upkeep(self) -> bool:
        return self._may("GET", UPKEEP)

    def _may(self, method: str, dag_id: str) -> bool:
        asked = DagDetails(id=dag_id, team_name=DagModel.get_team_name(dag_id))
        allowed = get_auth_manager().is_authorized_dag(method=method, details=asked, user=self.user)
        if allowed and DagModel.get_dagmodel(dag_id) is None:
            return dag_id != UPKEEP and self.sees_upkeep()
        return allowed


app = create_app(
    contracts=runtime.contracts_folder,
    store=runtime.store,
    destination=runtime.destination,
    viewer=AirflowUser,
    require=require_dag,
    dependencies=[Depends(requires_access_view(AccessView.PLUGINS))],
)
