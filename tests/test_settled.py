"""Deliveries without a manifest: taken once they have settled, hashed once, and never changed unseen."""

from __future__ import annotations

import os
import time

import pytest
from conftest import GOOD, audit

from labelaudit import intake, manifests, settled, steps
from labelaudit.settled import seal_settled
from labelaudit.store import Store

FOLDER = "inbox/alder/acme/pets/d1/"
MINUTES = 30
VENDORS = {"alder": {"format": "csv", "settled_minutes": MINUTES}, "birch": {"format": "csv"}}


@pytest.fixture
def contract(make_contract):
    return make_contract(vendors=VENDORS)


def later(minutes: float) -> float:
    return time.time() + 60 * minutes


def names(contract, store: Store) -> list[str]:
    return [one.name for one in manifests.waiting(contract, store)]


def test_it_is_taken_once_nothing_has_changed_for_so_long(store: Store, contract):
    """Not before; and never for a vendor whose contract wants a manifest."""
    for vendor in ("alder", "birch"):
        store.write(f"inbox/{vendor}/acme/pets/d1/labels.csv", GOOD.encode())
    seal_settled(contract, store, later(MINUTES - 1))
    assert names(contract, store) == []
    waits = {one.name: one.reason for one in manifests.incomplete(contract, store)}
    assert waits == {
        "alder/d1": "no manifest.json: it is taken by the first run after 30 minutes without a change",
        "birch/d1": "no manifest.json yet",
    }
    seal_settled(contract, store, later(MINUTES + 1))
    assert names(contract, store) == ["alder/d1"]
    assert [one.name for one in manifests.incomplete(contract, store)] == ["birch/d1"]
    (delivery,) = intake.choose(contract, store, {})
    assert [(file.path, file.bytes) for file in delivery.files] == [("labels.csv", len(GOOD))]


def test_the_newest_of_its_files_counts(folder_store: Store, contract):
    for name in ("a.csv", "b.csv"):
        folder_store.write(FOLDER + name, GOOD.encode())
    old = time.time() - 86_400
    os.utime(folder_store.root / FOLDER / "a.csv", (old, old))
    seal_settled(contract, folder_store, later(1))
    assert names(contract, folder_store) == []


@pytest.mark.parametrize("name", ["b.csv.part", "b.csv.FILEPART", ".b.csv.x7Gq2", "~$b.xlsx", "b.csv.tmp", "deep/.b"])
def test_an_upload_under_way_is_never_taken(folder_store: Store, contract, name: str):
    """However old it is: a broken upload is no delivery."""
    folder_store.write(FOLDER + "a.csv", GOOD.encode())
    folder_store.write(FOLDER + name, b"half")
    seal_settled(contract, folder_store, later(100_000))
    assert names(contract, folder_store) == []
    (waits,) = manifests.incomplete(contract, folder_store)
    assert waits.reason == f"{name!r}: an upload is under way, or was broken off"


def test_what_file_managers_leave_is_no_file(folder_store: Store, contract):
    folder_store.write(FOLDER + "labels.csv", GOOD.encode())
    for name in (".DS_Store", "Thumbs.db", "._labels.csv", "__MACOSX/x"):
        folder_store.write(FOLDER + name, b"x")
    seal_settled(contract, folder_store, later(MINUTES + 1))
    (delivery,) = manifests.waiting(contract, folder_store)
    assert [file.path for file in delivery.files] == ["labels.csv"]


def test_an_empty_folder_is_no_delivery(folder_store: Store, contract):
    (folder_store.root / FOLDER).mkdir(parents=True)
    seal_settled(contract, folder_store, later(100_000))
    assert names(contract, folder_store) == []
    assert manifests.incomplete(contract, folder_store)[0].reason == "the folder is empty"


def test_a_name_that_is_no_path_is_refused(folder_store: Store, contract):
    folder_store.write(FOLDER + "my labels.csv", GOOD.encode())
    seal_settled(contract, folder_store, later(0))
    (delivery,) = intake.choose(contract, folder_store, {})
    assert delivery.refusal.code == "unsafe_path"
    assert delivery.refusal.message.startswith("the delivery holds the file 'my labels.csv'")


def test_a_link_out_of_the_store_is_refused(folder_store: Store, contract, tmp_path):
    (folder_store.root / FOLDER).mkdir(parents=True)
    (tmp_path / "secret").write_text(GOOD)
    (folder_store.root / FOLDER / "labels.csv").symlink_to(tmp_path / "secret")
    seal_settled(contract, folder_store, later(100_000))
    (delivery,) = intake.choose(contract, folder_store, {})
    assert delivery.refusal.code == "unsafe_path"


def test_a_published_delivery_that_changes_is_refused_once_it_has_settled_again(store: Store, contract):
    """An added file is other bytes under a known id, as it is with a manifest."""
    store.write(FOLDER + "labels.csv", GOOD.encode())
    seal_settled(contract, store, later(MINUTES + 1))
    (first,) = manifests.waiting(contract, store)
    published = {first.name: first.digest}
    store.write(FOLDER + "more.csv", GOOD.encode())
    seal_settled(contract, store, later(1))
    assert intake.choose(contract, store, published) == (), "the upload may go on"
    seal_settled(contract, store, later(MINUTES + 1))
    (second,) = intake.choose(contract, store, published)
    assert second.refusal.code == "changed_delivery"


def test_it_is_hashed_once(folder_store: Store, contract, monkeypatch):
    """A run that finds it as it was sealed reads no file of it; one that finds a file more reads that one."""
    read: list[str] = []
    monkeypatch.setattr(settled, "sha256_of", lambda path: read.append(path.name) or "0" * 64)
    folder_store.write(FOLDER + "a.csv", GOOD.encode())
    for _ in range(3):
        seal_settled(contract, folder_store, later(MINUTES + 1))
    assert read == ["a.csv"]
    folder_store.write(FOLDER + "b.csv", GOOD.encode())
    seal_settled(contract, folder_store, later(MINUTES + 1))
    assert read == ["a.csv", "b.csv"]
    assert all(key.startswith(FOLDER) for key in folder_store.list("inbox/")), "the inbox is never written to"


def test_what_changes_while_it_is_hashed_is_not_sealed(folder_store: Store, contract, monkeypatch):
    folder_store.write(FOLDER + "a.csv", GOOD.encode())

    def meanwhile(path) -> str:
        folder_store.write(FOLDER + "a.csv", b"longer than it was " + GOOD.encode())
        return "0" * 64

    monkeypatch.setattr(settled, "sha256_of", meanwhile)
    seal_settled(contract, folder_store, later(MINUTES + 1))
    assert names(contract, folder_store) == []


def test_touched_but_the_same_it_is_the_same_delivery(folder_store: Store, contract):
    folder_store.write(FOLDER + "a.csv", GOOD.encode())
    seal_settled(contract, folder_store, later(MINUTES + 1))
    (first,) = manifests.waiting(contract, folder_store)
    os.utime(folder_store.root / FOLDER / "a.csv", (1, 1))
    seal_settled(contract, folder_store, later(MINUTES + 1))
    assert intake.choose(contract, folder_store, {first.name: first.digest}) == ()


@pytest.mark.parametrize("said", [GOOD, GOOD + "x,ann,cat\n"])
def test_a_manifest_that_comes_after_the_seal_counts(folder_store: Store, contract, put, said: str):
    """It names the same bytes: nothing to do. It names others: other bytes under a known id."""
    folder_store.write(FOLDER + "labels.csv", GOOD.encode())
    seal_settled(contract, folder_store, later(MINUTES + 1))
    (first,) = manifests.waiting(contract, folder_store)
    put(folder_store, contract, said)
    found = intake.choose(contract, folder_store, {first.name: first.digest})
    assert [one.refusal.code for one in found] == ([] if said == GOOD else ["changed_delivery"])


def test_a_file_that_changes_between_seal_and_reading_is_refused_and_then_taken_anew(folder_store: Store, contract):
    destination = steps.open_destination(contract, folder_store)
    folder_store.write(FOLDER + "labels.csv", GOOD.encode())
    found = steps.find(contract, folder_store, destination, "one", now=later(MINUTES + 1))
    folder_store.write(FOLDER + "labels.csv", GOOD.replace("cat", "dog").encode())
    staged = steps.stage(contract, found.deliveries[0], folder_store, "one")
    assert staged.refusal.code == "digest_mismatch"
    steps.record_rejections(contract, [steps.check(contract, staged, folder_store, "one")], folder_store)
    (again,) = steps.find(contract, folder_store, destination, "two", now=later(MINUTES + 1)).deliveries
    assert again.refusal is None
    assert steps.stage(contract, again, folder_store, "two").refusal is None


def test_a_whole_run_takes_what_has_settled(folder_store: Store, contract):
    folder_store.write(FOLDER + "labels.csv", GOOD.encode())
    assert audit(contract, folder_store).status == "nothing"
    os.utime(folder_store.root / FOLDER / "labels.csv", (1, 1))
    outcome = audit(contract, folder_store)
    assert (outcome.status, outcome.release.accepted_rows) == ("published", 36)
    assert audit(contract, folder_store).status == "nothing"
