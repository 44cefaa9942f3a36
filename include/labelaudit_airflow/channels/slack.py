"""Slack, by an incoming webhook."""

from __future__ import annotations

from typing import Any

from labelaudit.alerts.outbox import Entry
from labelaudit_airflow.channels import with_link


def send(entry: Entry, context: Any) -> None:
    from airflow.providers.slack.notifications.slack_webhook import SlackWebhookNotifier

    words = f"*{entry.message.subject}*\n{with_link(entry.message)}"
    escaped = words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    SlackWebhookNotifier(
        slack_webhook_conn_id=entry.route.connection,
        text=escaped,
        unfurl_links=False,
        retry_handlers=[],  # the client's own retries would send again what was taken and not answered
    ).notify(context)
