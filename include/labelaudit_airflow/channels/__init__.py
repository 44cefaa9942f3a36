"""How each channel of `labelaudit.contracts.channels` is served: a module a channel, `send(entry, context)`.

By a notifier's `notify`, not by calling it: that would render the text as a Jinja template, with vendors' words in it.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from labelaudit.alerts.messages import Message
from labelaudit.alerts.outbox import Entry
from labelaudit.contracts.channels import CHANNELS
from labelaudit.errors import InternalError
from labelaudit_airflow import connections

OWN_HEADERS = {connections.CUSTOMERS: None}
"""HttpHook makes a header of each key of the extra; None takes it out again: it is no text, and nobody's business."""


def send(entry: Entry, context: Any) -> None:
    """Send one message by its route's channel. Raises InternalError where we have none of that name, else whatever the
    channel's client raises."""
    via = entry.route.via
    path = f"{__name__}.{via}"
    if via not in CHANNELS or find_spec(path) is None:
        raise InternalError(f"channel {via!r} is not in contracts/channels.py, or has no module {path}")
    import_module(path).send(entry, context)


def with_link(message: Message) -> str:
    """The message's text, and where it leads."""
    return f"{message.text}\n\n{message.link}" if message.link else message.text
