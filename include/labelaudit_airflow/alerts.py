"""Sends alerts by Airflow's notifiers, from the outbox: posted first, so that a killed task loses none, and sent once.

A route that fails never stops the others, nor a release; what it did not take waits for the next try.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterable, Sequence
from typing import Any

from labelaudit.alerts import messages, outbox
from labelaudit.alerts.messages import Message
from labelaudit.alerts.outbox import Entry
from labelaudit.contracts.channels import CHANNELS
from labelaudit.contracts.model import Contract
from labelaudit.contracts.quality import AlertRoute
from labelaudit.detect.findings_file import read_findings
from labelaudit.errors import LabelauditError
from labelaudit.publish import customer_view
from labelaudit.storage.store import Store
from labelaudit.values.deliveries import CheckedDelivery
from labelaudit.values.releases import Audit, Release
from labelaudit.values.value import View
from labelaudit.values.verdicts import Verdict
from labelaudit_airflow import channels, connections, runtime

log = logging.getLogger("airflow.task.labelaudit")
ADDRESS = re.compile(r"https?://[^\s'\"<>]+|/services/[^\s'\"<>]+")
"""In errors of services: the address of a Slack webhook is its secret."""


def of_run(
    contract: Contract,
    store: Store,
    view: View,
    checked: Iterable[CheckedDelivery],
    audit: Audit | None = None,
    verdict: Verdict | None = None,
    release: Release | None = None,
) -> list[Message]:
    """Everything that a run has to say to those with this view."""
    findings = read_findings(store, audit) if audit else None
    see = customer_view.seeing(contract, store, view, findings)
    rejected = [(see(delivery), store.uri_of(delivery.report)) for delivery in checked if not delivery.accepted]
    return messages.of_run(contract, rejected, see(audit), see(verdict), release, findings.worst if findings else ())


def of_question(
    contract: Contract, store: Store, view: View, audit: Audit, verdict: Verdict, link: str
) -> list[Message]:
    """What a held release asks about, for those with this view; `link` leads to the question."""
    findings = read_findings(store, audit)
    see = customer_view.seeing(contract, store, view, findings)
    return messages.of_release(contract, see(audit), see(verdict), None, findings.worst, link)


def tell(
    store: Store,
    customer: str,
    dataset: str,
    messages: Iterable[Message],
    routes: Sequence[AlertRoute],
    context: Any,
    view: View = "customer",
) -> list[str]:
    """Post, then send what waits for these routes; gives what failed, one line a route and message."""
    outbox.post(store, customer, dataset, messages, routes, time.time(), view)
    return send_waiting(store, customer, dataset, routes, context, view)


def send_waiting(
    store: Store,
    customer: str,
    dataset: str,
    routes: Sequence[AlertRoute] | None,
    context: Any,
    view: View = "internal",
) -> list[str]:
    """Send everything that waits for these routes (None: all), oldest first; gives what failed.

    view: what those at the routes' ends may see; `customer`: nothing that was written for ourselves.
    """
    failed, behind = [], set()  # of one cause, what comes later waits for what came first: no end before its beginning
    for entry in outbox.waiting(store, customer, dataset):
        if entry.view == "internal" and view == "customer":
            continue
        if routes is not None and not any(outbox.same_place(entry.route, route) for route in routes):
            continue
        cause = (entry.route.via, entry.route.connection, entry.message.cause or entry.id)
        if cause in behind:
            continue
        claimed = outbox.claim(store, customer, dataset, entry, time.time())
        if claimed is None:
            continue
        try:
            send(entry, context)
        except Exception as error:  # a notifier raises whatever its service's client does
            said = _shown(error)
            outbox.mark_failed(store, customer, dataset, claimed, said, time.time())
            behind.add(cause)
            failed.append(f"{entry.route.via} {entry.route.connection or ', '.join(entry.route.to)}: {said}")
            log.warning("alert %s could not be sent by %s: %s", entry.message.key, entry.route.via, said)
        else:
            outbox.mark_sent(store, customer, dataset, claimed, time.time())
    return failed


def _shown(error: Exception) -> str:
    return ADDRESS.sub("(address)", f"{type(error).__name__}: {error}")


def send(entry: Entry, context: Any) -> None:
    """Send one message by its route. Raises ContractError where the route's Connection is not the customer's to use."""
    _require_granted(entry)
    channels.send(entry, context)


def _require_granted(entry: Entry) -> None:
    """Of routes of our own nothing is asked, also where a contract names them too."""
    route, message = entry.route, entry.message
    channel = CHANNELS[route.via]
    if channel.connection and not any(outbox.same_place(route, ours) for ours in runtime.our_routes()):
        named = route.connection or channel.default_connection
        connections.granted(named, message.customer, message.dataset, "alerts[].connection")


def on_failure(contract: Contract | None, what: str):
    """A callback for tasks: tells the routes of `failure` what broke, and where its log is."""

    def told(context: Any) -> None:
        task, error = context["ti"], context.get("exception")
        customer, dataset = (contract.customer, contract.dataset) if contract else outbox.OURS
        log_url = getattr(task, "log_url", "") or ""
        for view, routes in runtime.alert_routes(contract).items():
            shown = messages.error_text(error, contract, view)
            message = messages.failure(customer, dataset, f"{what}, {_named(task)}", shown, log_url, _once(task))
            try:
                tell(runtime.store(), customer, dataset, [message], routes, context, view)
            except LabelauditError:  # the store itself is what does not answer
                log.exception("the outbox can't be reached; %s is sent without it", message.key)
                for route in routes:
                    if not outbox.wants(route, message):
                        continue
                    try:
                        send(Entry(id="", message=message, route=route, posted=time.time(), view=view), context)
                    except Exception as failed:  # as in `send_waiting`: the other routes are told
                        log.warning("%s could not be sent by %s: %s", message.key, route.via, _shown(failed))

    return told


def _named(task: Any) -> str:
    """A task of a run as people know it; of a mapped one, which."""
    mapped = task.map_index is not None and task.map_index >= 0
    which = f" ({getattr(task, 'rendered_map_index', None) or task.map_index})" if mapped else ""
    return f"task {task.task_id}{which} of run {task.run_id}"


def _once(task: Any) -> str:
    """What one failure is told once by: another mapped task's, and that of a task cleared since, are news."""
    return f"{task.dag_id}/{task.run_id}/{task.task_id}/{task.map_index}/{task.try_number}"
