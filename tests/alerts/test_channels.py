"""One table of channels: each has its module, a contract takes exactly them, and what is missing is our error."""

from __future__ import annotations

import importlib
import pkgutil
import time
from typing import get_args

import pytest
from pydantic import ValidationError

from labelaudit.alerts import outbox
from labelaudit.alerts.messages import Message
from labelaudit.alerts.outbox import Entry
from labelaudit.contracts.channels import CHANNELS, Channel
from labelaudit.contracts.quality import AlertRoute
from labelaudit.errors import InternalError

BREACH = Message(event="breach", key="b", customer="acme", dataset="pets", subject="s", text="t", severity="critical")


def route(via: str) -> AlertRoute:
    return AlertRoute(
        via=via, **{"to": {"to": ("a@example.org",)}, "connection": {"connection": "c"}}.get(CHANNELS[via].needs, {})
    )


@pytest.mark.airflow
def test_the_table_is_whole():
    """No module of a channel lies beside it, each sends, and a contract takes exactly what it has."""
    from labelaudit_airflow import channels

    assert {module.name for module in pkgutil.iter_modules(channels.__path__)} == set(CHANNELS)
    assert get_args(AlertRoute.model_fields["via"].annotation) == tuple(CHANNELS)
    for name in CHANNELS:
        assert callable(importlib.import_module(f"labelaudit_airflow.channels.{name}").send)


@pytest.mark.parametrize("via", [name for name, channel in CHANNELS.items() if channel.needs])
def test_a_route_has_the_address_that_its_channel_needs(via):
    with pytest.raises(ValidationError, match=f"`{CHANNELS[via].needs}`"):
        AlertRoute(via=via)
    assert route(via).via == via


@pytest.mark.parametrize("via", CHANNELS)
def test_that_it_is_over_is_told_where_the_table_says_so(via):
    assert outbox.wants(route(via), BREACH)
    assert outbox.wants(route(via), BREACH.model_copy(update={"resolved": True})) == CHANNELS[via].takes_ends


@pytest.mark.airflow
def test_a_channel_that_is_missing_is_our_error(monkeypatch):
    from labelaudit_airflow import channels

    unknown = AlertRoute.model_construct(via="pigeon", connection="loft")
    entry = Entry.model_construct(id="", message=BREACH, route=unknown, posted=time.time(), view="customer")
    with pytest.raises(InternalError, match="channel 'pigeon'"):
        channels.send(entry, {})
    monkeypatch.setitem(CHANNELS, "pigeon", Channel("pigeon"))
    with pytest.raises(InternalError, match=r"no module labelaudit_airflow\.channels\.pigeon"):
        channels.send(entry, {})
