"""One customer's contract never reaches another's services, buckets or folders, whatever it names."""

from __future__ import annotations

import email
import json
import os
import re
from pathlib import Path

import pytest
from receivers import http_receiver, smtp_receiver

from labelaudit.alerts import outbox
from labelaudit.contracts.quality import AlertRoute
from labelaudit.errors import ContractError, LabelauditError, StorageUnavailable
from labelaudit.run import steps
from tests.alerts.test_alerts import HOOK, MAIL, PAGER, SLACK, alerts, connect, deployed, failed, message  # noqa: F401

pytestmark = pytest.mark.airflow

ROUTES = (HOOK, SLACK, MAIL, PAGER)
PLAIN = {"disable_ssl": True, "disable_tls": True, "from_email": "audit@example.org", "retry_limit": 0}


@pytest.fixture
def named(connect):  # noqa: F811
    """Makes the Connection of each channel, with this list of customers in its extra; gives what arrives where."""
    headers: list[dict[str, str]] = []
    with http_receiver(headers=headers) as (port, bodies), smtp_receiver() as (at, mails):

        def made(customers, mail=None) -> tuple[list, list, list]:
            extra = {"labelaudit_customers": customers}
            mailed = {**PLAIN, "labelaudit_customers": mail or customers}
            connect("hook", extra, conn_type="http", host="127.0.0.1", port=port, schema="http")
            connect("pager", extra, conn_type="http", host="127.0.0.1", port=port, schema="http", password="k")
            connect("slack", extra, conn_type="slackwebhook", password=f"http://127.0.0.1:{port}/services/T/B/s")
            connect("mail", mailed, conn_type="smtp", host="127.0.0.1", port=at)
            connect("smtp_default", {**PLAIN, **extra}, conn_type="smtp", host="127.0.0.1", port=at)
            return bodies, mails, headers

        yield made


def told_to_beta(alerts, store, routes, number: int = 1) -> list[str]:  # noqa: F811
    said = message(number, customer="beta", severity="critical")
    return alerts.tell(store, "beta", "pets", [said], routes, {})


@pytest.mark.parametrize(
    "customers", [["acme"], [], None, "beta", "*", {"beta": 1}, [["beta"]], ["bet", "Beta", "beta "]]
)
def test_no_alert_goes_by_a_connection_that_does_not_name_the_customer(alerts, named, folder_store, customers):  # noqa: F811
    """beta's contract names acme's; what waits says why and what to do, who else may is told to nobody, and beta's
    route by a Connection of its own goes on."""
    bodies, mails, _ = named(customers)
    unnamed = AlertRoute(via="email", to=("beta@example.org",))
    failed = told_to_beta(alerts, folder_store, [*ROUTES, unnamed, AlertRoute(via="log")])
    assert (len(failed), bodies, mails) == (5, [], [])
    shown = outbox.undelivered(folder_store, "beta", "pets")
    assert {failure.route for failure in shown} == {
        "webhook hook", "slack slack", "email mail", "pagerduty pager", "email beta@example.org",
    }  # fmt: skip
    for failure in shown:
        assert "does not say that 'beta' may use it" in failure.last_error
        assert '{"labelaudit_customers": ["beta"]}' in failure.last_error
        assert failure.last_error.endswith("or name another in the contract"), "no part of it is cut off"
        assert "acme" not in failure.last_error


@pytest.mark.parametrize("customers", [["beta"], ["acme", "beta"], ["*"]])
def test_a_connection_that_names_the_customer_is_used_and_hands_the_list_to_nobody(
    alerts,  # noqa: F811
    named,
    folder_store,
    customers,
):
    """Airflow's HttpHook sends every key of an extra as a header."""
    bodies, mails, headers = named(customers)
    assert told_to_beta(alerts, folder_store, [*ROUTES, AlertRoute(via="email", to=("b@example.org",))]) == []
    assert (len(bodies), len(mails)) == (3, 2)
    assert any("Idempotency-Key" in header for header in headers)
    named_once = {email.message_from_bytes(mail.content)["Message-ID"] for mail in mails}
    assert len(named_once) == 2, "one for each mail that is another; a server drops what it has by its id"
    assert all(re.fullmatch(r"<\S+@labelaudit>", message_id) for message_id in named_once)
    assert not [name for header in headers for name in header if "labelaudit" in name.lower()]


def test_what_waits_goes_once_the_connection_says_so(alerts, named, folder_store):  # noqa: F811
    named(["acme"])
    told_to_beta(alerts, folder_store, [HOOK])
    bodies, _, _ = named(["acme", "beta"])
    assert alerts.send_waiting(folder_store, "beta", "pets", [HOOK], {}) == []
    assert len(bodies) == 1


def test_routes_of_our_own_need_no_leave(alerts, named, folder_store, monkeypatch):  # noqa: F811
    bodies, _, _ = named([])
    monkeypatch.setenv("LABELAUDIT_ALERTS", json.dumps([HOOK.model_dump(mode="json")]))
    assert len(told_to_beta(alerts, folder_store, [HOOK, PAGER])) == 1
    assert ["event" in body for body in bodies] == [True]


def test_without_a_store_too_a_refused_route_sends_nothing_and_stops_none(
    alerts,  # noqa: F811
    named,
    deployed,  # noqa: F811
    monkeypatch,
):
    bodies, mails, _ = named(["acme"], mail=["beta"])
    routes = [{"via": "webhook", "connection": "hook"}, {"via": "email", "connection": "mail", "to": ["b@example.org"]}]
    contract = deployed(alerts=routes).model_copy(update={"customer": "beta"})

    def gone(*_, **__):
        raise StorageUnavailable("no answer")

    monkeypatch.setattr(alerts, "tell", gone)
    alerts.on_failure(contract, "audit")(failed(0, 1))
    assert (len(bodies), len(mails)) == (0, 1)


@pytest.fixture
def opened(deployed, monkeypatch):  # noqa: F811
    """Opens a contract's destination as the deployment does; the arguments that clients of S3 were made with."""
    from labelaudit.storage import s3 as store_s3
    from labelaudit_airflow import runtime

    clients = []

    def client(place, *arguments):
        clients.append(arguments)
        raise StorageUnavailable("a client was made")

    monkeypatch.setattr(store_s3, "S3Store", client)

    def run(customer: str, **terms):
        contract = deployed(destination=terms).model_copy(update={"customer": customer})
        return runtime.destination(contract)

    return run, clients


def test_a_destinations_connection_is_used_for_the_customers_that_it_names(opened, connect):  # noqa: F811
    run, clients = opened
    place = "s3://acme-labels/pets"
    for customers in (["acme"], [], None, "beta"):
        connect("acme_s3", {"labelaudit_customers": customers}, conn_type="aws", login="key", password="word")
        with pytest.raises(
            ContractError, match=r"beta/pets\.yaml: `destination\.connection`: Connection 'acme_s3'"
        ) as no:
            run("beta", uri=place, connection="acme_s3")
        assert '{"labelaudit_customers": ["beta"]}' in str(no.value)
    assert clients == []
    for customers in (["beta", "acme"], ["*"]):
        connect("acme_s3", {"labelaudit_customers": customers}, conn_type="aws", login="key", password="word")
        with pytest.raises(StorageUnavailable, match="a client was made"):
            run("beta", uri=place, connection="acme_s3")
    assert clients == [("pets", {"aws_access_key_id": "key", "aws_secret_access_key": "word"})] * 2


def test_no_contract_reaches_s3_by_a_connection_without_keys_of_another_type(opened, connect):  # noqa: F811
    """boto3 would take the deployment's own."""
    run, clients = opened
    connect("hook", {"labelaudit_customers": ["beta"]}, conn_type="http", host="127.0.0.1")
    with pytest.raises(ContractError, match="is of type http; name one of type aws"):
        run("beta", uri="s3://acme-labels/pets", connection="hook")
    assert clients == []


def test_no_contract_reaches_s3_with_our_own_credentials(deployed, s3, monkeypatch):  # noqa: F811
    """What a Connection may not, leaving it out may not either."""
    from labelaudit_airflow import runtime

    for name, value in s3.items():
        monkeypatch.setenv(name, value)

    def run(uri: str) -> str:
        contract = deployed(destination={"uri": uri})
        monkeypatch.setenv("LABELAUDIT_STORE", "s3://store/ours")
        return runtime.destination(contract).uri

    with pytest.raises(ContractError, match="would be reached with our own credentials; name an Airflow Connection"):
        run("s3://customer/pets")
    default = "s3://store/ours/published/acme/pets"
    assert run(default) == default


@pytest.mark.parametrize(
    "place", ["given/acme/x", "given", "given/beta2", "given/beta/../acme", "given/beta/to-acme", "given/beta/sp%20ace",
              "given/beta/loop/../../acme", "given/beta/%00", "elsewhere", "given/%62eta/..", "~/beta"]
)  # fmt: skip
def test_a_folder_is_a_customers_where_the_deployment_says_so(opened, tmp_path: Path, monkeypatch, place: str):
    """And nowhere by default; of what is given, each customer has the folder with its name."""
    run, _ = opened
    beta = tmp_path / "given" / "beta"
    (tmp_path / "given" / "acme").mkdir(parents=True)
    beta.mkdir()
    (beta / "to-acme").symlink_to("../acme")
    (beta / "sp ace").symlink_to("../acme")
    (beta / "loop").symlink_to("loop")
    with pytest.raises(ContractError, match="LABELAUDIT_FILE_DESTINATIONS"):
        run("beta", uri=f"file://{beta}/pets")
    (tmp_path / "link").symlink_to("given")
    monkeypatch.setenv("HOME", str(tmp_path))
    for folders in (f"/nowhere:{tmp_path}/given", "~/given", f"{tmp_path}/store/../link"):
        monkeypatch.setenv("LABELAUDIT_FILE_DESTINATIONS", folders)
        assert run("beta", uri=f"file://{beta}/pets").uri == f"file://{beta}/pets"
        with pytest.raises(ContractError, match=r"in no folder that this deployment gives 'beta'|is no path"):
            run("beta", uri=f"file://{tmp_path}/{place}")
    assert list((tmp_path / "given" / "acme").iterdir()) == []


def test_by_hand_a_destination_is_the_persons_own_choice(make_contract, folder_store, tmp_path):
    contract = make_contract(destination={"uri": f"file://{tmp_path}/mine"})
    assert steps.open_destination(contract, folder_store).uri == f"file://{tmp_path}/mine"


def test_the_store_is_reached_with_the_connection_that_the_deployment_names(connect, s3, monkeypatch):  # noqa: F811
    """LABELAUDIT_STORE_CONNECTION: its keys, and no others, open the store."""
    from labelaudit_airflow import runtime

    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    extra = {"endpoint_url": s3["AWS_ENDPOINT_URL"], "region_name": "us-east-1"}
    connect("our_store", extra, conn_type="aws", login="testing", password="testing")
    monkeypatch.setenv("LABELAUDIT_STORE", f"s3://store/{os.urandom(6).hex()}")
    monkeypatch.setenv("LABELAUDIT_STORE_CONNECTION", "our_store")
    runtime.store().write("gold/acme/pets/g.csv", b"item,label")
    assert runtime.store().list("") == ["gold/acme/pets/g.csv"]
    monkeypatch.delenv("LABELAUDIT_STORE_CONNECTION")
    with pytest.raises(LabelauditError):
        runtime.store().list("")
