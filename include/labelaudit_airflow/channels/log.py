"""The task's own log."""

from __future__ import annotations

import logging
from typing import Any

from labelaudit.alerts.outbox import Entry

log = logging.getLogger("airflow.task.labelaudit")


def send(entry: Entry, context: Any) -> None:
    message = entry.message
    log.warning("ALERT %s\n%s\n%s", message.subject, message.text, message.link)
