"""A delivery of very many small files: one process parses them, and one store call more or less is not one a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from labelaudit.readers.confined import processes
from labelaudit.receive import delivering, manifests
from labelaudit.stage import staging
from labelaudit.storage.opening import open_store
from labelaudit.storage.store import Store

pytestmark = pytest.mark.runs

FILES, ROWS = 300, 3


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The processes that parse from here on, by number."""
    pids: list[int] = []
    take = processes.take

    def taken():
        process = take()
        pids.append(process.pid)
        return process

    monkeypatch.setattr("labelaudit.readers.confined.isolation.take", taken)
    return pids


def delivered(folder: Path, store: Store, contract, count: int = FILES) -> list[Path]:
    paths = []
    for number in range(count):
        path = folder / f"{number:05}.csv"
        rows = "".join(f"i{number}-{row},ann,{'cat' if row % 2 else 'dog'}\n" for row in range(ROWS))
        path.write_text("item,annotator,label\n" + rows)
        paths.append(path)
    delivering.deliver(store, contract.customer, contract.dataset, "alder", "d1", paths)
    return paths


def test_one_process_parses_a_delivery_of_many_files(tmp_path: Path, folder_store: Store, make_contract, started):
    contract = make_contract()
    delivered(tmp_path, folder_store, contract)
    (delivery,) = manifests.waiting(contract, folder_store)
    staged = staging.stage(contract, delivery, folder_store, "r")
    assert staged.refusal is None
    assert staged.staged_rows == FILES * ROWS
    assert len(started) == 1


def test_each_delivery_has_a_process_of_its_own(tmp_path: Path, folder_store: Store, make_contract, put, started):
    """Whoever takes the parser over with one delivery must not be there when the next is read."""
    contract = make_contract()
    for number in range(3):
        put(folder_store, contract, f"item,annotator,label\na{number},ann,cat\n", delivery=f"d{number}")
    for delivery in manifests.waiting(contract, folder_store):
        staging.stage(contract, delivery, folder_store, "r")
    assert len(set(started)) == len(started) == 3


def test_files_of_s3_are_fetched_several_at_once_and_are_gone_at_the_end(
    tmp_path: Path, s3, monkeypatch: pytest.MonkeyPatch, make_contract
):
    """The same rows as one after another, in the files' order; nothing is left, also where one file is not there."""
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    store, contract = open_store("s3://store/many"), make_contract()
    delivered(tmp_path, store, contract, 40)
    (delivery,) = manifests.waiting(contract, store)
    staged = staging.stage(contract, delivery, store, "r")
    assert (staged.refusal, staged.staged_rows) == (None, 40 * ROWS)
    assert list(scratch.iterdir()) == []
    for number in (7, 31):
        store.delete(f"inbox/alder/acme/pets/d1/{number:05}.csv")
    staged = staging.stage(contract, delivery, store, "r2")
    assert staged.refusal.code == "moved_away", "it was all there when the run began"
    assert "00007.csv" in staged.refusal.message
    assert list(scratch.iterdir()) == []


def test_a_manifest_of_forty_thousand_files_is_read(tmp_path: Path, folder_store: Store, make_contract):
    """It is some seven megabytes long."""
    contract = make_contract()
    folder = "inbox/alder/acme/pets/d1/"
    files = [{"path": f"part-{number:06}.csv", "bytes": 10, "sha256": f"{number:064x}"} for number in range(40_000)]
    folder_store.write(
        folder + "manifest.json", json.dumps({"format": 1, "delivery": "d1", "files": files}, indent=2).encode()
    )
    (delivery,) = manifests.waiting(contract, folder_store)
    assert delivery.refusal.code == "missing_file", "the manifest is read; its files were not delivered"
    assert len(delivery.files) == 40_000
