"""The question to a person whether a held release is published; skipped where nothing is held."""

from __future__ import annotations

from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param
from airflow.sdk.exceptions import AirflowSkipException

from labelaudit import messages
from labelaudit.contract import Contract
from labelaudit.values import Audit, Verdict
from labelaudit_airflow import alerts, runtime

PUBLISH, REJECT = "publish", "reject"


class Approve(HITLOperator):
    """Waits in the state `awaiting_input`: no worker and no slot is held meanwhile."""

    def __init__(self, *, contract: Contract, **arguments: Any):
        arguments["params"] = {"note": Param("", type="string", description="Why; it stands in the report.")}
        super().__init__(
            subject=f"Publish the held release of {contract.id}?", body="", options=[PUBLISH, REJECT], **arguments
        )
        self.contract = contract

    def execute(self, context: Any) -> Any:
        task = context["ti"]
        verdict: Verdict = task.xcom_pull(task_ids="judge")
        if verdict.action == "publish":
            raise AirflowSkipException("nothing is held")
        audit: Audit = task.xcom_pull(task_ids="detect")
        message = messages.breach(self.contract, audit, verdict, None)
        self.body = f"{message.text}\n\nRelease {audit.release}, digest `{audit.digest}`."
        alerts.send_all([message], runtime.alert_routes(self.contract), context)
        return super().execute(context)


def answer(verdict: Verdict, response: dict[str, Any] | None) -> tuple[str, str]:
    """What the person chose, and their note with their name; `publish` where nobody was asked."""
    if verdict.action == "publish":
        return PUBLISH, ""
    if not response:
        return REJECT, "nobody answered"
    who = response.get("responded_by_user") or {}
    name = who.get("name") or who.get("id") or "someone"
    note = (response.get("params_input") or {}).get("note") or "no reason given"
    return response["chosen_options"][0], f"{note} ({name})"
