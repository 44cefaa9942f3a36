"""What a run reads of the history: what it needs, and of the newest other items no more than the contract says."""

from __future__ import annotations

import pytest
from conftest import audit

from labelaudit.detect.history import read_history
from labelaudit.run import steps
from labelaudit.storage import layout, tables
from labelaudit.storage.folder import FolderStore
from labelaudit.storage.store import Store

pytestmark = pytest.mark.runs


def rows(first: int, last: int, people: str = "ann bob cyd") -> str:
    lines = [
        f"i{item:02d},{who},{'cat' if item % 2 else 'dog'}" for item in range(first, last) for who in people.split()
    ]
    return "\n".join(["item,annotator,label", *lines, ""])


@pytest.fixture
def pets(make_contract, folder_store: Store, put, monkeypatch):
    """Four releases of ten items each; the third also judges an item of the first anew. And the files that are read."""
    contract = make_contract()
    for number in range(4):
        put(folder_store, contract, rows(10 * number, 10 * number + 10), delivery=f"d{number}")
        if number == 2:
            put(folder_store, contract, rows(0, 1, "dan"), delivery="more")
        audit(contract, folder_store, f"run{number}")
    read: list[str] = []
    local = FolderStore.local

    def noted(self, key):
        if key.startswith("history/"):
            read.append(key.rsplit("/", 1)[1].split("-")[0])
        return local(self, key)

    monkeypatch.setattr(FolderStore, "local", noted)
    destination = steps.open_destination(contract, folder_store)
    return contract, folder_store, destination, read


CASES = [
    ([], 0, [], 0),
    (["new"], 5, ["r0004"], 5),
    (["new"], 10, ["r0004"], 10),
    (["new"], 15, ["r0004", "r0003"], 15),
    (["i01"], 5, ["r0004", "r0001"], 6),
    (["i00"], 5, ["r0004", "r0003"], 6),
    (["i35"], 5, ["r0004"], 6),
    (["i01", "i35"], 0, ["r0004", "r0001"], 2),
    (["new"], 1000, ["r0004", "r0003", "r0002", "r0001"], 40),
]
"""Wanted items, most others; the files that are read for them, and the items that come."""


def test_no_more_files_are_read_than_hold_what_is_wanted(pets):
    """All rows of the items that the run labels, wherever they are, and the newest others up to `max_items`."""
    contract, store, destination, read = pets
    for wanted, most, files, items in CASES:
        read.clear()
        history, touched = read_history(contract, store, destination, wanted, (), most)
        assert (read, history["item"].nunique() if len(history) else 0, touched) == (files, items, set()), (
            wanted,
            most,
        )
        there = set(history["item"])
        assert set(wanted) - {"new"} <= there
        if "i00" in there:
            assert sorted(history.loc[history["item"] == "i00", "annotator"]) == ["ann", "bob", "cyd", "dan"]
        assert history.duplicated(["item", "annotator"]).sum() == 0


def test_of_a_dropped_delivery_the_items_are_told_and_its_rows_are_left_out(pets):
    contract, store, destination, read = pets
    history, touched = read_history(contract, store, destination, (), ["alder/d0"], 0)
    assert touched == {f"i{item:02d}" for item in range(10)}
    assert history[["item", "annotator", "delivery"]].to_numpy().tolist() == [["i00", "dan", "alder/more"]]
    assert read == ["r0003", "r0001"]


def test_items_that_were_taken_away_train_nobody_any_more(pets, put):
    """Of a superseded delivery, whose rows still stand in the file of its release."""
    contract, store, destination, _ = pets
    put(store, contract, rows(12, 20), delivery="d1b", supersedes=["d1"])
    audit(contract, store, "run5")
    history, _ = read_history(contract, store, destination, (), (), 1000)
    published = set(tables.read_table(destination, layout.LABELS)["item"].to_pylist())
    assert set(history["item"]) == published
    assert not {"i10", "i11"} & published


def test_where_a_file_has_expired_an_item_that_others_labelled_too_stays_as_it_was(pets):
    contract, store, destination, _ = pets
    for key in store.list("history/"):
        store.delete(key)
    history, touched = read_history(contract, store, destination, (), ["alder/d0"], 0)
    assert len(history) == 0
    assert touched == {f"i{item:02d}" for item in range(1, 10)}, "i00 was labelled by another delivery, too"


def test_a_run_reads_as_much_as_its_contract_says(pets, make_contract, put):
    """`history.max_items`, from the contract to the files that a run reads."""
    _, store, _, read = pets
    contract = make_contract(history={"max_items": 10})
    put(store, contract, rows(40, 50), delivery="d4")
    read.clear()
    audit(contract, store, "run4")
    assert "r0004" in read
    assert not {"r0001", "r0002", "r0003"} & set(read)
