"""Sends messages by Airflow's notifiers. A route that fails never stops the others, nor a release."""

from __future__ import annotations

import html
import logging
from collections.abc import Iterable, Sequence
from typing import Any

from labelaudit.contract import Contract
from labelaudit.messages import Message, failure
from labelaudit.quality_terms import AlertRoute
from labelaudit_airflow import runtime

log = logging.getLogger("airflow.task.labelaudit")


def send(message: Message, route: AlertRoute, context: Any) -> None:
    """Send one message by one route.

    By `notify`, not by calling the notifier: that would render the text as a Jinja template, with vendors' words in it.
    """
    if message.event not in route.on:
        return
    if route.via == "log":
        log.warning("ALERT %s\n%s\n%s", message.subject, message.text, message.link)
        return
    _notifier(message, route).notify(context)


def send_all(messages: Iterable[Message], routes: Sequence[AlertRoute], context: Any) -> list[str]:
    """Send all by all routes; gives what failed, one line a route and message."""
    failed = []
    for message in messages:
        for route in routes:
            try:
                send(message, route, context)
            except Exception as error:  # a notifier raises whatever its service's client does
                failed.append(f"{route.via} {route.connection or ', '.join(route.to)}: {error}")
                log.exception("alert %s could not be sent by %s", message.key, route.via)
    return failed


def on_failure(contract: Contract | None, what: str):
    """A callback for tasks: tells the routes of `failure` what broke, and where its log is."""

    def tell(context: Any) -> None:
        task, error = context["ti"], context.get("exception")
        customer, dataset = (contract.customer, contract.dataset) if contract else ("labelaudit", "")
        message = failure(
            customer,
            dataset,
            f"{what}, task {task.task_id} of run {task.run_id}",
            f"{type(error).__name__}: {error}",
            getattr(task, "log_url", "") or "",
        )
        send_all([message], runtime.alert_routes(contract), context)

    return tell


def _notifier(message: Message, route: AlertRoute) -> Any:
    link = f"\n\n{message.link}" if message.link else ""
    if route.via == "email":
        from airflow.providers.smtp.notifications.smtp import SmtpNotifier

        text = html.escape(message.text + link).replace("\n", "<br>\n")
        return SmtpNotifier(
            to=list(route.to),
            subject=" ".join(f"[labelaudit] {message.subject}".split()),
            html_content=f"<p>{text}</p>",
            **({"smtp_conn_id": route.connection} if route.connection else {}),
        )
    if route.via == "slack":
        from airflow.providers.slack.notifications.slack_webhook import SlackWebhookNotifier

        words = f"*{message.subject}*\n{message.text}{link}"
        escaped = words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return SlackWebhookNotifier(slack_webhook_conn_id=route.connection, text=escaped, unfurl_links=False)
    from airflow.providers.http.notifications.http import HttpNotifier

    return HttpNotifier(http_conn_id=route.connection, json=message.model_dump(mode="json"))
