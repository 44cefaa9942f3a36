"""One DAG per contract. Every task is one call of a step; this module wires, and decides nothing."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from airflow.sdk import DAG, Asset, Param, TriggerRule, get_current_context, task, task_group
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from labelaudit.contracts.model import Contract
from labelaudit.run import steps
from labelaudit.storage import layout
from labelaudit.values.deliveries import CheckedDelivery, Delivery, Found, StagedDelivery
from labelaudit.values.releases import Audit, Release
from labelaudit.values.verdicts import Answer, Verdict
from labelaudit_airflow import alerts, approval, runtime

DOC = """
## What
Audits what vendors delivered for **{id}**: checks the contract, finds the wrong labels, publishes a release.

{description}

## When
{schedule} (UTC), or by hand: *Trigger* opens a form. `deliveries` (as `vendor/id`) takes only those; `again` audits
what was published or rejected once more; `hold` asks before publishing.

## Inputs and outputs
In: `inbox/<vendor>/{id}/<delivery>/` of the store, from {vendors}. Out: the Delta tables `labels`, `annotations` and
`quality`, and `releases/<release>/report.html`, at `{destination}`. Asset: `{asset}`.

## When it fails
* **A delivery is rejected**: no failure; the others went on. Its report for the vendor is in `rejections/{id}/` of the
  store, and on the page *Labelaudit*.
* **`approve` waits**: a limit is breached or an incident is open, and the contract says `hold`; or acceptance is not
  decided. Read the question and the report that it links to; answer approve, reject, or publish with a note. If answers
  of a human audit are missing: `labelaudit answers`, then clear `judge`. A rejection takes the deliveries that the
  verdict blames (or those you name); trigger the DAG again for the others.
* **`publish`: the answer is about another release**: something before it was cleared. Clear `approve`: it asks again.
* **`find`, `publish`: StorageUnavailable**: the store does not answer; retried three times, then clear the task.
* **RunExpired**: the run's files were removed (`retention.runs_days`). Trigger the DAG again: what was not published
  still waits. A run that waits for an answer keeps its files.
* **`publish`: ReleaseConflict**: another run published first. Clear the run from `find`.
* **AirflowTaskTimeout**: the task took longer than `LABELAUDIT_STEP_MINUTES`. Its log says where it was; clear it on an
  idle machine, or allow more.
* **`detect`: AuditImpossible**: no predictions and no item with two annotators. Mend the contract.
* **`detect`: ContractError about `gold`**: the file of known labels is missing in the store, or a line of it is wrong.
  `labelaudit gold FILE --to {id}`, then clear the task.
* **A breach that says "audit invalid"**: the detector finds no more of the wrong labels planted for it than of any
  labels. Look at the predictions (or the overlap of annotators) before anything else.
* **`alert` fails**: the release is out; only the message is missing, and waits in the outbox. Mend the Connection;
  `labelaudit__alerts` sends it within 15 minutes.

Every task is safe to clear at any time: nothing is published twice, or half.
"""

REFUSED = "refused"
"""XCom key of `publish`: the deliveries of a held release that a person or the contract's acceptance rejected."""


def dag_id(contract: Contract) -> str:
    return dag_id_of(contract.customer, contract.dataset)


def dag_id_of(customer: str, dataset: str) -> str:
    """`audit__<customer>__<dataset>`. A dot joins names that have `__` themselves: `a/b__c` is not `a__b/c`.

    >>> dag_id_of("acme", "pets"), dag_id_of("a", "b__c"), dag_id_of("a__b", "c")
    ('audit__acme__pets', 'audit__a.b__c', 'audit__a__b.c')
    """
    between = "." if "__" in customer or "__" in dataset else "__"
    return f"audit__{customer}{between}{dataset}"


def asset(contract: Contract) -> Asset:
    """Updated by every release; other DAGs can be scheduled on it."""
    return Asset(name=dag_id(contract), uri=f"labelaudit://{contract.customer}/{contract.dataset}", group="labelaudit")


def audit_dag(contract: Contract, retries: int = 3) -> DAG:
    """The DAG of a contract."""
    with DAG(
        dag_id=dag_id(contract),
        schedule=contract.schedule,
        start_date=datetime(2026, 1, 1),
        catchup=False,
        max_active_runs=1,
        tags=["labelaudit", "audit", contract.customer, contract.dataset],
        description=contract.description or f"Audits deliveries of {contract.id}",
        doc_md=_doc(contract),
        params={
            "deliveries": Param(
                [], type="array", items={"type": "string"}, description="vendor/id, one a line; empty: all that wait"
            ),
            "again": Param(False, type="boolean", description="audit what was published or rejected once more"),
            "hold": Param(False, type="boolean", description="ask before publishing"),
        },
        default_args={
            "retries": retries,
            "retry_delay": timedelta(minutes=2),
            "retry_policy": runtime.RETRIES,
            "execution_timeout": runtime.step_limit(),
            "on_failure_callback": alerts.on_failure(contract, "audit"),
        },
    ) as made:
        _wire(contract)
    return made


def _wire(contract: Contract) -> None:
    @task
    def find(params: dict, run_id: str) -> list[Delivery]:
        """See what waits in the inbox."""
        found = steps.find(
            contract,
            runtime.store(),
            runtime.destination(contract),
            layout.run_name(run_id),
            params["deliveries"],
            params["again"],
        )
        get_current_context()["ti"].xcom_push("found", found)
        return list(found.deliveries)

    @task(map_index_template="{{ delivery }}")
    def stage(delivery: Delivery, run_id: str) -> StagedDelivery:
        """Read the delivery into canonical Parquet."""
        get_current_context()["delivery"] = delivery.name
        return steps.stage(contract, delivery, runtime.store(), layout.run_name(run_id))

    @task(map_index_template="{{ delivery }}")
    def check(staged: StagedDelivery, run_id: str) -> CheckedDelivery:
        """Hold the rows against the contract."""
        get_current_context()["delivery"] = staged.delivery.name
        return steps.check(contract, staged, runtime.store(), layout.run_name(run_id))

    @task_group
    def audited(delivery: Delivery) -> CheckedDelivery:
        return check(stage(delivery))

    @task(trigger_rule=TriggerRule.ALL_DONE_MIN_ONE_SUCCESS)
    def detect(found: Found, checked: list[CheckedDelivery]) -> Audit:
        """Find the wrong labels."""
        audit = steps.detect(contract, found, _several(checked), runtime.store(), runtime.destination(contract))
        if audit is None:
            raise AirflowSkipException("every delivery was rejected")
        return audit

    @task
    def judge(audit: Audit, params: dict) -> Verdict:
        """Compare with the contract's limits and the releases before."""
        return steps.judge(contract, audit, runtime.store(), runtime.destination(contract), params["hold"], _run_time())

    @task(outlets=[asset(contract)], trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)
    def publish(audit: Audit, verdict: Verdict) -> Release:
        """One atomic commit."""

        def refuse(answer: Answer | None) -> None:
            refused = steps.reject_held(contract, audit, verdict, answer, runtime.store(), _run_time())
            get_current_context()["ti"].xcom_push(REFUSED, list(refused))

        if verdict.action == "reject":
            refuse(None)
            raise AirflowSkipException(f"rejected by the contract's acceptance: {verdict.reason}")
        if verdict.action == "hold":
            answer: Answer = get_current_context()["ti"].xcom_pull(task_ids="approve")
            if answer.digest != audit.digest:
                raise AirflowFailException(
                    f"the answer is about another release ({answer.digest[:12]}) than this one ({audit.digest[:12]})."
                    " Clear `approve`: it asks again"
                )
            if answer.chosen == approval.REJECT:
                refuse(answer)
                raise AirflowSkipException(f"rejected by {answer.by}: {answer.note}")
            verdict = steps.released(verdict, answer)
        destination = runtime.destination(contract)
        release = steps.publish(contract, audit, verdict, runtime.store(), destination, _run_time())
        events = get_current_context()["outlet_events"]
        events[asset(contract)].extra = {"release": release.release, "digest": release.digest, "report": release.report}
        return release

    @task(trigger_rule=TriggerRule.ALL_DONE, map_index_template="{{ route }}")
    def alert(route: int, checked=None, audit=None, verdict=None, release=None) -> None:
        """Tell one route of breaches and rejections."""
        via, view = runtime.recipients(contract)[route]
        context = get_current_context()
        context["route"] = f"{route + 1}: {via.via}"
        store = runtime.store()
        refused = _several(context["ti"].xcom_pull(task_ids="publish", key=REFUSED))
        told = alerts.of_run(contract, store, view, [*_several(checked), *refused], audit, verdict, release)
        failed = alerts.tell(store, contract.customer, contract.dataset, told, [via], context, view)
        if failed:
            raise ConnectionError("; ".join(failed))

    @task(trigger_rule=TriggerRule.ALL_DONE)
    def record_rejections(checked=None) -> None:
        """Note what was rejected, so that the same bytes are not refused again tomorrow."""
        steps.record_rejections(contract, _several(checked), runtime.store(), _run_time())

    @task(trigger_rule=TriggerRule.ONE_FAILED, retries=0, on_failure_callback=None)
    def any_failed() -> None:
        """The run counts as failed if any task did, though what could be published was."""
        raise AirflowFailException("a task of this run failed; see the grid")

    deliveries = find()
    checked = audited.expand(delivery=deliveries)
    audit = detect(deliveries["found"], checked)
    verdict = judge(audit)
    asked = approval.Approve(
        task_id="approve",
        contract=contract,
        doc_md="Ask whether a held release is published.",
        execution_timeout=None,  # HITLOperator would take it for the time that a person has
        # answered within a second, Airflow (3.3.2, seen) takes the task for lost, and asks again after this
        retry_delay=timedelta(seconds=5),
    )
    release = publish(audit, verdict)
    verdict >> asked >> release
    told = alert.partial(checked=checked, audit=audit, verdict=verdict, release=release).expand(
        route=list(range(len(runtime.recipients(contract))))
    )
    recorded = record_rejections(checked)
    told >> recorded
    [checked, release, told, recorded] >> any_failed()


def _several(checked: CheckedDelivery | Iterable[CheckedDelivery] | None) -> list[CheckedDelivery]:
    """What a mapped group gave: of a single delivery, Airflow (3.3.2, seen) hands on the value and no list of one."""
    if isinstance(checked, CheckedDelivery):
        return [checked]
    return list(checked or ())


def _run_time() -> datetime:
    """When the run was to begin: the same for a task that is cleared and repeated."""
    return get_current_context()["dag_run"].run_after


def _doc(contract: Contract) -> str:
    return DOC.format(
        id=contract.id,
        description=approval.as_text(contract.description),
        schedule=f"`{contract.schedule}`" if contract.schedule else "Not by itself",
        vendors=", ".join(contract.vendors),
        destination=contract.destination.uri or f"published/{contract.id} of the store",
        asset=dag_id(contract),
    )
