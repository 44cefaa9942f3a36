"""Alerts on their way: services that fail half of the time, senders that are killed, senders side by side."""

from __future__ import annotations

import email
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from email import policy
from types import SimpleNamespace

import pytest
from receivers import http_receiver, smtp_receiver

from labelaudit.alerts import outbox
from labelaudit.alerts.messages import Message
from labelaudit.contracts.quality import AlertRoute

pytestmark = pytest.mark.airflow

OF = ("acme", "pets")
HOOK = AlertRoute(via="webhook", connection="hook")
SLACK = AlertRoute(via="slack", connection="slack")
MAIL = AlertRoute(via="email", connection="mail", to=("ops@example.org",))
PAGER = AlertRoute(via="pagerduty", connection="pager", severity="critical")


def message(number: int, **changed) -> Message:
    terms = {
        "event": "breach",
        "key": f"breach/{number}",
        "customer": "acme",
        "dataset": "pets",
        "subject": f"n{number}.\r\nBcc: all@example.org",
        "text": f"n{number}. {{{{ 7 * 7 }}}} <script>alert(1)</script> <!channel>",
    }
    return Message(**{**terms, **changed})


@pytest.fixture
def alerts():
    """Imported here: Airflow reads its settings on import, and conftest.py makes them."""
    from labelaudit_airflow import alerts

    return alerts


@pytest.fixture
def connect(monkeypatch):
    def made(name: str, extra: dict | None = None, **terms) -> None:
        terms["extra"] = {"labelaudit_customers": ["acme"], **(extra or {})}
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(terms))

    return made


@pytest.fixture
def services(connect):
    """Everything that an alert can go to, failing half of the time."""
    with http_receiver(failing=0.5) as (port, bodies), smtp_receiver(failing=0.5) as (smtp_port, mails):
        connect("hook", conn_type="http", host="127.0.0.1", port=port, schema="http")
        connect("pager", conn_type="http", host="127.0.0.1", port=port, schema="http", password="key-1")
        connect("slack", conn_type="slackwebhook", password=f"http://127.0.0.1:{port}/services/T/B/secret")
        extra = {"disable_ssl": True, "disable_tls": True, "from_email": "audit@example.org", "retry_limit": 0}
        connect("mail", conn_type="smtp", host="127.0.0.1", port=smtp_port, extra=extra)
        yield bodies, mails


def arrived(bodies: list[dict], mails: list) -> dict[str, Counter]:
    """By channel, how often each message came, by its number."""
    found: dict[str, Counter] = {"webhook": Counter(), "slack": Counter(), "pager": Counter(), "mail": Counter()}
    for body in bodies:
        if "routing_key" in body:
            found["pager"][body["payload"]["summary"].split(".")[0]] += 1
        elif "event" in body:
            found["webhook"][body["text"].split(".")[0]] += 1
        else:
            found["slack"][body["text"].split("*")[1].split(".")[0]] += 1
    for mail in mails:
        subject = email.message_from_bytes(mail.content, policy=policy.default)["Subject"]
        found["mail"][subject.removeprefix("[labelaudit] ").split(".")[0]] += 1
    return found


def test_through_services_that_fail_half_of_the_time_every_alert_comes_once(alerts, services, folder_store):
    bodies, mails = services
    told = [message(number, severity="critical") for number in range(40)]
    failures = len(alerts.tell(folder_store, *OF, told, [HOOK, SLACK, MAIL, PAGER], {}))
    assert failures > 20, "they do fail"
    for _ in range(30):
        failures += len(alerts.tell(folder_store, *OF, told, [HOOK, SLACK, MAIL, PAGER], {}))
    assert outbox.waiting(folder_store, *OF) == []
    once = Counter({f"n{number}": 1 for number in range(40)})
    assert arrived(bodies, mails) == {"webhook": once, "slack": once, "pager": once, "mail": once}


def test_what_vendors_write_takes_no_effect_in_any_channel(alerts, services, folder_store):
    bodies, mails = services
    for _ in range(20):
        alerts.tell(folder_store, *OF, [message(1)], [HOOK, SLACK, MAIL], {})
    hook = next(body for body in bodies if "event" in body)
    slack = next(body for body in bodies if "event" not in body)
    assert "{{ 7 * 7 }}" in hook["text"], "no template is rendered"
    assert "&lt;!channel&gt;" in slack["text"]
    (mail,) = (email.message_from_bytes(mail.content, policy=policy.default) for mail in mails)
    assert mail["Bcc"] is None
    assert mails[0].rcpt_tos == ["ops@example.org"]
    assert "&lt;script&gt;" in mail.get_body(("html",)).get_content()


def test_senders_side_by_side_send_nothing_twice(alerts, connect, folder_store):
    with http_receiver() as (port, bodies):
        connect("hook", conn_type="http", host="127.0.0.1", port=port, schema="http")
        outbox.post(folder_store, *OF, [message(number) for number in range(20)], [HOOK], 1.0)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: alerts.send_waiting(folder_store, *OF, [HOOK], {}), range(4)))
        assert Counter(body["key"] for body in bodies) == Counter({f"breach/{number}": 1 for number in range(20)})


def test_a_sender_that_is_killed_after_posting_loses_nothing(alerts, connect, folder_store, monkeypatch):
    with http_receiver() as (port, bodies):
        connect("hook", conn_type="http", host="127.0.0.1", port=port, schema="http")

        def killed(*_):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(alerts, "send", killed)
            with pytest.raises(KeyboardInterrupt):
                alerts.tell(folder_store, *OF, [message(1)], [HOOK], {})
        assert len(outbox.waiting(folder_store, *OF)) == 1
        clock = alerts.time.time
        monkeypatch.setattr(alerts.time, "time", lambda: clock() + outbox.LEASE_SECONDS + 1)
        assert alerts.send_waiting(folder_store, *OF, None, {}) == []
        assert [body["key"] for body in bodies] == ["breach/1"]


def test_no_secret_is_in_the_outbox(alerts, services, folder_store):
    alerts.tell(folder_store, *OF, [message(number) for number in range(8)], [SLACK, PAGER], {})
    kept = b"".join(folder_store.read(key) for key in folder_store.list("alerts/"))
    assert kept
    assert b"secret" not in kept
    assert b"key-1" not in kept


def test_a_closed_incident_is_resolved_at_the_pager_and_told_to_nobody_else(alerts, connect, folder_store):
    with http_receiver() as (port, bodies):
        for name in ("hook", "pager"):
            connect(name, conn_type="http", host="127.0.0.1", port=port, schema="http", password="key-1")
        opened = message(1, event="incident", severity="critical", cause="acme/pets/i0010")
        over = message(2, event="incident", severity="info", cause="acme/pets/i0010", resolved=True)
        routes = [HOOK.model_copy(update={"on": ("incident",)}), PAGER]
        outbox.post(folder_store, *OF, [opened], routes, 1.0)
        assert alerts.tell(folder_store, *OF, [over], routes, {}) == []
        assert [(body.get("event_action"), body.get("dedup_key")) for body in bodies if "routing_key" in body] == [
            ("trigger", "acme/pets/i0010"),
            ("resolve", "acme/pets/i0010"),
        ]
        assert [body["key"] for body in bodies if "event" in body] == ["breach/1"]


@pytest.fixture
def deployed(tmp_path, monkeypatch, folder_store, make_contract):
    """A contract with alerts, in a deployment whose store is `folder_store`."""

    def made(**terms):
        contract = make_contract(**terms)
        monkeypatch.setenv("LABELAUDIT_CONTRACTS", str(tmp_path / "contracts"))
        monkeypatch.setenv("LABELAUDIT_STORE", folder_store.uri)
        return contract

    return made


def failed(index: int, attempt: int, error: str = "no", name: str = "") -> dict:
    """What Airflow calls back with."""
    task = SimpleNamespace(
        dag_id="audit__acme__pets",
        task_id="audited.stage",
        run_id="manual__1",
        map_index=index,
        try_number=attempt,
        rendered_map_index=name or None,
        log_url="http://airflow/log",
    )
    return {"ti": task, "exception": ValueError(error)}


def test_every_failure_of_a_mapped_task_is_told_and_each_once(alerts, deployed, connect, folder_store):
    """Two deliveries of a run that fail, and one that is cleared and fails again, are three failures; a callback that
    Airflow makes twice is one."""
    contract = deployed(alerts=[{"via": "webhook", "connection": "hook"}], annotators="plain")
    with http_receiver() as (port, bodies):
        connect("hook", conn_type="http", host="127.0.0.1", port=port, schema="http")
        told = alerts.on_failure(contract, "audit")
        for index, attempt, name in ((0, 1, "alder/d1"), (1, 1, "birch/d1"), (0, 1, "alder/d1"), (0, 2, "alder/d1")):
            told(failed(index, attempt, name=name))
    assert [("alder/d1" in body["subject"], "birch/d1" in body["subject"]) for body in bodies] == [
        (True, False),
        (False, True),
        (True, False),
    ]
    assert len({body["key"] for body in bodies}) == 3
    assert all("ValueError: no" in body["text"] for body in bodies)


@pytest.fixture
def sent(deployed):
    """Runs the task of `labelaudit__alerts` that sends what waits for a contract; gives what `waiting` found."""
    from labelaudit_airflow import alerts_dag

    def run(monkeypatch) -> list[str]:
        monkeypatch.setattr(alerts_dag, "get_current_context", dict)
        paths = alerts_dag.waiting.function()
        for path in paths:
            alerts_dag.send.function(path)
        return paths

    return run


def test_alerts_of_a_route_or_a_contract_that_is_gone_wait_no_more(
    alerts, deployed, sent, connect, folder_store, monkeypatch, tmp_path
):
    """And a Connection whose address was changed takes what waited: it is the same route."""
    deployed(alerts=[{"via": "webhook", "connection": "hook"}, {"via": "webhook", "connection": "other"}])
    with http_receiver() as (port, bodies):
        for name in ("hook", "other"):
            connect(name, conn_type="http", host="127.0.0.1", port=1, schema="http")
        other = HOOK.model_copy(update={"connection": "other"})
        assert len(alerts.tell(folder_store, *OF, [message(1)], [HOOK, other], {})) == 2
        connect("hook", conn_type="http", host="127.0.0.1", port=port, schema="http")
        deployed(alerts=[{"via": "webhook", "connection": "hook"}])
        assert sent(monkeypatch) == ["acme/pets.yaml"]
        assert [body["key"] for body in bodies] == ["breach/1"]
        assert outbox.waiting(folder_store, *OF) == []
        assert [closed.route for closed in outbox.closed(folder_store, *OF)] == ["webhook other"]
        alerts.outbox.post(folder_store, "acme", "gone", [message(2)], [HOOK], 1.0)
        assert sent(monkeypatch) == ["acme/gone.yaml"]
        assert outbox.waiting(folder_store, "acme", "gone") == []
        assert len(bodies) == 1
        (tmp_path / "contracts" / "acme" / "pets.yaml").unlink()
        outbox.post(folder_store, *OF, [message(3)], [HOOK], 1.0)
        assert sent(monkeypatch) == [], "no contract at all: the folder is not there, and nothing is closed"
