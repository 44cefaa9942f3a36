"""The question to a person whether a held release is published; skipped where nothing is held."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param
from airflow.sdk.exceptions import AirflowSkipException

from labelaudit import messages
from labelaudit.contract import Contract
from labelaudit.values import Audit
from labelaudit.verdicts import Answer, Verdict
from labelaudit_airflow import alerts, runtime

APPROVE, REJECT, PUBLISH = "approve", "reject", "publish with a note"
ASKED = "asked_about"
"""XCom key: the digest of the release that the question showed."""


class Approve(HITLOperator):
    """Waits in the state `awaiting_input`: no worker and no slot is held meanwhile. Gives an Answer.

    A time-out of the contract is kept by the scheduler; it takes the contract's choice.
    """

    def __init__(self, *, contract: Contract, **arguments: Any):
        hours = contract.approval.timeout_hours
        if hours is not None:
            arguments["response_timeout"] = timedelta(hours=hours)
            arguments["defaults"] = PUBLISH if contract.approval.on_timeout == "publish" else REJECT
        arguments["params"] = {
            "note": Param("", type="string", description="Why; it stands in the report and the manifest."),
            "deliveries": Param(
                [],
                type="array",
                items={"type": "string"},
                description="to reject (vendor/id, one a line); empty: those that the verdict names, or all",
            ),
        }
        super().__init__(
            subject=f"Publish the held release of {contract.id}?",
            body="",
            options=[APPROVE, REJECT, PUBLISH],
            **arguments,
        )
        self.contract = contract

    def execute(self, context: Any) -> Any:
        task = context["ti"]
        verdict: Verdict = task.xcom_pull(task_ids="judge")
        if verdict.action != "hold":
            raise AirflowSkipException("nothing is held")
        audit: Audit = task.xcom_pull(task_ids="detect")
        message = messages.breach(self.contract, audit, verdict, None)
        self.body = f"{message.text}\n\nRelease {audit.release}, digest `{audit.digest}`."
        alerts.send_all([message], runtime.alert_routes(self.contract), context)
        task.xcom_push(ASKED, audit.digest)
        return super().execute(context)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> Answer:
        response = super().execute_complete(context, event)
        given = response["params_input"]
        who = response["responded_by_user"] or {}
        return Answer(
            chosen=response["chosen_options"][0],
            by=who.get("name") or who.get("id") or f"nobody, within {self.contract.approval.timeout_hours:g} hours",
            at=response["responded_at"].astimezone(UTC).isoformat(timespec="seconds"),
            note=given.get("note") or "",
            digest=context["ti"].xcom_pull(task_ids=self.task_id, key=ASKED),
            deliveries=tuple(given.get("deliveries") or ()),
        )
