"""Airflow as `make up` starts it: scheduled, triggered and answered through its REST API, looked at in a browser."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest
import yaml
from conftest import GOOD, PROJECT, TERMS

from benchmarks.airflow_server import Airflow, airflow_server
from benchmarks.processes import finished, wait
from labelaudit.contracts.reading import read_contract
from labelaudit.receive import delivering
from labelaudit.run import steps
from labelaudit.storage import release_log
from labelaudit.storage.opening import open_store
from labelaudit_airflow import components
from labelaudit_airflow.local import free_port

pytestmark = [pytest.mark.airflow, pytest.mark.server]

PETS, BIRDS, DAILY = "audit__acme__pets", "audit__acme__birds", "audit__acme__daily"


@pytest.fixture(scope="module")
def airflow(tmp_path_factory):
    """An instance with pets, which hold on a breach, birds, which nobody can judge, and daily, which has a schedule."""
    home = tmp_path_factory.mktemp("standalone")
    contracts = home / "contracts" / "acme"
    contracts.mkdir(parents=True)
    held = {"limits": {"annotator_quality": 0.7}, "on_breach": "hold", "description": "<script>alert(1)</script>"}
    (contracts / "pets.yaml").write_text(yaml.safe_dump(TERMS | held))
    (contracts / "birds.yaml").write_text(yaml.safe_dump(TERMS))
    (contracts / "daily.yaml").write_text(yaml.safe_dump(TERMS | {"schedule": "0 6 * * *"}))
    (contracts / "broken.yaml").write_text("task: [")
    deliver(home, "daily", GOOD, "d1")
    settings = {"LABELAUDIT_CONTRACTS": str(home / "contracts"), "LABELAUDIT_STORE": f"file://{home / 'store'}"}
    settings["PYTHONPATH"] = str(PROJECT / "include")
    with airflow_server(home, settings, [PETS, BIRDS, DAILY, "labelaudit__upkeep"]) as made:
        yield made


def deliver(home: Path, dataset: str, content: str, delivery: str) -> None:
    path = home / "out" / dataset / delivery / "labels.csv"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    delivering.deliver(open_store(f"file://{home / 'store'}"), "acme", dataset, "alder", delivery, [path])


def releases(airflow: Airflow, dataset: str) -> list[release_log.Logged]:
    contract = read_contract(airflow.home / "contracts" / "acme" / f"{dataset}.yaml")
    return release_log.log(steps.open_destination(contract, open_store(f"file://{airflow.home / 'store'}")))


def task(airflow: Airflow, dag_id: str, run: str, name: str) -> dict:
    return next(task for task in airflow.tasks(dag_id, run) if task["task_id"] == name)


WRONG = "item,annotator,label\n" + "".join(
    f"j{n},{who},{'dog' if (n % 2 == 1) == (who == 'cyd') else 'cat'}\n"
    for n in range(40)
    for who in ("ann", "bob", "cyd", "dan")
)


def test_it_is_quiet_and_says_address_and_password_last(airflow):
    lines = [line for line in (airflow.home / "standalone.log").read_text().splitlines() if line]
    assert len(lines) < 12
    assert lines[-2].strip() == airflow.url
    assert lines[-1].strip() == f"user {airflow.user}, password {airflow.password}"
    assert f"goes to {airflow.home / 'airflow.log'}" in lines[0]
    assert "[info" in (airflow.home / "airflow.log").read_text()


def test_the_first_scheduled_run_succeeds_at_its_first_try(airflow):
    """No task starts before the api-server listens, to which it must report."""

    def runs() -> list[dict]:
        return airflow.call("GET", f"/api/v2/dags/{DAILY}/dagRuns")[1]["dag_runs"]

    (run,) = wait(runs, "the scheduled run")
    assert airflow.finished(DAILY, run["dag_run_id"]) == "success"
    tried = {task["task_id"]: task["try_number"] for task in airflow.tasks(DAILY, run["dag_run_id"])}
    assert max(tried.values()) == 1, tried
    assert len(releases(airflow, "daily")) == 1


def test_one_folder_has_one_airflow(airflow):
    command = [sys.executable, "-m", "labelaudit_airflow.standalone", str(airflow.home), str(free_port()), "0"]
    done = finished(command, cwd=PROJECT, env=os.environ | {"PYTHONPATH": str(PROJECT / "include")})
    assert done.returncode == 1
    assert f"runs from {airflow.home} already: {airflow.url}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_said_before_anything_starts(airflow, tmp_path):
    port = airflow.url.rsplit(":")[-1]
    command = [sys.executable, "-m", "labelaudit_airflow.standalone", str(tmp_path), port]
    done = finished(command, cwd=PROJECT, env=os.environ | {"PYTHONPATH": str(PROJECT / "include")})
    assert done.returncode == 1
    assert done.stderr == f"Port {port}: Address already in use. Take another one: make up PORT={int(port) + 1}\n"
    assert not (tmp_path / "airflow").exists()


def test_no_dag_fails_to_import_and_none_is_paused(airflow):
    assert airflow.call("GET", "/api/v2/importErrors")[1]["total_entries"] == 0
    assert airflow.call("GET", "/api/v2/dagWarnings")[1]["total_entries"] == 0
    dags = airflow.call("GET", "/api/v2/dags")[1]["dags"]
    assert not [dag["dag_id"] for dag in dags if dag["is_paused"]]


def test_a_triggered_run_publishes_with_an_event_and_names_its_deliveries(airflow):
    deliver(airflow.home, "pets", GOOD, "d1")
    run = airflow.trigger(PETS)
    assert airflow.finished(PETS, run) == "success"
    (release,) = releases(airflow, "pets")
    assert task(airflow, PETS, run, "audited.stage")["rendered_map_index"] == "alder/d1"
    assert task(airflow, PETS, run, "approve")["state"] == "skipped"
    events = airflow.call("GET", "/api/v2/assets/events")[1]["asset_events"]
    assert [event["extra"]["release"] for event in events if event["name"] == PETS] == [release.release]


def test_a_breach_waits_for_a_person_and_what_they_say_is_done(airflow):
    """Rejected first, then delivered again and published, with the note in the report."""
    before = len(releases(airflow, "pets"))
    for number, (choice, published) in enumerate((("reject", before), ("publish with a note", before + 1))):
        deliver(airflow.home, "pets", WRONG + f"extra{number},ann,cat\n", f"wrong{number}")
        run = airflow.trigger(PETS)
        body = airflow.question(PETS, run)["body"]
        assert "quality 0." in body
        assert "cyd" not in body, "a customer who may read the DAG may read the question"
        assert len(releases(airflow, "pets")) == before
        airflow.answer(PETS, run, choice, "one of them left")
        assert airflow.finished(PETS, run) == "success"
        assert len(releases(airflow, "pets")) == published
    contract = read_contract(airflow.home / "contracts" / "acme" / "pets.yaml")
    destination = steps.open_destination(contract, open_store(f"file://{airflow.home / 'store'}"))
    report = destination.read(f"releases/{releases(airflow, 'pets')[-1].release}/report.html").decode()
    assert "one of them left (admin," in report
    assert "extra1" in report or "wrong1" in report


def test_a_form_filled_in_wrongly_is_refused(airflow):
    for conf in ({"deliveries": "alder/d1"}, {"hold": "yes"}, {"again": 3}):
        status, _ = airflow.call("POST", f"/api/v2/dags/{PETS}/dagRuns", {"logical_date": None, "conf": conf})
        assert status == 400, conf


def test_what_no_retry_can_mend_is_not_retried(airflow):
    deliver(airflow.home, "birds", "item,annotator,label\n1,ann,cat\n", "single")
    run = airflow.trigger(BIRDS)
    assert airflow.finished(BIRDS, run) == "failed"
    task_state = task(airflow, BIRDS, run, "detect")
    assert (task_state["state"], task_state["try_number"]) == ("failed", 1)


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
    page.get_by_text("Labelaudit").or_(page.get_by_text("Browse")).first.wait_for()
    page.goto(f"{airflow.url}/dags/{PETS}")
    page.get_by_text("record_rejections").first.wait_for()
    page.goto(f"{airflow.url}/plugin/labelaudit")
    frame = page.frame_locator("iframe").first
    frame.get_by_text("acme / pets").or_(frame.get_by_text("pets")).first.wait_for()
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


def test_a_component_that_ends_by_itself_is_named_with_the_end_of_the_log(tmp_path, monkeypatch):
    """And what it leaves running, and what ignores SIGTERM, is ended too."""
    program = tmp_path / "bin" / "airflow"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\n"
        'if [ "$1" = scheduler ]; then echo "no such table"; exit 3; fi\n'
        "trap '' TERM\n"
        f"sleep 600 & echo $! >> {tmp_path}/pids; echo $$ >> {tmp_path}/pids\n"
        "wait; wait\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr(components.sys, "executable", str(tmp_path / "bin" / "python"))
    monkeypatch.setattr(components, "GRACE_SECONDS", 0.5)
    with components.take(tmp_path) as lock:
        made = components.Components(dict(os.environ), tmp_path / "log", lock)
        made.start("api-server")
        pids = tmp_path / "pids"
        wait(lambda: pids.exists() and len(pids.read_text().split()) == 2, "the api-server")
        made.start("scheduler")
        with pytest.raises(SystemExit, match=r"scheduler ended with code 3[\s\S]*no such table"):
            made.until(lambda: False)
        made.end()
        wait(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids.read_text().split()), "all to end")


def test_ctrl_c_ends_everything(airflow):
    """The last of this module: nothing that was started for the folder lives on, and it can be taken again."""
    os.kill(json.loads((airflow.home / "up.lock").read_text())["processes"][0], signal.SIGINT)

    def free() -> bool:
        try:
            components.take(airflow.home).close()
        except SystemExit:
            return False
        return True

    wait(free, "the folder to be free")
    assert "Airflow has ended." in (airflow.home / "standalone.log").read_text()
    wanted = f"AIRFLOW_HOME={airflow.home / 'airflow'}".encode()
    assert [path for path in Path("/proc").glob("[0-9]*/environ") if wanted in environment(path)] == []


def environment(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().split(b"\0")
    except OSError:
        return []
