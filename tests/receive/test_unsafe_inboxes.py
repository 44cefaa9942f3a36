"""Nothing in an inbox is followed or waited for: links, pipes and sockets are named as what they are, at any level."""

from __future__ import annotations

import json
import os
import socket
import tempfile
from pathlib import Path

import pytest
from conftest import GOOD, Reading

from labelaudit.errors import AccessDenied, DeliveryRejected
from labelaudit.page.state import dataset_state
from labelaudit.receive import choosing, manifests
from labelaudit.rejects import recorded
from labelaudit.run import steps
from labelaudit.storage import layout
from labelaudit.storage.store import Store

pytestmark = pytest.mark.parsers

PARTS = ["inbox", "alder", "acme", "pets", "d2"]
SECRET = GOOD.replace("\ni", "\nsecret")


@pytest.fixture
def contract(make_contract):
    return make_contract()


def trap(store: Store, contract, put, path: str) -> None:
    """What another customer has, as complete as a delivery of ours would be, and a link to it at `path`."""
    elsewhere = store.below("published/other/trap")
    put(elsewhere, contract, SECRET, delivery="d2")
    place = store.root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(elsewhere.root / path)


@pytest.mark.parametrize("depth", range(1, 6))
def test_a_linked_folder_is_never_followed_and_named_on_the_page(folder_store: Store, contract, put, depth: int):
    """Not the inbox itself, nor a vendor's, a customer's, a dataset's folder, nor a delivery's."""
    path = "/".join(PARTS[:depth])
    trap(folder_store, contract, put, path)
    assert steps.find(contract, folder_store, steps.open_destination(contract, folder_store), "run").deliveries == ()
    said = {folder.name: folder.reason for folder in manifests.incomplete(contract, folder_store)}
    name = "alder/d2" if depth == 5 else repr(path)
    why = "it is a symbolic link: nothing in an inbox is followed. Put the folder itself there"
    assert said == {name: why}
    state = dataset_state(contract, folder_store, lambda contract: steps.open_destination(contract, folder_store), True)
    assert [folder.reason for folder in state.incomplete] == [why]
    if depth == 5:
        with pytest.raises(DeliveryRejected, match="a symbolic link"):
            choosing.choose(contract, folder_store, {}, wanted=["alder/d2"])


@pytest.mark.parametrize("name", ["labels.csv", "manifest.json", "beside.csv"])
def test_a_linked_file_is_refused_by_its_name_and_stops_no_other(folder_store: Store, contract, put, name: str):
    """Also one that the manifest does not name. What replaces it is looked at anew."""
    put(folder_store, contract, GOOD)
    put(folder_store, contract, SECRET, delivery="d2")
    folder = folder_store.root / "inbox/alder/acme/pets/d2"
    (folder_store.root / "gold").mkdir()
    secret = folder_store.root / "gold" / name
    if name != "beside.csv":
        (folder / name).rename(secret)
    else:
        secret.write_text(SECRET)
    (folder / name).symlink_to(secret)
    runs = Reading(contract, folder_store)
    assert [runs.run(), runs.run()] == [{"d1": "taken", "d2": "unsafe_path"}, {}]
    ((_, refused),) = recorded.rejections(contract, folder_store)
    assert f"'{name}' is a symbolic link" in refused.refusal.message
    (folder / name).unlink()
    if name != "beside.csv":
        secret.rename(folder / name)
    assert runs.run() == {"d2": "taken"}


def test_a_folder_of_a_delivery_may_not_be_a_link_either(folder_store: Store, contract, put):
    put(folder_store, contract, GOOD)
    folder = folder_store.root / "inbox/alder/acme/pets/d1"
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][0]["path"] = "deep/labels.csv"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder_store.root / "gold").mkdir()
    (folder / "labels.csv").rename(folder_store.root / "gold" / "labels.csv")
    (folder / "deep").symlink_to(folder_store.root / "gold")
    (refused,) = choosing.choose(contract, folder_store, {})
    assert "'deep' is a symbolic link" in refused.refusal.message


def listening(path) -> None:
    with socket.socket(socket.AF_UNIX) as made, tempfile.TemporaryDirectory() as short:
        made.bind(f"{short}/s")  # a socket's path has 108 bytes at most; a test's folder may be longer
        Path(short, "s").rename(path)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("make", "problem"), [(os.mkfifo, "a named pipe"), (listening, "a socket")])
@pytest.mark.parametrize("name", ["labels.csv", "manifest.json"])
def test_nobody_waits_for_a_pipe(folder_store: Store, contract, put, make, problem: str, name: str):
    """Neither a run nor the page; the others are taken."""
    put(folder_store, contract, GOOD)
    put(folder_store, contract, SECRET, delivery="d2")
    place = folder_store.root / "inbox/alder/acme/pets/d2" / name
    place.unlink()
    make(place)
    make(folder_store.root / "inbox/alder/acme/pets/beside")
    assert Reading(contract, folder_store).run() == {"d1": "taken", "d2": "unsafe_path"}
    ((_, refused),) = recorded.rejections(contract, folder_store)
    assert f"'{name}' is {problem}" in refused.refusal.message
    state = dataset_state(contract, folder_store, lambda contract: steps.open_destination(contract, folder_store), True)
    assert state.rejections[0].refusal == refused.refusal
    assert state.incomplete[0].reason.startswith(f"it is {problem}")


def test_a_file_that_becomes_a_link_after_it_was_found_is_refused(folder_store: Store, contract, put, monkeypatch):
    """And looked at anew once it is a file again."""
    put(folder_store, contract, GOOD)
    place, secret = folder_store.root / "inbox/alder/acme/pets/d1/labels.csv", folder_store.root / "labels.csv"
    runs, real = Reading(contract, folder_store), type(folder_store).download

    def swapped(self, key, path) -> None:
        place.rename(secret)
        place.symlink_to(secret)
        real(self, key, path)

    with monkeypatch.context() as patch:
        patch.setattr(type(folder_store), "download", swapped)
        assert runs.run() == {"d1": "unsafe_path"}
    place.unlink()
    secret.rename(place)
    assert runs.run() == {"d1": "taken"}


def test_what_we_may_not_read_waits_and_says_so(folder_store: Store, contract, put, monkeypatch):
    """A file that was uploaded for nobody else ends no run, and is taken once we may read it."""
    put(folder_store, contract, GOOD)
    put(folder_store, contract, SECRET, delivery="d2")
    real = os.access
    with monkeypatch.context() as patch:  # root may read everything
        patch.setattr(os, "access", lambda name, *rest, **named: name != "manifest.json" and real(name, *rest, **named))
        assert choosing.choose(contract, folder_store, {}) == ()
        said = {folder.name: folder.reason for folder in manifests.incomplete(contract, folder_store)}
    assert said["alder/d2"] == "'manifest.json' is a file that we may not read: give us leave to read it"
    assert Reading(contract, folder_store).run() == {"d1": "taken", "d2": "taken"}


def test_an_object_of_another_owner_stops_no_other_and_is_taken_later(store: Store, contract, put, monkeypatch):
    """On S3, only reading shows it."""
    put(store, contract, GOOD)
    put(store, contract, SECRET, delivery="d2")
    runs, real = Reading(contract, store), type(store).download

    def denied(self, key, path) -> None:
        if key.startswith(layout.delivery("alder", "acme", "pets", "d2")):
            raise AccessDenied("403")
        real(self, key, path)

    with monkeypatch.context() as patch:
        patch.setattr(type(store), "download", denied)
        assert runs.run() == {"d1": "taken", "d2": "not_readable"}
    assert runs.run() == {"d2": "taken"}
