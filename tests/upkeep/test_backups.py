"""A backup is whole or none, and comes back as what was published; nothing newer is ever written over."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from conftest import GOOD, audit

from labelaudit.errors import InvalidInput, ReleaseInvalid
from labelaudit.publish import verifying
from labelaudit.run import expiry, steps
from labelaudit.storage import layout, release_log, tables
from labelaudit.storage.folder import FolderStore
from labelaudit.storage.opening import open_store
from labelaudit.storage.store import Store
from labelaudit.upkeep import backups
from tests.publish.test_publishing import MORE

pytestmark = pytest.mark.runs

MADE = "2026-11-25T12:00:00+00:00"


@pytest.fixture
def published(make_contract, folder_store: Store, put):
    """One release, and a second delivery that waits."""
    contract = make_contract()
    put(folder_store, contract, GOOD)
    assert audit(contract, folder_store, "one").status == "published"
    put(folder_store, contract, MORE, delivery="d2")
    return contract, folder_store, steps.open_destination(contract, folder_store)


@pytest.fixture
def place(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "backup"))


def content(destination: Store) -> dict[str, list[dict]]:
    return {
        name: sorted(tables.read_table(destination, name).to_pylist(), key=str)
        for name in (layout.LABELS, layout.ANNOTATIONS, layout.QUALITY)
    }


def emptied(destination: Store) -> None:
    shutil.rmtree(destination.root)


def test_what_was_lost_comes_back_and_later_deliveries_are_published_anew(published, place):
    """The same rows, log and files; and the next run takes what the backup does not have, as if never published."""
    contract, store, destination = published
    backup = backups.back_up(contract, store, destination, place, MADE)
    before, files = content(destination), {key: destination.read(key) for key in destination.list("releases/")}
    second = audit(contract, store, "two").release
    emptied(destination)
    assert backups.restore(contract, place, destination) == backup
    assert content(destination) == before
    assert {key: destination.read(key) for key in destination.list("releases/")} == files
    assert [one.release for one in release_log.log(destination)] == [backup.release]
    again = audit(contract, store, "three")
    assert (again.status, again.release.release) == ("published", second.release)
    verifying.verify(destination)
    verifying.verify(destination, backup.release)


def test_a_backup_goes_to_a_bucket_and_comes_back(published, store, tmp_path: Path):
    contract, ours, destination = published
    place = store.below("backups/today")
    backups.back_up(contract, ours, destination, place, MADE)
    before = content(destination)
    emptied(destination)
    backups.restore(contract, place, destination)
    assert content(destination) == before


def test_a_release_that_is_published_meanwhile_is_in_none_of_the_tables(published, place, monkeypatch):
    """Between our look at the log and our copies, another run publishes: the backup is of the release before, whole."""
    contract, store, destination = published
    before = content(destination)
    log = release_log.log
    with monkeypatch.context() as patched:

        def overtaken(looked_at):
            releases = log(looked_at)
            patched.undo()
            assert audit(contract, store, "two").status == "published"
            return releases

        patched.setattr(backups.release_log, "log", overtaken)
        patched.setattr(backups.finishing, "finish", lambda *stores: None)
        backup = backups.back_up(contract, store, destination, place, MADE)
    assert backup.sequence == 1
    assert release_log.log(destination)[-1].sequence == 2
    emptied(destination)
    backups.restore(contract, place, destination)
    assert content(destination) == before


def test_a_newer_destination_is_not_written_over(published, place):
    contract, store, destination = published
    backups.back_up(contract, store, destination, place, MADE)
    audit(contract, store, "two")
    before = {key: destination.read(key) for key in destination.list("")}
    with pytest.raises(InvalidInput, match=r"r0002-.*newer than the backup's r0001-.*nothing was restored"):
        backups.restore(contract, place, destination)
    assert {key: destination.read(key) for key in destination.list("")} == before


def test_releases_that_the_backup_does_not_know_stay(published, place, put):
    """Another first release than the backup's: neither is newer, and one would be lost."""
    contract, store, destination = published
    audit(contract, store, "two")
    backups.back_up(contract, store, destination, place, MADE)
    emptied(destination)
    other = audit(contract.model_copy(update={"seed": 5}), store, "other").release.release
    with pytest.raises(InvalidInput, match=rf"{other}.* does not know: nothing was restored"):
        backups.restore(contract, place, destination)
    assert [one.release for one in release_log.log(destination)] == [other]


def test_an_older_destination_and_a_damaged_one_become_what_was_backed_up(published, place, tmp_path: Path):
    contract, store, destination = published
    shutil.copytree(destination.root, tmp_path / "older")
    audit(contract, store, "two")
    backups.back_up(contract, store, destination, place, MADE)
    before = content(destination)
    emptied(destination)
    shutil.copytree(tmp_path / "older", destination.root)
    backups.restore(contract, place, destination)
    assert content(destination) == before
    last = release_log.log(destination)[-1]
    destination.delete(f"{last.files}report.html")
    for key in destination.list("labels/"):
        if key.endswith(".parquet") and "_delta_log" not in key:
            destination.delete(key)
    with pytest.raises(ReleaseInvalid):
        verifying.verify(destination)
    backups.restore(contract, place, destination)
    verifying.verify(destination)
    assert content(destination) == before


def test_old_versions_that_have_expired_are_missed_by_nobody(published, place):
    contract, store, destination = published
    audit(contract, store, "two")
    tables.expire_versions(destination, tables.PUBLISHED, 7)
    expiry.expire(contract, store, destination, 4e9)
    backups.back_up(contract, store, destination, place, MADE)
    before = content(destination)
    emptied(destination)
    backups.restore(contract, place, destination)
    assert content(destination) == before


class Killed(BaseException):
    pass


def dying(monkeypatch, at: int, root: Path) -> None:
    """Kills the `at`th write below a folder, from 1."""
    written = 0
    for name in ("upload", "write", "put_if_absent"):
        real = getattr(FolderStore, name)

        def write(self, *arguments, real=real):
            nonlocal written
            if self.root == root:
                written += 1
                if written == at:
                    raise Killed
            return real(self, *arguments)

        monkeypatch.setattr(FolderStore, name, write)


def test_killed_at_any_write_it_is_no_backup_and_repeated_it_is_one(published, place, monkeypatch: pytest.MonkeyPatch):
    contract, store, destination = published
    before = content(destination)
    whole = len(backups.back_up(contract, store, destination, place, MADE).files) + 1
    for at in (1, whole // 2, whole - 1, whole):
        shutil.rmtree(place.root)
        with monkeypatch.context() as patched:
            dying(patched, at, place.root)
            with pytest.raises(Killed):
                backups.back_up(contract, store, destination, place, MADE)
        with pytest.raises(InvalidInput, match="it is no backup, or one that was cut off"):
            backups.restore(contract, place, destination)
        place.write("objects/labels/left-behind.parquet", b"of an attempt at another release")
        backups.back_up(contract, store, destination, place, MADE)
        assert not place.exists("objects/labels/left-behind.parquet")
    emptied(destination)
    backups.restore(contract, place, destination)
    assert content(destination) == before


def test_a_restore_that_is_killed_anywhere_leaves_no_half_release_and_can_be_repeated(
    published, place, monkeypatch: pytest.MonkeyPatch
):
    contract, store, destination = published
    audit(contract, store, "two")
    files = len(backups.back_up(contract, store, destination, place, MADE).files)
    before = content(destination)
    for at in range(1, files + 1, 3):
        emptied(destination)
        with monkeypatch.context() as patched:
            dying(patched, at, destination.root)
            with pytest.raises(Killed):
                backups.restore(contract, place, destination)
        for logged in release_log.log(destination):
            verifying.verify(destination, logged.release)
        backups.restore(contract, place, destination)
        assert content(destination) == before


@pytest.mark.parametrize("harm", ["changed", "missing", "unfinished"])
def test_of_a_damaged_backup_nothing_is_restored(published, place, harm: str):
    contract, store, destination = published
    backups.back_up(contract, store, destination, place, MADE)
    (report,) = [key for key in place.list("objects/releases/") if key.endswith("report.html")]
    if harm == "changed":
        place.write(report, place.read(report) + b" ")
    else:
        place.delete(report if harm == "missing" else backups.MANIFEST)
    emptied(destination)
    with pytest.raises((ReleaseInvalid, InvalidInput)):
        backups.restore(contract, place, destination)
    assert destination.list("") == []


def test_a_backup_is_of_one_dataset_and_lies_alone(published, place, make_contract):
    contract, store, destination = published
    place.write("holiday.jpg", b"\0")
    with pytest.raises(InvalidInput, match=r"holds something else \(holiday\.jpg\)"):
        backups.back_up(contract, store, destination, place, MADE)
    place.delete("holiday.jpg")
    backups.back_up(contract, store, destination, place, MADE)
    with pytest.raises(InvalidInput, match="is a backup of r0001-"):
        backups.back_up(contract, store, destination, place, MADE)
    other = make_contract("acme/cars")
    with pytest.raises(InvalidInput, match="is a backup of acme/pets, not of acme/cars"):
        backups.restore(other, place, steps.open_destination(other, store))
    with pytest.raises(InvalidInput, match="nothing to back up"):
        backups.back_up(other, store, steps.open_destination(other, store), place.below("empty"), MADE)


def test_the_manifest_says_what_was_copied_with_its_digests(published, place):
    contract, store, destination = published
    backup = backups.back_up(contract, store, destination, place, MADE)
    said = json.loads(place.read(backups.MANIFEST))
    assert (said["release"], said["digest"]) == (backup.release, release_log.log(destination)[-1].digest)
    assert {f"objects/{file['path']}" for file in said["files"]} == set(place.list("objects/"))
    assert {file["path"]: file["sha256"] for file in said["files"]} == {
        file["path"]: destination.sha256(file["path"]) for file in said["files"]
    }
    assert set(said["tables"]) == {"labels", "annotations", "quality"}
