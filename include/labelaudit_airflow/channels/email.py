"""Mails, by SMTP."""

from __future__ import annotations

import html
import time
from typing import Any

from labelaudit.alerts.outbox import Entry
from labelaudit.contracts.channels import CHANNELS
from labelaudit_airflow.channels import with_link


def send(entry: Entry, context: Any) -> None:
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier

    message, route = entry.message, entry.route
    text = html.escape(with_link(message)).replace("\n", "<br>\n")
    SmtpNotifier(
        to=list(route.to),
        subject=" ".join(f"[labelaudit] {message.subject}".split()),
        html_content=f"<p>{text}</p>",
        custom_headers={"Message-ID": f"<{entry.id or time.time_ns()}@labelaudit>"},
        smtp_conn_id=route.connection or CHANNELS[route.via].default_connection,
    ).notify(context)
