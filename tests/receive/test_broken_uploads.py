"""Uploads that are broken, completed, delivered again, or taken away while they are read: nothing good is lost."""

from __future__ import annotations

import json
import os
import shutil

import pyarrow.parquet as pq
import pytest
from conftest import GOOD, Reading, audit

from labelaudit.errors import InvalidInput, StorageUnavailable
from labelaudit.page.state import dataset_state
from labelaudit.receive import delivering, manifests
from labelaudit.rejects import recorded
from labelaudit.run import steps
from labelaudit.storage import layout
from labelaudit.storage.store import Store

pytestmark = pytest.mark.runs

D1 = layout.delivery("alder", "acme", "pets", "d1")
OTHER = GOOD.replace("\ni", "\nj")


@pytest.fixture
def contract(make_contract):
    return make_contract()


BROKEN = {
    "missing_file": lambda store: store.delete(D1 + "labels.csv"),
    "size_mismatch": lambda store: store.write(D1 + "labels.csv", GOOD.encode()[:100]),
    "digest_mismatch": lambda store: store.write(D1 + "labels.csv", b"\0" * len(GOOD)),
}


def shown_as_waiting(contract, store: Store) -> tuple[str, ...]:
    return dataset_state(contract, store, lambda contract: steps.open_destination(contract, store), True).waiting


@pytest.mark.parametrize("code", BROKEN)
def test_of_a_broken_upload_and_its_whole_copy_that_wait_together_the_copy_is_taken(store, contract, put, code: str):
    """Their manifests say the same; which of them is true is seen by the bytes. A third one is there twice."""
    for name in ("d1", "d2", "d3"):
        put(store, contract, GOOD, delivery=name)
    BROKEN[code](store)
    runs = Reading(contract, store)
    assert runs.run() == {"d1": code, "d2": "taken", "d3": "same_bytes"}
    assert runs.run() == {}


def test_two_broken_copies_are_both_refused(folder_store: Store, contract, put):
    for name in ("d1", "d2"):
        put(folder_store, contract, GOOD, delivery=name)
        folder_store.write(layout.delivery("alder", "acme", "pets", name) + "labels.csv", b"\0" * len(GOOD))
    assert Reading(contract, folder_store).run() == {"d1": "digest_mismatch", "d2": "digest_mismatch"}


@pytest.mark.parametrize("code", BROKEN)
def test_a_broken_upload_that_is_completed_in_its_place_is_taken(store: Store, contract, put, code: str):
    """The manifest is the same, so only the files say that it is another delivery; until then nothing is said twice."""
    put(store, contract, GOOD)
    BROKEN[code](store)
    runs = Reading(contract, store)
    assert [runs.run(), runs.run()] == [{"d1": code}, {}]
    assert shown_as_waiting(contract, store) == ()
    store.write(D1 + "labels.csv", GOOD.encode())
    assert shown_as_waiting(contract, store) == ("alder/d1",)
    assert [runs.run(), runs.run()] == [{"d1": "taken"}, {}]
    assert recorded.rejections(contract, store) == []


def test_a_published_delivery_whose_files_the_vendor_removes_is_no_news(folder_store: Store, contract, put):
    put(folder_store, contract, GOOD)
    runs = Reading(contract, folder_store)
    runs.run()
    folder_store.delete(D1 + "labels.csv")
    assert runs.run() == {}


def test_what_supersedes_itself_is_refused_until_the_manifest_is_corrected(folder_store: Store, contract, put):
    put(folder_store, contract, GOOD, supersedes=["d1"])
    runs = Reading(contract, folder_store)
    assert [runs.run(), runs.run()] == [{"d1": "supersedes_itself"}, {}]
    said = json.loads(folder_store.read(D1 + "manifest.json"))
    del said["supersedes"]
    folder_store.write(D1 + "manifest.json", json.dumps(said).encode())
    assert runs.run() == {"d1": "taken"}


def test_a_folder_that_is_moved_away_while_it_is_read_stops_no_other(folder_store: Store, contract, put, monkeypatch):
    """The whole run goes on with the others; it is taken once it is back."""
    put(folder_store, contract, GOOD)
    put(folder_store, contract, OTHER, delivery="d2")
    real, aside = type(folder_store).download, folder_store.root / "aside"

    def moved(self, key, path) -> None:
        if key.startswith(D1) and not aside.exists():
            (folder_store.root / D1).rename(aside)
        real(self, key, path)

    with monkeypatch.context() as patch:
        patch.setattr(type(folder_store), "download", moved)
        outcome = audit(contract, folder_store, "one")
    assert outcome.release.deliveries == ("alder/d2",)
    assert {delivery.delivery.name: delivery.refusal.code for delivery in outcome.rejected} == {
        "alder/d1": "moved_away"
    }
    assert audit(contract, folder_store, "two").status == "nothing"
    aside.rename(folder_store.root / D1)
    assert audit(contract, folder_store, "three").release.deliveries == ("alder/d1",)


@pytest.mark.parametrize("method", ["entries", "read", "sha256"])
def test_a_folder_that_is_moved_away_while_the_inbox_is_looked_at_stops_no_other(
    folder_store: Store, make_contract, put, monkeypatch, method: str
):
    """Before it is listed, before its manifest is read, before it is hashed: the run sees the others."""
    vendors = {"alder": {"format": "csv"}, "birch": {"format": "csv", "settled_minutes": 1}}
    contract = make_contract(vendors=vendors)
    put(folder_store, contract, OTHER, delivery="d2")
    put(folder_store, contract, GOOD, delivery="d1")
    folder_store.write("inbox/birch/acme/pets/d3/labels.csv", GOOD.encode())
    destination = steps.open_destination(contract, folder_store)
    steps.find(contract, folder_store, destination, "look", now=0)
    real = getattr(type(folder_store), method)

    def moved(self, key, *arguments):
        for gone in (D1, "inbox/birch/acme/pets/d3/"):
            if key.startswith("inbox/") and (folder_store.root / gone).exists():
                shutil.rmtree(folder_store.root / gone)
        return real(self, key, *arguments)

    monkeypatch.setattr(type(folder_store), method, moved)
    found = steps.find(contract, folder_store, destination, "run", now=120)
    staged = {
        delivery.name: steps.stage(contract, delivery, folder_store, "run").refusal for delivery in found.deliveries
    }
    assert staged.pop("alder/d2") is None
    assert {refusal.code for refusal in staged.values()} <= {"moved_away"}


def test_a_file_that_is_cut_while_it_is_read_is_refused_and_looked_at_again(folder_store, contract, put, monkeypatch):
    put(folder_store, contract, GOOD)
    runs, real = Reading(contract, folder_store), type(folder_store).download

    def cut(self, key, path) -> None:
        os.truncate(folder_store.root / key, 100)
        real(self, key, path)

    with monkeypatch.context() as patch:
        patch.setattr(type(folder_store), "download", cut)
        assert runs.run() == {"d1": "size_mismatch"}
    folder_store.write(D1 + "labels.csv", GOOD.encode())
    assert runs.run() == {"d1": "taken"}


def test_a_file_that_changes_after_it_was_verified_is_read_as_it_was(folder_store: Store, contract, put, monkeypatch):
    """The copy that was verified is what is read."""
    put(folder_store, contract, GOOD)
    real = type(folder_store).download

    def changed(self, key, path) -> None:
        real(self, key, path)
        folder_store.write(key, OTHER.encode())

    with monkeypatch.context() as patch:
        patch.setattr(type(folder_store), "download", changed)
        (delivery,) = manifests.waiting(contract, folder_store)
        staged = steps.stage(contract, delivery, folder_store, "run")
    with folder_store.local(staged.table) as path:
        assert set(pq.read_table(path)["item"].to_pylist()) == {f"i{item}" for item in range(12)}


@pytest.mark.timeout(60)
def test_a_pipe_is_not_delivered(folder_store: Store, tmp_path):
    """`deliver <(…)`: it would be hashed, and then be empty."""
    os.mkfifo(tmp_path / "labels.csv")
    with pytest.raises(InvalidInput, match="is no file"):
        delivering.deliver(folder_store, "acme", "pets", "alder", "d1", [tmp_path / "labels.csv"])
    assert folder_store.list("") == []


def test_deliver_knows_its_own_delivery_when_the_reply_was_lost(store: Store, contract, put, monkeypatch):
    """The manifest arrived, its reply did not: within one call, and when the command is given again."""
    real = type(store).put_if_absent

    def lost(self, key, content):
        real(self, key, content)
        return False

    with monkeypatch.context() as patch:
        patch.setattr(type(store), "put_if_absent", lost)
        put(store, contract, GOOD)

    def failed(self, key, content):
        real(self, key, content)
        raise StorageUnavailable("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(type(store), "put_if_absent", failed)
        with pytest.raises(StorageUnavailable):
            put(store, contract, OTHER, delivery="d2")
    put(store, contract, OTHER, delivery="d2")
    assert [delivery.id for delivery in manifests.waiting(contract, store)] == ["d1", "d2"]
    with pytest.raises(InvalidInput, match="delivered already"):
        put(store, contract, OTHER, delivery="d1")
    with pytest.raises(InvalidInput, match="delivered already"):
        put(store, contract, OTHER, delivery="d2", guideline="v2")
