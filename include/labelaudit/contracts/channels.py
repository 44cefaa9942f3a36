"""Every channel that an alert can go by. A new one is a line here and its module in `labelaudit_airflow.channels`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Channel:
    """One channel: `via` of a route. `needs` is the address that a route by it can't leave out.

    connection: the kind of Airflow Connection that holds its secrets; empty: it has none, and nothing is granted.
    `default_connection` is that of routes that name none. `takes_ends`: it is told, too, that what it heard of is over.
    """

    name: str
    needs: Literal["to", "connection"] | None = "connection"
    connection: str = "http"
    default_connection: str = ""
    about_connection: str = ""
    takes_ends: bool = False


CHANNELS = {
    entry.name: entry
    for entry in (
        Channel("email", needs="to", connection="smtp", default_connection="smtp_default"),
        Channel("slack", connection="slackwebhook"),
        Channel("webhook"),
        Channel(
            "pagerduty",
            about_connection="an http one to https://events.pagerduty.com, with the routing key as its password",
            takes_ends=True,
        ),
        Channel("log", needs=None, connection=""),
    )
}


def about_connections() -> str:
    """What a route's `connection` names, in words for whoever writes a contract."""
    kinds = ", ".join(dict.fromkeys(entry.connection for entry in CHANNELS.values() if entry.connection))
    more = [f"{entry.name}: {entry.about_connection}" for entry in CHANNELS.values() if entry.about_connection]
    return "; ".join([f"id of the Airflow Connection ({kinds})", *more])
