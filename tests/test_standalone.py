"""Airflow as `make up` starts it: scheduled, triggered and answered through its REST API, looked at in a browser."""

from __future__ import annotations

import time

import pytest
import yaml
from conftest import GOOD, PROJECT, TERMS

from benchmarks.airflow_server import Airflow, airflow_server
from benchmarks.processes import BROWSER_MILLISECONDS, wait
from labelaudit import manifests, steps, tables
from labelaudit.contracts import read_contract
from labelaudit.store import open_store

PETS, BIRDS = "audit__acme__pets", "audit__acme__birds"


@pytest.fixture(scope="module")
def airflow(tmp_path_factory):
    """An instance with two customers' datasets: pets, which hold on a breach, and birds, which nobody can judge."""
    home = tmp_path_factory.mktemp("standalone")
    contracts = home / "contracts" / "acme"
    contracts.mkdir(parents=True)
    held = {"limits": {"annotator_quality": 0.7}, "on_breach": "hold", "description": "<script>alert(1)</script>"}
    (contracts / "pets.yaml").write_text(yaml.safe_dump(TERMS | held))
    (contracts / "birds.yaml").write_text(yaml.safe_dump(TERMS))
    (contracts / "broken.yaml").write_text("task: [")
    settings = {"LABELAUDIT_CONTRACTS": str(home / "contracts"), "LABELAUDIT_STORE": f"file://{home / 'store'}"}
    settings["PYTHONPATH"] = str(PROJECT / "include")
    with airflow_server(home, settings, [PETS, BIRDS, "labelaudit__upkeep"]) as made:
        yield made


def deliver(airflow: Airflow, dataset: str, content: str, delivery: str) -> None:
    path = airflow.home / "out" / delivery / "labels.csv"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    manifests.deliver(open_store(f"file://{airflow.home / 'store'}"), "acme", dataset, "alder", delivery, [path])


def releases(airflow: Airflow, dataset: str) -> list[tables.Logged]:
    contract = read_contract(airflow.home / "contracts" / "acme" / f"{dataset}.yaml")
    return tables.log(steps.open_destination(contract, open_store(f"file://{airflow.home / 'store'}")))


def task(airflow: Airflow, dag_id: str, run: str, name: str) -> dict:
    return next(one for one in airflow.tasks(dag_id, run) if one["task_id"] == name)


WRONG = "item,annotator,label\n" + "".join(
    f"j{n},{who},{'dog' if (n % 2 == 1) == (who == 'cyd') else 'cat'}\n"
    for n in range(40)
    for who in ("ann", "bob", "cyd", "dan")
)


def test_no_dag_fails_to_import_and_none_is_paused(airflow):
    assert airflow.call("GET", "/api/v2/importErrors")[1]["total_entries"] == 0
    assert airflow.call("GET", "/api/v2/dagWarnings")[1]["total_entries"] == 0
    dags = airflow.call("GET", "/api/v2/dags")[1]["dags"]
    assert not [one["dag_id"] for one in dags if one["is_paused"]]


def test_a_triggered_run_publishes_with_an_event_and_names_its_deliveries(airflow):
    deliver(airflow, "pets", GOOD, "d1")
    run = airflow.trigger(PETS)
    assert airflow.finished(PETS, run) == "success"
    (release,) = releases(airflow, "pets")
    assert task(airflow, PETS, run, "audited.stage")["rendered_map_index"] == "alder/d1"
    assert task(airflow, PETS, run, "approve")["state"] == "skipped"
    events = airflow.call("GET", "/api/v2/assets/events")[1]["asset_events"]
    assert [one["extra"]["release"] for one in events if one["name"] == PETS] == [release.release]


def test_a_breach_waits_for_a_person_and_what_they_say_is_done(airflow):
    """Rejected first, then delivered again and published, with the note in the report."""
    before = len(releases(airflow, "pets"))
    for number, (choice, published) in enumerate((("reject", before), ("publish with a note", before + 1))):
        deliver(airflow, "pets", WRONG + f"extra{number},ann,cat\n", f"wrong{number}")
        run = airflow.trigger(PETS)
        place = f"/api/v2/dags/{PETS}/dagRuns/{run}/taskInstances/approve/-1/hitlDetails"

        def asked(run=run) -> bool:
            return task(airflow, PETS, run, "approve")["state"] == "awaiting_input"

        wait(asked, "the question")
        time.sleep(3)  # a person reads first; an answer within a second makes Airflow ask again
        assert "cyd" in airflow.call("GET", place)[1]["body"]
        assert len(releases(airflow, "pets")) == before
        answer = {"chosen_options": [choice], "params_input": {"note": "cyd left", "deliveries": []}}
        status, said = airflow.call("PATCH", place, answer)
        assert status == 200, said
        assert airflow.finished(PETS, run) == "success"
        assert len(releases(airflow, "pets")) == published
    contract = read_contract(airflow.home / "contracts" / "acme" / "pets.yaml")
    destination = steps.open_destination(contract, open_store(f"file://{airflow.home / 'store'}"))
    report = destination.read(f"releases/{releases(airflow, 'pets')[-1].release}/report.html").decode()
    assert "cyd left (admin," in report
    assert "extra1" in report or "wrong1" in report


def test_a_form_filled_in_wrongly_is_refused(airflow):
    for conf in ({"deliveries": "alder/d1"}, {"hold": "yes"}, {"again": 3}):
        status, _ = airflow.call("POST", f"/api/v2/dags/{PETS}/dagRuns", {"logical_date": None, "conf": conf})
        assert status == 400, conf


def test_what_no_retry_can_mend_is_not_retried(airflow):
    deliver(airflow, "birds", "item,annotator,label\n1,ann,cat\n", "single")
    run = airflow.trigger(BIRDS)
    assert airflow.finished(BIRDS, run) == "failed"
    found = task(airflow, BIRDS, run, "detect")
    assert (found["state"], found["try_number"]) == ("failed", 1)


PAGES = ("/labelaudit/", "/labelaudit/datasets/acme/pets")


def test_the_page_is_closed_to_strangers(airflow):
    for page in PAGES:
        assert airflow.call("GET", page, anonymous=True)[0] == 401
        status, text = airflow.call("GET", page)
        assert status == 200
        assert "acme" in text
    token, airflow.token = airflow.token, "forged"
    try:
        assert airflow.call("GET", "/labelaudit/")[0] in (401, 403)
    finally:
        airflow.token = token
    for path in ("..%2f..%2fkeys", "%2e%2e", "r0001-00000000"):
        assert airflow.call("GET", f"/labelaudit/datasets/acme/pets/releases/{path}")[0] == 404


def test_a_person_sees_grid_and_page_in_the_browser(airflow, browser):
    """Logs in as a person does; the page hangs in Airflow's navigation, and a vendor's markup on it is text."""
    context = browser.new_context(viewport={"width": 1360, "height": 850})
    page = context.new_page()
    dialogs = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.goto(airflow.url)
    page.fill("input[name=username]", airflow.user)
    page.fill("input[name=password]", airflow.password)
    page.keyboard.press("Enter")
    page.get_by_text("Labelaudit").or_(page.get_by_text("Browse")).first.wait_for(timeout=BROWSER_MILLISECONDS)
    page.goto(f"{airflow.url}/dags/{PETS}")
    page.get_by_text("record_rejections").first.wait_for(timeout=BROWSER_MILLISECONDS)
    page.goto(f"{airflow.url}/plugin/labelaudit")
    frame = page.frame_locator("iframe").first
    frame.get_by_text("acme / pets").or_(frame.get_by_text("pets")).first.wait_for(timeout=BROWSER_MILLISECONDS)
    text = frame.locator("body").inner_text()
    assert "broken.yaml" in text or "broken" in text, "a broken contract is shown"
    assert "birds" in text
    page.goto(airflow.url + PAGES[1])
    assert releases(airflow, "pets")[-1].release in page.locator("body").inner_text()
    assert not dialogs
    page.get_by_role("link", name=releases(airflow, "pets")[-1].release).first.click()
    assert "internal" in page.locator("body").inner_text(), "our own report, with the annotators' names"
    assert page.locator("body script").count() == 0
    context.close()
