"""The page: what each person sees of it, and what nobody learns. Airflow's own users are in test_page_users.py."""

from __future__ import annotations

import pytest
from conftest import GOOD, audit
from fastapi.testclient import TestClient

from labelaudit.alerts import outbox
from labelaudit.alerts.messages import Message
from labelaudit.contracts.quality import AlertRoute
from labelaudit.errors import ContractError, StorageUnavailable
from labelaudit.page.app import create_app
from labelaudit.rejects import recorded
from labelaudit.run import steps
from labelaudit.storage import layout, release_log

pytestmark = pytest.mark.runs

ALL = {("acme", "pets"), ("zoo", "birds")}
LABELS = GOOD.replace("ann,", "worker-ann,").replace("bob,", "worker-bob,").replace("cyd,", "worker-cyd,")


class Person:
    """A viewer who may do just this."""

    def __init__(self, reads: set = frozenset(), edits: set = frozenset(), upkeep: bool = False):
        self.reads, self.edits, self.upkeep = {*reads, *edits}, edits, upkeep

    def may_read(self, customer: str, dataset: str) -> bool:
        return (customer, dataset) in self.reads

    def may_edit(self, customer: str, dataset: str) -> bool:
        return (customer, dataset) in self.edits

    def sees_upkeep(self) -> bool:
        return self.upkeep


class Store:
    """A store that remembers what was read of it, and can fail."""

    def __init__(self, store, asked: list, fails: type[Exception] | None = None):
        self.store, self.asked, self.fails = store, asked, fails

    def __getattr__(self, name):
        if self.fails:
            raise self.fails("s3://secret-bucket does not answer")
        self.asked.append(name)
        return getattr(self.store, name)


class Page:
    """The app over two customers, each with a release, a rejected delivery, a waiting alert and a broken contract."""

    def __init__(self, folder, store, make_contract, put):
        self.folder, self.store, self.contracts = folder / "contracts", store, {}
        self.asked, self.failing, self.without_dag = [], {}, set()
        for customer, dataset in sorted(ALL):
            contract = make_contract(f"{customer}/{dataset}", annotators="hashed", description=f"of {customer} only")
            self.contracts[customer, dataset] = contract
            put(store, contract, LABELS)
            put(store, contract, LABELS.replace(",dog", ",wolf").replace(",cat", ",wolf"), delivery="torn")
            audit(contract, store)
            told = Message(event="breach", key="k", customer=customer, dataset=dataset, subject="worker-ann", text="x")
            outbox.post(store, customer, dataset, [told], [AlertRoute(via="webhook", connection="hook")], 1.0)
            (self.folder / customer / "broken.yaml").write_text(f"task: [{customer}-terms")
        (self.folder / "nobody").mkdir()
        (self.folder / "nobody" / "new.yaml").write_text("")
        self.releases = {dataset: release_log.log(self.destination(*dataset))[-1].release for dataset in ALL}

    def destination(self, customer: str, dataset: str):
        return self.store.below(layout.published(customer, dataset))

    def open_destination(self, contract):
        if fails := self.failing.get(contract.customer):
            raise fails
        return Store(steps.open_destination(contract, self.store), self.asked)

    def require(self, contract):
        if contract.id in self.without_dag:
            raise ContractError(f"{contract.id}.yaml", ["Airflow can't make its DAG"])

    def client(self, person: Person) -> TestClient:
        self.asked.clear()
        app = create_app(
            contracts=lambda: self.folder,
            store=lambda: Store(self.store, self.asked),
            destination=self.open_destination,
            viewer=lambda: person,
            require=self.require,
            dependencies=[],
        )
        return TestClient(app, raise_server_exceptions=False, follow_redirects=False)

    def addresses(self, customer: str, dataset: str) -> list[str]:
        """Every address of a dataset, of things that are there."""
        top = f"/datasets/{customer}/{dataset}"
        ((_, rejected),) = recorded.rejections(self.contracts[customer, dataset], self.store)
        return [
            top,
            f"{top}/releases/{self.releases[customer, dataset]}",
            f"{top}/rejections/alder/{rejected.delivery.id}/{rejected.delivery.digest}",
        ]


@pytest.fixture
def site(tmp_path, folder_store, make_contract, put):
    return Page(tmp_path, folder_store, make_contract, put)


def test_nobody_learns_of_a_dataset_that_they_may_not_read(site):
    """Not by its address, nor by the answer, nor by what is read for it: as if it never was."""
    client = site.client(Person(reads={("acme", "pets")}))
    never = client.get("/datasets/zoo/dragons")
    assert never.status_code == 404
    for address in site.addresses("zoo", "birds"):
        response = client.get(address)
        assert (response.status_code, response.content) == (never.status_code, never.content)
        assert dict(response.headers) == dict(never.headers)
    assert site.asked == [], "nothing was read"
    overview = client.get("/").text
    assert "acme" in overview
    assert "1 dataset." in overview
    for text in (overview, client.get("/datasets/acme/pets").text):
        assert "zoo" not in text
        assert "birds" not in text


def test_who_may_read_nothing_sees_an_empty_page_and_nothing_is_read_for_them(site):
    overview = site.client(Person()).get("/")
    assert overview.status_code == 200
    assert "0 datasets" in overview.text
    for name in ("acme", "zoo", "nobody", "banner"):
        assert name not in overview.text.split("</style>")[-1]
    assert site.asked == []


def test_a_broken_contract_is_shown_to_who_may_read_its_dag_and_to_who_looks_after_all(site):
    acme = site.client(Person(reads={("acme", "pets"), ("acme", "broken")})).get("/").text
    assert "acme/broken.yaml" in acme
    assert "zoo" not in acme
    assert "nobody" not in acme
    all_of_them = site.client(Person(upkeep=True)).get("/").text
    assert all(name in all_of_them for name in ("acme/broken.yaml", "zoo/broken.yaml", "nobody/new.yaml"))


def test_a_contract_whose_dag_can_not_be_made_is_shown_as_broken(site):
    """And its releases all the same."""
    site.without_dag = {"acme/pets", "zoo/birds"}
    acme = site.client(Person(reads={("acme", "pets")})).get("/").text
    assert "acme/pets.yaml is broken" in acme
    assert "Airflow can&#39;t make its DAG" in acme
    assert site.releases["acme", "pets"] in acme
    assert "zoo" not in acme
    assert "zoo/birds.yaml is broken" in site.client(Person(upkeep=True)).get("/").text


def test_who_may_only_read_sees_what_the_customer_sees(site):
    """The published report, and of rejections and alerts nothing that quotes a row or names an annotator."""
    top, release, rejection = site.addresses("acme", "pets")
    customer, us = (site.client(Person(**rights)) for rights in ({"reads": ALL}, {"edits": ALL}))
    for address in ("/", top, release):
        shown = customer.get(address)
        assert shown.status_code == 200
        assert "worker-" not in shown.text
        assert "wolf" not in shown.text
    assert customer.get(release).content == site.destination("acme", "pets").read(
        layout.release(site.releases["acme", "pets"]) + "report.html"
    )
    assert customer.get(rejection).status_code == 404
    assert "rejections/" not in customer.get(top).text, "no link to what they can't open"
    assert "alder/torn" in customer.get(top).text
    assert "worker-ann" in us.get(release).text, "ours names them"
    assert "wolf" in us.get(rejection).text
    assert "worker-ann" in us.get(top).text, "the alert that waits"


def test_a_report_of_ours_that_has_expired_is_the_published_one(site):
    _, release, _ = site.addresses("acme", "pets")
    site.store.delete(layout.internal_report("acme", "pets", site.releases["acme", "pets"]))
    shown = site.client(Person(edits=ALL)).get(release)
    assert shown.status_code == 200
    assert "worker-" not in shown.text


def test_a_release_that_is_not_out_is_for_those_who_decide_on_it(site):
    """What was written for a release that is held, or was never committed, is no customer's."""
    site.store.write(layout.internal_report("acme", "pets", "r0009-held"), b"ours")
    site.destination("acme", "pets").write(layout.release("r0009-held") + "report.html", b"theirs")
    held = "/datasets/acme/pets/releases/r0009-held"
    assert site.client(Person(reads=ALL)).get(held).status_code == 404
    assert site.client(Person(edits=ALL)).get(held).content == b"ours"


@pytest.mark.parametrize("fails", [RuntimeError("the Connection zoo_s3 isn't defined"), StorageUnavailable("s3://zoo")])
def test_a_customer_who_can_not_be_read_takes_nobody_elses_row_away(site, fails):
    site.failing["zoo"] = fails
    shown = site.client(Person(reads=ALL)).get("/")
    assert shown.status_code == 200
    assert site.releases["acme", "pets"] in shown.text
    assert "can&#39;t be read now" in shown.text
    assert "s3" not in shown.text, "how it is stored is not for readers"
    release = site.client(Person(reads=ALL)).get(site.addresses("zoo", "birds")[1])
    assert "s3" not in release.text
    assert site.client(Person(edits=ALL)).get("/").status_code == 200


NOWHERE = (
    "/datasets/acme/pets/releases/..%2f..%2f..%2fkeys%2facme%2fannotators",
    "/datasets/acme/pets/releases/%2e%2e",
    "/datasets/acme/pets%2freleases/x",
    "/datasets/acme/../zoo/birds",
    "/datasets/acme%2f..%2fzoo/birds",
    "/datasets/acme/pets/rejections/..%2f..%2fzoo/birds/0",
    "/datasets//pets",
    "/datasets/ACME/pets",
    "/openapi.json",
    "/docs",
    "/redoc",
    "/static/x",
)


def test_no_other_address_leads_anywhere(site):
    client = site.client(Person(edits={("acme", "pets")}))
    for address in NOWHERE:
        assert client.get(address).status_code == 404, address


def test_nothing_but_reading_is_answered_and_the_same_for_every_dataset(site):
    client = site.client(Person(reads={("acme", "pets")}))
    for method in ("HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH"):
        own, others = (client.request(method, f"/datasets/{dataset}") for dataset in ("acme/pets", "zoo/birds"))
        assert own.status_code == others.status_code == 405, method
        assert (own.content, dict(own.headers)) == (others.content, dict(others.headers))
    assert site.asked == []
