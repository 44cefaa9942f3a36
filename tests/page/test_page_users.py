"""The page for Airflow's own users, on real api-servers: FAB with a role for each customer; the simple auth manager.

The commands that make role and user are those of docs/operations.md.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import GOOD, PROJECT, TERMS

from benchmarks.airflow_server import Airflow, api_server
from benchmarks.processes import finished
from labelaudit.contracts.reading import read_contract
from labelaudit.receive import delivering
from labelaudit.rejects import recorded
from labelaudit.run import steps
from labelaudit.run.whole_run import whole_run
from labelaudit.storage import release_log
from labelaudit.storage.opening import open_store
from labelaudit_airflow import local

pytestmark = [pytest.mark.airflow, pytest.mark.server]

FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
CUSTOMERS = {"acme": "pets", "zoo": "birds"}
ROLES = {"viewer": "viewer", "editor": "user", "operator": "op", "chief": "admin"}
COMMANDS = re.search(
    r"```sh\n(airflow roles create.*?)```", (PROJECT / "docs" / "operations.md").read_text(), re.S
).group(1)
RUN_ALL = """
import runpy, shlex, sys
for line in sys.stdin:
    sys.argv = shlex.split(line)
    try:
        runpy.run_module("airflow", run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise
"""


class Site:
    """Two customers with a release and a rejection each, and a contract `torn` that was broken since it had a DAG."""

    def __init__(self, home: Path):
        self.home, self.folder = home, home / "contracts"
        self.store = open_store(f"file://{home / 'store'}")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        self.environment |= local.environment(home) | {"LABELAUDIT_CONTRACTS": str(self.folder)}
        self.environment |= {"LABELAUDIT_STORE": f"file://{home / 'store'}", "PYTHONPATH": str(PROJECT / "include")}
        for customer, dataset in CUSTOMERS.items():
            (self.folder / customer).mkdir(parents=True)
            for name in (dataset, "torn"):
                path = self.folder / customer / f"{name}.yaml"
                path.write_text(yaml.safe_dump(TERMS | {"annotators": "hashed", "description": f"of {customer}"}))
            self.deliver(customer, dataset)
        lines = ["airflow db migrate", "airflow dags reserialize"]
        for customer, dataset in CUSTOMERS.items():
            made = COMMANDS.replace("acme__pets", f"{customer}__{dataset}").replace("acme", customer)
            made = made.replace("\\\n", " ")
            lines += [line.partition("#")[0] for line in made.splitlines() if line.startswith("airflow")]
            lines += [f"airflow roles add-perms {customer} -a can_read -r DAG:audit__{customer}__torn"]
        done = finished(
            [sys.executable, "-c", RUN_ALL],
            input="\n".join(lines),
            env=self.environment | {"AIRFLOW__CORE__AUTH_MANAGER": FAB},
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        for customer in CUSTOMERS:
            (self.folder / customer / "torn.yaml").write_text(f"task: {customer}-terms")

    def deliver(self, customer: str, dataset: str) -> None:
        """A good delivery and a torn one, audited."""
        labels = re.sub(r",(ann|bob|cyd),", rf",{customer}-worker-\1,", GOOD)
        for delivery, content in (("good", labels), ("bad", re.sub(r",(cat|dog)\b", ",wolf", labels))):
            path = self.home / "out" / customer / delivery / "labels.csv"
            path.parent.mkdir(parents=True)
            path.write_text(content)
            delivering.deliver(self.store, customer, dataset, "alder", delivery, [path])
        contract = read_contract(self.folder / customer / f"{dataset}.yaml")
        whole_run(contract, self.store, steps.open_destination(contract, self.store), "run")

    def addresses(self, customer: str) -> list[str]:
        """Of the dataset, its release, and its rejection."""
        contract = read_contract(self.folder / customer / f"{CUSTOMERS[customer]}.yaml")
        (release,) = release_log.log(steps.open_destination(contract, self.store))
        ((_, rejected),) = recorded.rejections(contract, self.store)
        top = f"/labelaudit/datasets/{contract.id}"
        return [top, f"{top}/releases/{release.release}", f"{top}/rejections/alder/bad/{rejected.delivery.digest}"]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return Site(tmp_path_factory.mktemp("users"))


@pytest.fixture(scope="module")
def fab(site):
    with api_server(site.home, site.environment | {"AIRFLOW__CORE__AUTH_MANAGER": FAB}) as url:
        yield {customer: logged_in(url, customer, f"{customer}-password", site.home) for customer in CUSTOMERS}


@pytest.fixture(scope="module")
def simple(site):
    passwords = site.home / "passwords.json"
    passwords.write_text(json.dumps({name: f"{name}-password" for name in ROLES}))
    settings = {
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{role}" for name, role in ROLES.items()),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
    }
    with api_server(site.home, site.environment | settings) as url:
        yield {name: logged_in(url, name, f"{name}-password", site.home) for name in ROLES}


def logged_in(url: str, user: str, password: str, home: Path) -> Airflow:
    made = Airflow(url, user, password, home)
    made.log_in()
    return made


def get(person: Airflow, address: str) -> tuple[int, str]:
    status, text = person.call("GET", address)
    return status, text if isinstance(text, str) else json.dumps(text)


def test_each_customers_people_see_their_own_datasets_and_nothing_of_the_others(site, fab):
    for customer, other in (("acme", "zoo"), ("zoo", "acme")):
        status, overview = get(fab[customer], "/labelaudit/")
        assert status == 200
        assert f"{customer} / {CUSTOMERS[customer]}" in overview
        assert "1 dataset." in overview
        assert f"{customer}/torn.yaml" in overview, "their own broken contract"
        shown = [overview, *(get(fab[customer], address)[1] for address in site.addresses(customer)[:2])]
        assert site.addresses(customer)[1].rsplit("/")[-1] in shown[1]
        for text in shown:
            assert other not in text
            assert CUSTOMERS[other] not in text
            assert "-worker-" not in text, "no annotator's plain name"
        assert get(fab[customer], site.addresses(customer)[2])[0] == 404, "what a vendor wrote is for us"


def test_what_is_another_customers_is_answered_as_what_never_was(site, fab):
    for customer, other in (("acme", "zoo"), ("zoo", "acme")):
        never = get(fab[customer], "/labelaudit/datasets/nobody/nothing")
        assert never[0] == 404
        for address in site.addresses(other):
            assert get(fab[customer], address) == never
            assert get(fab[customer], address.replace(f"{other}/", f"{other}%2f"))[0] == 404
            assert get(fab[customer], address.replace(f"/{other}/", f"/{customer}/../{other}/"))[0] == 404


def test_airflow_itself_tells_a_customers_person_nothing_of_another(fab):
    """With the page's role: what is not asked by DAG (assets, import errors, logs of events) is closed."""
    for path in AIRFLOW_PATHS:
        for customer, other in (("acme", "zoo"), ("zoo", "acme")):
            status, text = get(fab[customer], path)
            assert status < 500, path
            assert other not in text, path
            assert CUSTOMERS[other] not in text, path


AIRFLOW_PATHS = (
    "/labelaudit",
    "/openapi.json",
    "/api/v2/dags",
    "/api/v2/dags?dag_id_pattern=%25",
    "/api/v2/dagTags",
    "/api/v2/assets",
    "/api/v2/assets/events",
    "/api/v2/plugins",
    "/api/v2/importErrors",
    "/api/v2/dagWarnings",
    "/api/v2/eventLogs",
    "/api/v2/jobs",
    "/api/v2/dags/~/dagRuns",
    "/ui/dags",
    "/ui/dependencies",
    "/ui/dashboard/dag_stats",
)


def test_the_simple_auth_manager_shows_all_datasets_and_annotators_only_to_who_may_edit(site, simple):
    for name, person in simple.items():
        edits = ROLES[name] != "viewer"
        overview = get(person, "/labelaudit/")[1]
        assert all(text in overview for text in ("acme / pets", "zoo / birds", "acme/torn.yaml", "2 datasets")), name
        for customer in CUSTOMERS:
            top, release, rejection = site.addresses(customer)
            assert get(person, top)[0] == 200
            assert ("-worker-" in get(person, release)[1]) is edits, name
            assert get(person, rejection)[0] == (200 if edits else 404)


def test_without_a_login_nothing_is_answered(site, fab, simple):
    for person in (fab["acme"], simple["chief"]):
        for address in ("/labelaudit/", *site.addresses("acme"), "/labelaudit/datasets/nobody/nothing"):
            assert person.call("GET", address, anonymous=True)[0] == 401
            for method in ("HEAD", "OPTIONS", "POST"):
                assert person.call(method, address, anonymous=True)[0] in (401, 405)


def test_a_person_logs_in_by_fabs_form_and_sees_their_own(site, fab, browser):
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{fab['zoo'].url}/auth/login/")
    page.fill("input[name=username]", "zoo")
    page.fill("input[name=password]", "zoo-password")
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/auth/login" not in url)
    page.goto(f"{fab['zoo'].url}/labelaudit/")
    text = page.locator("body").inner_text()
    assert "zoo / birds" in text
    assert "acme" not in text
    context.close()


class Manager:
    """An auth manager that lets everybody do everything, but for the DAGs of a team that is not theirs."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def is_authorized_dag(self, method, details, user) -> bool:
        self.asked.append(details)
        return details.team_name in (None, user)


def test_a_dag_is_asked_for_with_its_team_and_an_unknown_one_is_for_those_who_see_the_upkeep(monkeypatch):
    """Airflow's simple auth manager takes a DAG without a team for everybody's."""
    from labelaudit_airflow import page_app

    teams = {"audit__acme__pets": "red", page_app.UPKEEP: "blue"}
    monkeypatch.setattr(page_app, "get_auth_manager", Manager)
    monkeypatch.setattr(page_app.DagModel, "get_team_name", teams.get)
    monkeypatch.setattr(page_app.DagModel, "get_dagmodel", lambda dag_id: teams.get(dag_id))
    red, blue = page_app.AirflowUser("red"), page_app.AirflowUser("blue")
    assert (red.may_read("acme", "pets"), blue.may_read("acme", "pets")) == (True, False)
    assert (red.may_read("acme", "new"), blue.may_read("acme", "new")) == (False, True)
    assert (red.sees_upkeep(), blue.sees_upkeep()) == (False, True)
    del teams[page_app.UPKEEP]
    assert not blue.sees_upkeep()
