"""A held release, as the demo's bad vendor makes one: answered by Airflow's API, in a browser, or by a time-out."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml
from conftest import PROJECT, TERMS

from benchmarks.airflow_server import Airflow, airflow_server
from labelaudit import demo
from labelaudit.contracts.model import Contract
from labelaudit.contracts.reading import read_contract
from labelaudit.receive import delivering
from labelaudit.run import steps
from labelaudit.run.whole_run import whole_run
from labelaudit.storage import layout, release_log
from labelaudit.storage.opening import open_store
from labelaudit.storage.store import Store

pytestmark = [pytest.mark.airflow, pytest.mark.server]

DIGITS, PATIENT, HASTY = "audit__northwind__digits", "audit__acme__patient", "audit__acme__hasty"
WRONG = "item,annotator,label\n" + "".join(
    f"j{n},{who},{'dog' if (n % 2 == 1) == (who == 'cyd') else 'cat'}\n"
    for n in range(40)
    for who in ("ann", "bob", "cyd", "dan")
)


class Customers:
    def __init__(self, airflow: Airflow):
        self.airflow = airflow
        self.store: Store = open_store(f"file://{airflow.home / 'store'}")

    def contract(self, name: str) -> Contract:
        return read_contract(self.airflow.home / "contracts" / f"{name}.yaml")

    def destination(self, name: str) -> Store:
        return steps.open_destination(self.contract(name), self.store)

    def releases(self, name: str = "northwind/digits") -> list[str]:
        return [one.release for one in release_log.log(self.destination(name))]

    def manifest(self, name: str, release: str) -> dict:
        return json.loads(self.destination(name).read(layout.release(release) + "manifest.json"))

    def ask(self, dag_id: str) -> str:
        """Trigger a run and wait for its question."""
        run = self.airflow.trigger(dag_id)
        self.airflow.question(dag_id, run)
        return run

    def verdict(self, run: str) -> dict:
        """What `judge` handed on."""
        path = f"/api/v2/dags/{DIGITS}/dagRuns/{run}/taskInstances/judge/xcomEntries/return_value?deserialize=false"
        value = self.airflow.call("GET", path)[1]["value"]
        return (json.loads(value) if isinstance(value, str) else value)["__data__"]


@pytest.fixture(scope="module")
def customers(tmp_path_factory):
    """The demo's digits, held by an incident, up to the day on which cedar turns bad; and two that a limit holds."""
    home = tmp_path_factory.mktemp("approval")
    folder = home / "contracts"
    terms = yaml.safe_load((PROJECT / "include/contracts/northwind/digits.yaml").read_text())
    written = {
        "northwind/digits": terms | {"on_breach": "hold", "limits": {}, "schedule": None},
        "acme/patient": {"approval": {"timeout_hours": 0.003, "on_timeout": "publish"}},
        "acme/hasty": {"approval": {"timeout_hours": 0.003, "on_timeout": "reject"}},
    }
    for name, changed in written.items():
        path = folder / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        held = {"limits": {"annotator_quality": 0.7}, "on_breach": "hold", "schedule": None}
        path.write_text(yaml.safe_dump(changed if name.startswith("north") else TERMS | held | changed))
    store, contract = open_store(f"file://{home / 'store'}"), read_contract(folder / "northwind/digits.yaml")
    for day in range(1, demo.BAD_DAY):
        demo.deliver_day(store, day)
        whole_run(contract, store, steps.open_destination(contract, store), f"day-{day}")
    settings = {"LABELAUDIT_CONTRACTS": str(folder), "LABELAUDIT_STORE": f"file://{home / 'store'}"}
    settings["PYTHONPATH"] = str(PROJECT / "include")
    with airflow_server(home, settings, [DIGITS, PATIENT, HASTY]) as airflow:
        yield Customers(airflow)


def test_the_bad_vendor_opens_one_incident_that_holds_and_an_answer_by_the_api_publishes(customers):
    before = customers.releases()
    assert len(before) == demo.BAD_DAY - 1, "nothing was held while all was well"
    demo.deliver_day(customers.store, demo.BAD_DAY)
    run = customers.ask(DIGITS)
    (incident,) = customers.verdict(run)["incidents"]
    body = customers.airflow.question(DIGITS, run)["body"]
    held = body.split("/releases/")[1].split(")")[0]
    assert held.startswith(f"r{demo.BAD_DAY:04d}-")
    assert (incident["vendor"], incident["event"], incident["since"]) == (demo.BAD_VENDOR, "opened", held)
    assert "cedar" in body
    assert "digest" in body
    assert customers.releases() == before
    status, page = customers.airflow.call("GET", f"/labelaudit/datasets/northwind/digits/releases/{held}")
    assert status == 200, "the report can be read before the answer"
    assert "cedar" in page
    customers.airflow.answer(DIGITS, run, "approve")
    assert customers.airflow.finished(DIGITS, run) == "success"
    assert customers.releases() == [*before, held]
    approval = customers.manifest("northwind/digits", held)["approval"]
    assert (approval["chosen"], approval["by"]) == ("approve", customers.airflow.user)
    assert customers.manifest("northwind/digits", held)["digest"] == approval["digest"]


def test_the_same_incident_is_told_once_and_an_answer_in_the_browser_publishes(customers, browser):
    demo.deliver_day(customers.store, demo.BAD_DAY + 1)
    before = customers.releases()
    run = customers.ask(DIGITS)
    (incident,) = customers.verdict(run)["incidents"]
    assert incident["event"] in ("", "escalated")
    context = browser.new_context(viewport={"width": 1360, "height": 1000})
    page = context.new_page()
    page.goto(customers.airflow.url)
    page.fill("input[name=username]", customers.airflow.user)
    page.fill("input[name=password]", customers.airflow.password)
    page.keyboard.press("Enter")
    page.get_by_text("Browse").first.wait_for()
    page.goto(f"{customers.airflow.url}/dags/{DIGITS}/runs/{run}/tasks/approve/required_actions")
    button = page.get_by_role("button", name="publish with a note")
    button.wait_for()
    assert "cedar" in page.locator("body").inner_text()
    if folder := os.environ.get("LABELAUDIT_PICTURES"):
        page.screenshot(path=Path(folder) / "question.png", full_page=True)
    button.click()
    assert customers.airflow.finished(DIGITS, run) == "success"
    context.close()
    assert len(customers.releases()) == len(before) + 1
    approval = customers.manifest("northwind/digits", customers.releases()[-1])["approval"]
    assert (approval["chosen"], approval["by"]) == ("publish with a note", customers.airflow.user)


def test_a_rejection_publishes_nothing_and_takes_the_bad_vendors_delivery_only(customers):
    demo.deliver_day(customers.store, demo.BAD_DAY + 2)
    before = customers.releases()
    run = customers.ask(DIGITS)
    customers.airflow.answer(DIGITS, run, "reject", "label again")
    assert customers.airflow.finished(DIGITS, run) == "success"
    assert customers.releases() == before
    again = customers.airflow.trigger(DIGITS)
    assert customers.airflow.finished(DIGITS, again) == "success"
    (new,) = [one for one in release_log.log(customers.destination("northwind/digits")) if one.release not in before]
    assert sorted(new.deliveries) == [f"{vendor}/day-{demo.BAD_DAY + 2:02d}" for vendor in ("alder", "birch")]


@pytest.mark.parametrize(("name", "published"), [("acme/patient", 1), ("acme/hasty", 0)])
def test_a_time_out_does_what_the_contract_says(customers, name, published):
    path = customers.airflow.home / "out" / name / "labels.csv"
    path.parent.mkdir(parents=True)
    path.write_text(WRONG)
    delivering.deliver(customers.store, *name.split("/"), "alder", "d1", [path])
    dag_id = f"audit__{name.replace('/', '__')}"
    run = customers.airflow.trigger(dag_id)
    assert customers.airflow.finished(dag_id, run) == "success"
    releases = customers.releases(name)
    assert len(releases) == published
    for release in releases:
        assert "nobody" in customers.manifest(name, release)["approval"]["by"]
