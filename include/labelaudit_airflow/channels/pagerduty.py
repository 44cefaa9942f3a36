"""PagerDuty's Events API v2: what begins opens an alert there, what ends resolves it."""

from __future__ import annotations

from typing import Any

from labelaudit.alerts.messages import Message
from labelaudit.alerts.outbox import Entry
from labelaudit_airflow.channels import OWN_HEADERS


def send(entry: Entry, context: Any) -> None:
    from airflow.providers.http.notifications.http import HttpNotifier

    connection = entry.route.connection
    body = _page(entry.message, connection)
    HttpNotifier(http_conn_id=connection, endpoint="v2/enqueue", json=body, headers=OWN_HEADERS).notify(context)


def _page(message: Message, connection: str) -> dict[str, Any]:
    """An event; the Connection's password is the routing key."""
    from airflow.sdk import Connection

    page = {
        "routing_key": Connection.get(connection).password,
        "event_action": "resolve" if message.resolved else "trigger",
        "dedup_key": (message.cause or message.key)[:255],
    }
    if not message.resolved:
        page["payload"] = {
            "summary": message.subject[:1024],
            "source": f"labelaudit {message.customer}/{message.dataset}",
            "severity": message.severity,
            "custom_details": {"text": message.text},
        }
        page["links"] = [{"href": message.link, "text": "report"}] if message.link.startswith("http") else []
    return page
