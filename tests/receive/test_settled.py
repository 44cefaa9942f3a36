"""Deliveries without a manifest: taken once two looks have seen the same, hashed once, and never changed unseen."""

from __future__ import annotations

import os
import shutil
import time
from datetime import UTC, datetime, timedelta

import pytest
from conftest import GOOD, audit

from labelaudit.receive import choosing, manifests
from labelaudit.receive.seals import seal_settled
from labelaudit.run import steps
from labelaudit.storage.store import Store

FOLDER = "inbox/alder/acme/pets/d1/"
MINUTES = 30
VENDORS = {"alder": {"format": "csv", "settled_minutes": MINUTES}, "birch": {"format": "csv"}}


@pytest.fixture
def contract(make_contract):
    return make_contract(vendors=VENDORS)


def later(minutes: float) -> float:
    return time.time() + 60 * minutes


def settle(contract, store: Store, minutes: float = 0) -> None:
    """Two looks, far enough apart."""
    for moment in (minutes, minutes + MINUTES):
        seal_settled(contract, store, later(moment))


def names(contract, store: Store) -> list[str]:
    return [delivery.name for delivery in manifests.waiting(contract, store)]


def test_it_is_taken_once_two_looks_so_far_apart_have_seen_the_same(store: Store, contract):
    """Not before; never for a vendor whose contract wants a manifest; and until then, it is said when."""
    for vendor in ("alder", "birch"):
        store.write(f"inbox/{vendor}/acme/pets/d1/labels.csv", GOOD.encode())
    unseen, wants = manifests.incomplete(contract, store)
    assert unseen.reason == "no manifest.json: it is taken once it has been seen unchanged for 30 minutes"
    assert (wants.name, wants.reason) == ("birch/d1", "no manifest.json yet")
    start = 1_795_000_000.0
    for moment in (start, start + 60 * MINUTES - 1):
        seal_settled(contract, store, moment)
        assert names(contract, store) == []
    assert manifests.incomplete(contract, store)[0].reason == (
        "no manifest.json: first seen as it is at 2026-11-18 11:06 UTC; if it stays so, it is taken by a run after"
        " 2026-11-18 11:36 UTC"
    )
    seal_settled(contract, store, start + 60 * MINUTES)
    assert names(contract, store) == ["alder/d1"]
    assert [folder.name for folder in manifests.incomplete(contract, store)] == ["birch/d1"]
    (delivery,) = choosing.choose(contract, store, {})
    assert [(file.path, file.bytes) for file in delivery.files] == [("labels.csv", len(GOOD))]


def test_what_files_say_of_their_own_age_counts_for_nothing(folder_store: Store, contract, tmp_path):
    """`cp -p`, `rsync -a` and unzip keep the times of the original: half an upload looks a year old."""
    old = time.time() - 365 * 86_400
    (folder_store.root / FOLDER).mkdir(parents=True)
    for minute, name in enumerate(("a.csv", "b.csv", "c.csv")):
        (tmp_path / name).write_text(GOOD)
        os.utime(tmp_path / name, (old, old))
        shutil.copy2(tmp_path / name, folder_store.root / FOLDER / name)
        seal_settled(contract, folder_store, later(20 * minute))
        assert names(contract, folder_store) == []
    seal_settled(contract, folder_store, later(69))
    assert names(contract, folder_store) == []
    seal_settled(contract, folder_store, later(70))
    assert len(manifests.waiting(contract, folder_store)[0].files) == 3


def test_a_file_that_is_exchanged_for_one_of_the_same_size_and_time_has_changed(folder_store: Store, contract):
    """Nothing but the kernel's own time tells them apart."""
    folder_store.write(FOLDER + "a.csv", GOOD.encode())
    os.utime(folder_store.root / FOLDER / "a.csv", (1, 1))
    settle(contract, folder_store)
    (first,) = manifests.waiting(contract, folder_store)
    folder_store.write(FOLDER + "a.csv", GOOD.replace("cat", "dog").encode())
    os.utime(folder_store.root / FOLDER / "a.csv", (1, 1))
    assert names(contract, folder_store) == [], "it is not what was sealed, and has not settled yet"
    settle(contract, folder_store, 60)
    (second,) = manifests.waiting(contract, folder_store)
    assert first.digest != second.digest


def test_a_clock_that_is_set_back_makes_it_wait_and_not_for_ever(folder_store: Store, contract):
    folder_store.write(FOLDER + "a.csv", GOOD.encode())
    seal_settled(contract, folder_store, later(10_000))
    settle(contract, folder_store)
    assert names(contract, folder_store) == ["alder/d1"]


@pytest.mark.parametrize("name", ["b.csv.part", "b.csv.FILEPART", ".b.csv.x7Gq2", "~$b.xlsx", "b.csv.tmp", "deep/.b"])
def test_an_upload_under_way_is_never_taken(folder_store: Store, contract, name: str):
    """However old it is: a broken upload is no delivery."""
    folder_store.write(FOLDER + "a.csv", GOOD.encode())
    folder_store.write(FOLDER + name, b"half")
    settle(contract, folder_store, 100_000)
    assert names(contract, folder_store) == []
    (waits,) = manifests.incomplete(contract, folder_store)
    assert waits.reason == f"{name!r}: an upload is under way, or was broken off"


def test_what_file_managers_leave_is_no_file(folder_store: Store, contract):
    folder_store.write(FOLDER + "labels.csv", GOOD.encode())
    for name in (".DS_Store", "Thumbs.db", "._labels.csv", "__MACOSX/x"):
        folder_store.write(FOLDER + name, b"x")
    settle(contract, folder_store)
    (delivery,) = manifests.waiting(contract, folder_store)
    assert [file.path for file in delivery.files] == ["labels.csv"]


def test_an_empty_folder_is_no_delivery(folder_store: Store, contract):
    (folder_store.root / FOLDER).mkdir(parents=True)
    settle(contract, folder_store)
    assert names(contract, folder_store) == []
    assert manifests.incomplete(contract, folder_store)[0].reason == "the folder is empty"


def test_a_name_that_is_no_path_is_refused(folder_store: Store, contract):
    folder_store.write(FOLDER + "my\\labels.csv", GOOD.encode())
    seal_settled(contract, folder_store, later(0))
    (delivery,) = choosing.choose(contract, folder_store, {})
    assert delivery.refusal.code == "unsafe_path"
    assert delivery.refusal.message.startswith("the delivery holds the file 'my\\\\labels.csv': a name may not have")


def test_a_link_is_refused_and_looked_at_anew_once_it_is_a_file(folder_store: Store, contract, tmp_path):
    (folder_store.root / FOLDER).mkdir(parents=True)
    (tmp_path / "secret").write_text(GOOD)
    (folder_store.root / FOLDER / "labels.csv").symlink_to(tmp_path / "secret")
    seal_settled(contract, folder_store, later(0))
    (delivery,) = choosing.choose(contract, folder_store, {})
    assert delivery.refusal.code == "unsafe_path"
    assert "'labels.csv' is a symbolic link" in delivery.refusal.message
    (folder_store.root / FOLDER / "labels.csv").unlink()
    folder_store.write(FOLDER + "labels.csv", GOOD.encode())
    settle(contract, folder_store)
    assert choosing.choose(contract, folder_store, {})[0].refusal is None


def test_a_published_delivery_that_changes_is_refused_once_it_has_settled_again(store: Store, contract):
    """An added file is other bytes under a known id, as it is with a manifest."""
    store.write(FOLDER + "labels.csv", GOOD.encode())
    settle(contract, store)
    (first,) = manifests.waiting(contract, store)
    published = {first.name: first.digest}
    store.write(FOLDER + "more.csv", GOOD.encode())
    seal_settled(contract, store, later(60))
    assert choosing.choose(contract, store, published) == (), "the upload may go on"
    seal_settled(contract, store, later(60 + MINUTES))
    (second,) = choosing.choose(contract, store, published)
    assert second.refusal.code == "changed_delivery"


@pytest.fixture
def read(folder_store: Store, monkeypatch) -> list[str]:
    """The names of the files that are hashed."""
    found: list[str] = []
    hashed = type(folder_store).sha256

    def watched(self, key: str) -> str:
        found.append(key.rsplit("/", 1)[1])
        return hashed(self, key)

    monkeypatch.setattr(type(folder_store), "sha256", watched)
    return found


def test_it_is_hashed_once(folder_store: Store, contract, read: list[str]):
    """A run that finds it as it was sealed reads no file of it; one that finds a file more reads that one."""
    folder_store.write(FOLDER + "a.csv", GOOD.encode())
    for minute in (0, 10, MINUTES, 60, 120):
        seal_settled(contract, folder_store, later(minute))
    assert read == ["a.csv"]
    folder_store.write(FOLDER + "b.csv", GOOD.encode())
    settle(contract, folder_store, 180)
    assert read == ["a.csv", "b.csv"]
    assert all(key.startswith(FOLDER) for key in folder_store.list("inbox/")), "the inbox is never written to"
    assert manifests.waiting(contract, folder_store)[0].digest


def test_what_changes_while_it_is_hashed_is_not_sealed(folder_store: Store, contract, monkeypatch):
    folder_store.write(FOLDER + "a.csv", GOOD.encode())

    def meanwhile(self, key: str) -> str:
        folder_store.write(FOLDER + "a.csv", b"longer than it was " + GOOD.encode())
        return "0" * 64

    monkeypatch.setattr(type(folder_store), "sha256", meanwhile)
    settle(contract, folder_store)
    assert folder_store.list("sealed/") == []


def test_touched_but_the_same_it_is_the_same_delivery(folder_store: Store, contract):
    folder_store.write(FOLDER + "a.csv", GOOD.encode())
    settle(contract, folder_store)
    (first,) = manifests.waiting(contract, folder_store)
    os.utime(folder_store.root / FOLDER / "a.csv", (1, 1))
    settle(contract, folder_store, 60)
    assert len(folder_store.list("sealed/")) == 2
    assert choosing.choose(contract, folder_store, {first.name: first.digest}) == ()


@pytest.mark.parametrize("said", [GOOD, GOOD + "x,ann,cat\n"])
def test_a_manifest_that_comes_after_the_seal_counts(folder_store: Store, contract, put, said: str):
    """It names the same bytes: nothing to do. It names others: other bytes under a known id."""
    folder_store.write(FOLDER + "labels.csv", GOOD.encode())
    settle(contract, folder_store)
    (first,) = manifests.waiting(contract, folder_store)
    put(folder_store, contract, said)
    chosen = choosing.choose(contract, folder_store, {first.name: first.digest})
    assert [delivery.refusal.code for delivery in chosen] == ([] if said == GOOD else ["changed_delivery"])


def test_a_file_that_changes_between_seal_and_reading_is_refused_and_then_taken_anew(folder_store: Store, contract):
    destination = steps.open_destination(contract, folder_store)
    folder_store.write(FOLDER + "labels.csv", GOOD.encode())
    seal_settled(contract, folder_store, later(0))
    found = steps.find(contract, folder_store, destination, "one", now=later(MINUTES))
    folder_store.write(FOLDER + "labels.csv", GOOD.replace("cat", "dog").encode())
    staged = steps.stage(contract, found.deliveries[0], folder_store, "one")
    assert staged.refusal.code == "digest_mismatch"
    steps.record_rejections(contract, [steps.check(contract, staged, folder_store, "one")], folder_store)
    assert steps.find(contract, folder_store, destination, "two", now=later(60)).deliveries == ()
    (again,) = steps.find(contract, folder_store, destination, "three", now=later(60 + MINUTES)).deliveries
    assert again.refusal is None
    assert steps.stage(contract, again, folder_store, "three").refusal is None


@pytest.mark.runs
def test_a_whole_run_takes_what_has_settled(folder_store: Store, contract):
    folder_store.write(FOLDER + "labels.csv", GOOD.encode())
    start = datetime(2026, 11, 25, 6, tzinfo=UTC)
    assert audit(contract, folder_store, now=start).status == "nothing"
    outcome = audit(contract, folder_store, now=start + timedelta(minutes=MINUTES))
    assert (outcome.status, outcome.release.accepted_rows) == ("published", 36)
    assert audit(contract, folder_store).status == "nothing"
