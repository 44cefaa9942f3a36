"""The DAGs through Airflow itself: what they are, what a run does, and whom it tells."""

from __future__ import annotations

import email
import json
import os
import signal
import subprocess
import sys
import time
from email import policy
from pathlib import Path

import pytest
import yaml
from conftest import GOOD, HOME, PROJECT, TERMS
from receivers import http_receiver, smtp_receiver

from labelaudit.contracts.reading import contract_paths, read_contract
from labelaudit.receive import delivering, seals
from labelaudit.run import steps
from labelaudit.storage import layout, release_log
from labelaudit.storage.opening import open_store
from labelaudit.storage.store import Store

pytestmark = pytest.mark.airflow

HEAVY = ("pandas", "sklearn", "scipy", "great_expectations", "deltalake", "pyarrow", "boto3", "matplotlib")


@pytest.fixture(scope="module", autouse=True)
def database():
    from labelaudit_airflow import demo_run

    HOME.mkdir(exist_ok=True)
    with demo_run.quiet(HOME / "airflow.log"):
        demo_run.prepare_database()


class Customers:
    """A folder of contracts and a store, and the DAGs that follow from them."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch):
        self.folder, self.monkeypatch = folder, monkeypatch
        monkeypatch.setenv("LABELAUDIT_CONTRACTS", str(folder / "contracts"))
        monkeypatch.setenv("LABELAUDIT_STORE", f"file://{folder / 'store'}")
        self.store: Store = open_store(f"file://{folder / 'store'}")

    def add(self, name: str, **changed) -> None:
        path = self.folder / "contracts" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump({**TERMS, **changed}))

    def connect(self, name: str, extra: dict | None = None, **connection) -> None:
        connection["extra"] = {"labelaudit_customers": ["acme"], **(extra or {})}
        self.monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(connection))

    def deliver(self, name: str, content: str, vendor: str = "alder", delivery: str = "d1", **arguments) -> None:
        path = self.folder / "out" / vendor / delivery / "labels.csv"
        path.parent.mkdir(parents=True)
        path.write_text(content)
        delivering.deliver(self.store, *name.split("/"), vendor, delivery, [path], **arguments)

    def run(self, dag_id: str, conf: dict | None = None) -> dict[str, str]:
        """Run a DAG as `airflow dags test` does; gives the states of its tasks, mapped ones by their names."""
        from airflow.dag_processing.dagbag import BundleDagBag

        from labelaudit_airflow import demo_run

        with demo_run.quiet(HOME / "airflow.log"):
            bag = BundleDagBag(PROJECT / "dags", bundle_path=PROJECT / "dags", bundle_name="dags-folder")
            assert not bag.import_errors
            dag = bag.dags[dag_id]
            for task in dag.tasks:
                task.retries = 0
            run = dag.test(run_conf=conf)
            found = {
                f"{instance.task_id}[{instance.map_index}]" if instance.map_index >= 0 else instance.task_id: str(
                    instance.state
                )
                for instance in run.get_task_instances()
            }
        return found | {"run": str(run.state.value)}

    def releases(self, name: str) -> list[release_log.Logged]:
        contract = read_contract(self.folder / "contracts" / f"{name}.yaml")
        return release_log.log(steps.open_destination(contract, self.store))


@pytest.fixture
def customers(tmp_path, monkeypatch) -> Customers:
    return Customers(tmp_path, monkeypatch)


def webhook(port: int) -> dict:
    return {"conn_type": "http", "host": "127.0.0.1", "port": port, "schema": "http"}


def test_every_contract_is_a_dag_and_every_dag_a_contract():
    from airflow.dag_processing.dagbag import BundleDagBag

    from labelaudit_airflow import demo_run

    with demo_run.quiet(HOME / "airflow.log"):
        bag = BundleDagBag(PROJECT / "dags", bundle_path=PROJECT / "dags", bundle_name="dags-folder")
    assert not bag.import_errors
    contracts = {f"audit__{path.parent.name}__{path.stem}" for path in contract_paths(PROJECT / "include/contracts")}
    assert set(bag.dags) == contracts | {"labelaudit__upkeep", "labelaudit__alerts", "labelaudit__inbox"}
    for dag in bag.dags.values():
        assert {"## What", "## When", "## When it fails"} <= set(dag.doc_md.splitlines())
        assert "labelaudit" in dag.tags
        assert dag.catchup is False
        assert dag.max_active_runs == 1
        undocumented = [task.task_id for task in dag.tasks if not task.doc_md and not task.is_mapped]
        assert not undocumented


def bag_of(customers):
    from airflow.dag_processing.dagbag import BundleDagBag

    bag = BundleDagBag(PROJECT / "dags", bundle_path=PROJECT / "dags", bundle_name="dags-folder")
    assert not bag.import_errors
    return bag


def test_no_two_contracts_are_one_dag(customers):
    """`a/b__c` and `a__b/c` were: one dataset was silently gone."""
    names = ["a/b__c", "a__b/c", "a/b_c", "a_b/c", "a/b-c", "a_/b", "a_/b__c", "a__b/c__d", "a/b__c__d"]
    for name in names:
        customers.add(name)
    dags = [dag for dag in bag_of(customers).dags if dag.startswith("audit__")]
    assert len(dags) == len(names)
    assert "audit__a_b__c" in dags, "the id of a plain name stays what it was"


def test_a_task_makes_its_own_dag_and_reads_no_other_contract(customers):
    """Every task reads the DAG file anew: with a thousand contracts, it would make a thousand DAGs to use one."""
    from labelaudit.contracts import reading

    for name in ("acme/pets", "acme/birds", "a__b/c"):
        customers.add(name)
    opened = []
    read = reading.read_terms
    customers.monkeypatch.setattr(
        reading, "read_terms", lambda path, *rest, **more: opened.append(path.stem) or read(path, *rest, **more)
    )
    for wanted, dataset in (("audit__acme__pets", "pets"), ("audit__a__b.c", "c")):
        opened.clear()
        customers.monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", wanted)  # as a task's process has it
        assert [one for one in bag_of(customers).dags if one.startswith("audit__")] == [wanted]
        assert opened == [dataset]


def test_a_dag_that_can_not_be_made_takes_no_other_away_and_is_told(customers):
    """An error in the DAG file marks every customer's DAG as stale: all were gone within 30 s."""
    from labelaudit_airflow import audit_dag, audit_dags

    def made(contract):
        if contract.customer == "odd":
            raise OverflowError("date value out of range")
        return audit_dag.audit_dag(contract)

    customers.monkeypatch.setattr(audit_dags, "audit_dag", made)
    with http_receiver() as (port, received):
        customers.connect("hook", **webhook(port))
        customers.monkeypatch.setenv("LABELAUDIT_ALERTS", json.dumps([{"via": "webhook", "connection": "hook"}]))
        for name in ("acme/pets", "odd/pets"):
            customers.add(name)
        assert {dag for dag in bag_of(customers).dags if dag.startswith("audit__")} == {"audit__acme__pets"}
        found = customers.run("labelaudit__upkeep")
        states = [state for name, state in found.items() if name.startswith("check_contract")]
        assert (sorted(states), found["run"]) == (["failed", "success"], "failed")
        assert any("date value out of range" in alert["text"] and "odd/pets" in alert["text"] for alert in received)


HOSTILE = ["{id} {} {0.__class__}", "</div><script>alert(1)</script>![x](http://x/y)", "README.md", "{{ 7 * 7 }}",
           "\u202e", "x" * 10_000, "'\"`$(id)", "\x01\x7f", "🐈\n\n# h"]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text)[:20])
def test_whatever_a_valid_contract_says_airflow_takes_its_dag(customers, text: str):
    """It is built, serialised and read back; a description is no template, no Markdown and no path of a file."""
    from airflow.serialization.serialized_objects import DagSerialization

    customers.add(
        "acme/" + "p" * 63,
        description=text,
        classes=[text[:200], "dog"],
        schedule="*/5 0-23/2 1,15 jan-mar mon-fri",
        destination={"uri": "s3://acme-labels/{id}"},
        approval={"timeout_hours": 87_600},
    )
    dag = bag_of(customers).dags["audit__acme__" + "p" * 63]
    data = json.loads(json.dumps(DagSerialization.to_dict(dag)))
    assert DagSerialization.from_dict(data).dag_id == dag.dag_id
    assert "<script>" not in dag.doc_md
    assert "![x](" not in dag.doc_md
    assert "{id}" not in dag.doc_md.replace(r"\{id\}", "").replace("acme-labels/{id}", "")


def test_every_task_has_a_limit_of_time(customers):
    customers.monkeypatch.setenv("LABELAUDIT_STEP_MINUTES", "7")
    customers.add("acme/pets", approval={"timeout_hours": 48})
    for dag in bag_of(customers).dags.values():
        for task in dag.tasks:
            limit = task.partial_kwargs["execution_timeout"] if task.is_mapped else task.execution_timeout
            assert limit.total_seconds() == 420, task
    customers.monkeypatch.delenv("LABELAUDIT_STEP_MINUTES")
    dags = bag_of(customers).dags
    assert dags["labelaudit__alerts"].default_args["execution_timeout"].total_seconds() == 3600, "it is for all"
    approve = dags["audit__acme__pets"].get_task("approve")
    assert approve.response_timeout.total_seconds() == 48 * 3600, "a person's time is another"


def test_a_step_that_never_ends_is_ended_and_the_other_deliveries_are_published(customers):
    """The timer of the task is set to the limit; the test does not wait for it, but lets it ring at once."""
    stage, left = steps.stage, []

    def hanging(contract, delivery, *arguments):
        if delivery.id == "slow":
            left.append(signal.setitimer(signal.ITIMER_REAL, 0.01)[0])
            while True:
                pass
        return stage(contract, delivery, *arguments)

    customers.monkeypatch.setattr(steps, "stage", hanging)
    customers.monkeypatch.setenv("LABELAUDIT_STEP_MINUTES", "60")
    customers.add("acme/pets")
    customers.deliver("acme/pets", GOOD)
    customers.deliver("acme/pets", GOOD.replace("\ni", "\nj"), delivery="slow")
    states = customers.run("audit__acme__pets")
    assert [1_800 < seconds <= 3_600 for seconds in left] == [True], "pytest's own limit is shorter"
    assert sorted(state for name, state in states.items() if "stage" in name) == ["failed", "success"]
    assert (states["publish"], states["run"]) == ("success", "failed")
    assert set(customers.releases("acme/pets")[0].deliveries) == {"alder/d1"}


def test_parsing_imports_nothing_heavy_and_warns_of_nothing():
    """The scheduler parses every few seconds; a deprecation of ours would fill its log."""
    program = (
        "import sys, runpy, warnings\n"
        "warnings.filterwarnings('error', module='labelaudit')\n"
        f"for name in ('audits', 'upkeep', 'alerts', 'inbox'): runpy.run_path(f'{PROJECT}/dags/{{name}}.py')\n"
        f"found = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "assert not found, found\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Deprecat" not in done.stderr


def test_the_trigger_form_offers_deliveries_again_and_hold(customers):
    from airflow.dag_processing.dagbag import BundleDagBag

    customers.add("acme/pets")
    bag = BundleDagBag(PROJECT / "dags", bundle_path=PROJECT / "dags", bundle_name="dags-folder")
    params = bag.dags["audit__acme__pets"].params
    assert {name: params.get_param(name).schema["type"] for name in params} == {
        "deliveries": "array",
        "again": "boolean",
        "hold": "boolean",
    }
    assert all(params.get_param(name).description for name in params)


def test_bad_deliveries_and_a_broken_contract_stop_no_other_and_are_told(customers, capfd):
    """A corrupt delivery and a lie in a manifest, beside a good one; and another customer's broken contract."""
    with http_receiver() as (port, received):
        customers.connect("hook", **webhook(port))
        customers.monkeypatch.setenv("LABELAUDIT_ALERTS", json.dumps([{"via": "webhook", "connection": "hook"}]))
        customers.add("acme/pets")
        (customers.folder / "contracts" / "other").mkdir()
        (customers.folder / "contracts" / "other" / "cats.yaml").write_text("task: clasification\n")
        customers.deliver("acme/pets", GOOD)
        customers.deliver("acme/pets", "\0\x01\x02", delivery="corrupt")
        customers.deliver("acme/pets", GOOD + "x,ann,cat\n", delivery="lie", records={"labels.csv": 99})
        states = customers.run("audit__acme__pets")
        assert states["run"] == "success"
        assert states["publish"] == "success"
        (release,) = customers.releases("acme/pets")
        assert set(release.deliveries) == {"alder/d1"}
        assert sorted(alert["key"].split("/")[0] for alert in received) == ["rejection", "rejection"]
        assert any("count_mismatch" in alert["subject"] for alert in received)
        assert all(alert["link"].endswith("rejection.html") for alert in received)
        received.clear()
        states = customers.run("labelaudit__upkeep")
        assert states["run"] == "failed"
        assert [state for name, state in states.items() if name.startswith("check_contract")] == ["success", "failed"]
        assert [alert["event"] for alert in received] == ["failure"]
        assert "cats.yaml" in received[0]["text"]
        assert "classification" in received[0]["text"], "the nearest valid name"


def test_a_delivery_without_a_manifest_is_looked_at_between_the_runs(customers):
    """A daily run finds it settled, though it never saw it before; a broken contract, and one that wants manifests, are
    not looked at."""
    customers.add("acme/birds")
    customers.add("acme/pets", vendors={"alder": {"format": "csv", "settled_minutes": 30}})
    (customers.folder / "contracts" / "acme" / "cats.yaml").write_text("task: clasification\n")
    customers.store.write("inbox/alder/acme/pets/d1/labels.csv", GOOD.encode())
    contract = read_contract(customers.folder / "contracts" / "acme" / "pets.yaml")
    seals.seal_settled(contract, customers.store, time.time() - 30 * 60)  # a look half an hour ago
    assert customers.run("labelaudit__inbox") == {
        "run": "success",
        "without_manifests": "success",
        "look[0]": "success",
    }
    destination = steps.open_destination(contract, customers.store)
    assert len(steps.find(contract, customers.store, destination, "run", now=0).deliveries) == 1


def test_a_run_with_nothing_to_do_is_a_success_and_says_nothing(customers):
    with http_receiver() as (port, received):
        customers.connect("hook", **webhook(port))
        customers.add("acme/pets", alerts=[{"via": "webhook", "connection": "hook"}])
        states = customers.run("audit__acme__pets")
        assert states["run"] == "success"
        assert customers.releases("acme/pets") == []
        assert not received


def test_a_breach_is_told_by_mail_slack_and_webhook_in_plain_words(customers):
    with http_receiver() as (port, received), smtp_receiver() as (smtp_port, mails):
        customers.connect("hook", **webhook(port))
        customers.connect("slack", conn_type="slackwebhook", password=f"http://127.0.0.1:{port}/services/T/B/X")
        extra = {"disable_ssl": True, "disable_tls": True, "from_email": "audit@example.org"}
        customers.connect("mail", conn_type="smtp", host="127.0.0.1", port=smtp_port, extra=extra)
        customers.add(
            "acme/pets",
            description="<b>bold</b> {{ 7 * 7 }}",
            limits={"annotator_quality": 0.7},
            annotators="plain",
            alerts=[
                {"via": "webhook", "connection": "hook", "on": ["breach"]},
                {"via": "slack", "connection": "slack"},
                {"via": "email", "connection": "mail", "to": ["ops@example.org"]},
                {"via": "log"},
            ],
        )
        wrong = "".join(
            f"i{n},{who},{'dog' if (n % 2 == 1) == (who == bad) else 'cat'}\n"
            for bad in ("<i>cyd</i>{{ 7 * 7 }}",)
            for n in range(40)
            for who in ("ann", "bob", "dan", bad)
        )
        customers.deliver("acme/pets", "item,annotator,label\n" + wrong)
        states = customers.run("audit__acme__pets")
        assert states["run"] == "success"
        told = {("slack" if "text" in alert and "event" not in alert else "webhook"): alert for alert in received}
        assert told["webhook"]["event"] == "breach"
        assert told["webhook"]["link"].endswith("report.html")
        assert "<i>cyd</i>{{ 7 * 7 }}" in told["webhook"]["text"], "no template of a vendor's is rendered"
        assert "&lt;i&gt;cyd&lt;/i&gt;" in told["slack"]["text"]
        (mail,) = (email.message_from_bytes(mail.content, policy=policy.default) for mail in mails)
        assert mail["To"] == "ops@example.org"
        assert "limit(s) breached" in mail["Subject"]
        assert "&lt;i&gt;cyd&lt;/i&gt;{{ 7 * 7 }}" in mail.get_body(("html",)).get_content()


def test_an_alert_that_can_not_be_sent_stops_neither_the_release_nor_the_next_route(customers):
    with http_receiver() as (port, received):
        customers.connect("gone", **webhook(1))
        customers.connect("hook", **webhook(port))
        routes = [{"via": "webhook", "connection": name} for name in ("gone", "hook")]
        customers.add("acme/pets", alerts=routes)
        customers.deliver("acme/pets", GOOD)
        customers.deliver("acme/pets", "", delivery="empty")
        states = customers.run("audit__acme__pets")
        assert states["publish"] == "success"
        assert (states["alert[0]"], states["alert[1]"], states["run"]) == ("failed", "success", "failed")
        assert [alert["event"] for alert in received if alert["event"] == "rejection"] == ["rejection"]


def test_what_can_not_be_judged_fails_at_once_and_is_told(customers):
    with http_receiver() as (port, received):
        customers.connect("hook", **webhook(port))
        customers.add("acme/pets", alerts=[{"via": "webhook", "connection": "hook"}])
        customers.deliver("acme/pets", "item,annotator,label\n1,ann,cat\n2,ann,dog\n")
        states = customers.run("audit__acme__pets")
        assert (states["detect"], states["run"]) == ("failed", "failed")
        assert any("AuditImpossible" in alert["text"] and alert["event"] == "failure" for alert in received)


def test_only_the_deliveries_that_a_person_names_are_taken(customers):
    customers.add("acme/pets")
    customers.deliver("acme/pets", GOOD)
    customers.deliver("acme/pets", GOOD.replace("\ni", "\nj"), delivery="d2")
    customers.run("audit__acme__pets", {"deliveries": ["alder/d2"]})
    assert [list(release.deliveries) for release in customers.releases("acme/pets")] == [["alder/d2"]]
    customers.run("audit__acme__pets", {"deliveries": ["alder/d2"], "again": True})
    assert [list(release.deliveries) for release in customers.releases("acme/pets")] == [["alder/d2"], ["alder/d2"]]


def test_customers_credentials_come_from_their_own_connection(customers, s3):
    """The store's and the customer's bucket, each by its Connection; nothing in the environment of boto3."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        customers.monkeypatch.delenv(name)
    extra = {"endpoint_url": s3["AWS_ENDPOINT_URL"], "region_name": "us-east-1"}
    customers.connect("acme_s3", conn_type="aws", login="testing", password="testing", extra=extra)
    place = f"s3://customer/{customers.folder.name}"
    customers.add("acme/pets", destination={"uri": place, "connection": "acme_s3"})
    customers.deliver("acme/pets", GOOD)
    assert customers.run("audit__acme__pets")["run"] == "success"
    credentials = {
        "aws_access_key_id": "testing",
        "aws_secret_access_key": "testing",
        "endpoint_url": s3["AWS_ENDPOINT_URL"],
        "region_name": "us-east-1",
    }
    destination = open_store(place, credentials)
    (release,) = release_log.log(destination)
    assert destination.exists(layout.release(release.release) + "report.html")
    customers.add("beta/pets", destination={"uri": place + "-beta", "connection": "acme_s3"})
    customers.deliver("beta/pets", GOOD, delivery="d2")
    states = customers.run("audit__beta__pets")
    assert (states["find"], states["run"]) == ("failed", "failed"), "it is acme's"
    assert open_store(place + "-beta", credentials).list("") == []


def test_make_run_again_publishes_nothing_twice(tmp_path):
    """`make run` of one day, twice, as its own process."""
    command = [sys.executable, "-m", "labelaudit_airflow.demo_run", str(tmp_path / "demo"), "1"]
    settings = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "LABELAUDIT"))}
    shown = []
    for _ in range(2):
        done = subprocess.run(command, env=settings, capture_output=True, text=True, cwd=PROJECT)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        shown.append([line for line in done.stdout.splitlines() if "r0001-" in line])
    assert shown[0] == shown[1]
    assert len({line.split("│")[1].strip() for line in shown[0] if "│" in line}) == 2
    assert "published already" in done.stdout
    assert "Look closer" in done.stdout
