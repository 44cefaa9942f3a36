"""The question to a person whether a held release is published; skipped where nothing is held."""

from __future__ import annotations

import re
from datetime import UTC, timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param
from airflow.sdk.exceptions import AirflowSkipException

from labelaudit.contracts.model import Contract
from labelaudit.errors import StorageUnavailable
from labelaudit.values.releases import Audit
from labelaudit.values.verdicts import Answer, Verdict
from labelaudit_airflow import alerts, runtime

APPROVE, REJECT, PUBLISH = "approve", "reject", "publish with a note"
ASKED = "asked_about"
"""XCom key: the digest of the release that the question showed."""


class Approve(HITLOperator):
    """Waits in the state `awaiting_input`: no worker and no slot is held meanwhile. Gives an Answer.

    A time-out of the contract is kept by the scheduler; it takes the contract's choice. The question is written for
    the customer's eyes: whoever may read the DAG reads it.
    """

    def __init__(self, *, contract: Contract, **arguments: Any):
        hours = contract.approval.timeout_hours
        if hours is not None:
            arguments["response_timeout"] = timedelta(hours=hours)
            arguments["defaults"] = PUBLISH if contract.approval.on_timeout == "publish" else REJECT
        arguments["params"] = {
            "note": Param(None, type=["null", "string"], description="Why; in the report, or read by the vendor."),
            "deliveries": Param(
                None,
                type=["null", "array"],
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
        self.execution_timeout = runtime.step_limit()  # given before, it would end a person's time to answer

    def execute(self, context: Any) -> Any:
        task = context["ti"]
        verdict: Verdict = task.xcom_pull(task_ids="judge")
        if verdict.action != "hold":
            raise AirflowSkipException("nothing is held")
        audit: Audit = task.xcom_pull(task_ids="detect")
        store, contract = runtime.store(), self.contract
        link = HITLOperator.generate_link_to_ui_from_context(context=context)
        told = {
            view: alerts.of_question(contract, store, view, audit, verdict, link) for view in ("internal", "customer")
        }
        report = f"/labelaudit/datasets/{contract.id}/releases/{audit.release}"
        question = "\n\n".join(message.text for message in told["customer"] if not message.resolved)
        self.body = (
            f"{as_text(question)}\n\n[The report, as it would be published]({report}).\n\n"
            f"Release {audit.release}, digest `{audit.digest}`: the answer is for this and no other."
        )
        try:
            for view, routes in runtime.alert_routes(contract).items():
                alerts.tell(store, *contract.id.split("/"), told[view], routes, context, view)
        except StorageUnavailable:  # the question stands all the same
            alerts.log.exception("the question could not be told")
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
            note=given.get("note") or ("" if who else "nobody answered in time"),
            digest=context["ti"].xcom_pull(task_ids=self.task_id, key=ASKED),
            deliveries=tuple(given.get("deliveries") or ()),
        )


def as_text(text: str) -> str:
    """For a field that is shown as Markdown: vendors' words make no links, pictures or markup in it."""
    return re.sub(r"([\\`*_{}\[\]<>()#!|~])", r"\\\1", text).replace("\n", "  \n")
