"""Any address that takes JSON: the message as it is, with a key by which a copy is known."""

from __future__ import annotations

from typing import Any

from labelaudit.alerts.outbox import Entry
from labelaudit_airflow.channels import OWN_HEADERS


def send(entry: Entry, context: Any) -> None:
    from airflow.providers.http.notifications.http import HttpNotifier

    message = entry.message
    headers = {"Idempotency-Key": entry.id or message.key, **OWN_HEADERS}
    body = message.model_dump(mode="json")
    HttpNotifier(http_conn_id=entry.route.connection, json=body, headers=headers).notify(context)
