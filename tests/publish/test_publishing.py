"""Publishing among other publishers: what is committed is never written again, and nobody sees what is not."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from conftest import GOOD, audit
from deltalake import DeltaTable, QueryBuilder

from labelaudit.errors import ReleaseConflict
from labelaudit.publish import verifying
from labelaudit.run import steps
from labelaudit.storage import commits, layout, release_log, tables
from labelaudit.storage.folder import FolderStore
from labelaudit.storage.opening import open_store
from labelaudit.storage.s3 import S3Store
from labelaudit.storage.schemas import ANNOTATIONS_SCHEMA
from labelaudit.storage.store import Store
from labelaudit.values.verdicts import Answer

pytestmark = pytest.mark.runs

WRITES = ("write", "put_if_absent", "upload", "delete")
MORE = "item,annotator,label\nj1,ann,cat\nj1,bob,cat\nj2,ann,dog\nj2,bob,dog\n"


class Killed(BaseException):
    """As good as SIGKILL for us: no `except Exception` catches it."""


def at_write(count: int, what: Callable[[], None], monkeypatch) -> Callable[[], int]:
    """Do something just before the count-th write to a store; gives a function that tells how many there were."""
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        if done == count:
            what()

    for kind in (FolderStore, S3Store):
        for name in WRITES:
            original = getattr(kind, name)

            def wrapped(self, *arguments, original=original):
                tick()
                return original(self, *arguments)

            monkeypatch.setattr(kind, name, wrapped)
    return lambda: done


def judged(contract, store: Store, run: str, again: bool = False):
    """A run up to its verdict."""
    destination = steps.open_destination(contract, store)
    found = steps.find(contract, store, destination, run, again=again)
    staged = [steps.stage(contract, delivery, store, run) for delivery in found.deliveries]
    checked = [steps.check(contract, delivery, store, run) for delivery in staged]
    made = steps.detect(contract, found, checked, store, destination)
    return made, steps.judge(contract, made, store, destination)


def noted(verdict, digest: str, note: str):
    said = Answer(chosen="publish with a note", by="ada", at="2026-11-25T12:00:00+00:00", note=note, digest=digest)
    return steps.released(verdict, said)


def files(destination: Store) -> dict[str, str]:
    return {key: hashlib.sha256(destination.read(key)).hexdigest() for key in destination.list("releases/")}


def seen(destination: Store, name: str) -> set[str]:
    """The releases of which anybody who reads the table sees rows, without Labelaudit."""
    try:
        table = DeltaTable(f"{destination.uri}/{name}", storage_options=destination.table_options())
    except Exception:
        return set()
    rows = QueryBuilder().register("rows", table).execute("select distinct release from rows").read_all()
    return set(rows["release"].to_pylist())


def copied(store: Store, name: str) -> Store:
    """Another store with the same objects."""
    twin = open_store(f"{store.uri}-{name}")
    for key in store.list(""):
        twin.write(key, store.read(key))
    return twin


def test_two_that_publish_the_same_release_with_different_notes_leave_one_whole(
    store: Store, make_contract, put, monkeypatch
):
    """The second publisher comes in just before each write of the first one; whoever commits first counts, and nothing
    of it is ever written again."""
    contract = make_contract()
    put(store, contract, GOOD)
    (audited, verdict), (twin, _) = judged(contract, store, "one"), judged(contract, store, "two")
    assert audited.release == twin.release
    start, step, finished = store, 0, False
    while not finished:
        store = copied(start, str(step))
        destination = steps.open_destination(contract, store)
        between: dict[str, str] = {}

        def second(store=store, destination=destination, between=between) -> None:
            release = steps.publish(contract, twin, noted(verdict, twin.digest, "second"), store, destination)
            verifying.verify(destination)
            prefix = next(entry.files for entry in release_log.log(destination) if entry.release == release.release)
            between.update({key: digest for key, digest in files(destination).items() if key.startswith(prefix)})

        with monkeypatch.context() as patch:
            writes = at_write(step + 1, second, patch)
            first = steps.publish(contract, audited, noted(verdict, audited.digest, "first"), store, destination)
            finished = writes() <= step
        verifying.verify(destination)
        (logged,) = release_log.log(destination)
        assert first.report == destination.uri_of(logged.files + "report.html")
        assert b"first" in destination.read(logged.files + "manifest.json") or between
        left = files(destination)
        assert {key: left[key] for key in between} == between, f"written again, at write {step + 1}"
        steps.find(contract, store, destination, "next")
        assert {key.split("/")[1] for key in files(destination)} == {logged.folder}
        assert store.list(layout.ready(contract.customer, contract.dataset)) == []
        for name in (layout.ANNOTATIONS, layout.QUALITY):
            assert seen(destination, name) == {logged.release}
        assert tables.read_table(destination, layout.ANNOTATIONS).num_rows == 36
        step += 1 if isinstance(store, FolderStore) else 5
    assert step > 10


def test_a_published_release_is_not_touched_by_publishing_it_again(folder_store: Store, make_contract, put):
    """With another note, even: the first one stands."""
    contract = make_contract()
    destination = steps.open_destination(contract, folder_store)
    put(folder_store, contract, GOOD)
    audited, verdict = judged(contract, folder_store, "one")
    steps.publish(contract, audited, noted(verdict, audited.digest, "first"), folder_store, destination)
    before = {key: folder_store.modified(key) for key in folder_store.list("published/")}
    again = steps.publish(contract, audited, noted(verdict, audited.digest, "second"), folder_store, destination)
    assert again.already
    assert {key: folder_store.modified(key) for key in folder_store.list("published/")} == before


def test_nobody_ever_sees_a_row_of_a_release_that_was_never_committed(store: Store, make_contract, put, monkeypatch):
    """Killed at each of its writes up to the commit, and after it: then the next run brings its rows in."""
    contract = make_contract()
    put(store, contract, GOOD)
    made = judged(contract, store, "abandoned")
    destination = steps.open_destination(contract, store)

    def die() -> None:
        raise Killed

    step = 0
    while not release_log.log(destination):
        with monkeypatch.context() as patch:
            at_write(step + 1, die, patch)
            with pytest.raises(Killed):
                steps.publish(contract, *made, store, destination)
        assert release_log.log(destination) or not seen(destination, layout.ANNOTATIONS) | seen(
            destination, layout.QUALITY
        )
        step += 1 if isinstance(store, FolderStore) else 4
    assert step > 5
    steps.find(contract, store, destination, "next")
    assert seen(destination, layout.ANNOTATIONS) == seen(destination, layout.QUALITY) == {made[0].release}


@pytest.mark.parametrize("higher", [False, True])
def test_what_a_killed_attempt_left_is_gone_after_the_next_release(
    folder_store: Store, make_contract, put, monkeypatch, higher
):
    """Its digest may sort higher than that of the release that came to exist, or lower."""
    contract = make_contract()
    put(folder_store, contract, GOOD)
    lone = judged(contract, folder_store, "abandoned")
    put(folder_store, contract, MORE, delivery="d2")
    both = judged(contract, folder_store, "other")
    first, last = sorted([lone, both], key=lambda pair: pair[0].release)
    winner, loser = (first, last) if higher else (last, first)
    destination = steps.open_destination(contract, folder_store)

    def die() -> None:
        raise Killed

    monkeypatch.setattr("labelaudit.storage.commits.commit_labels", lambda *_: die())
    with pytest.raises(Killed):
        steps.publish(contract, *loser, folder_store, destination)
    monkeypatch.undo()
    steps.publish(contract, *winner, folder_store, destination)
    (only,) = release_log.log(destination)
    assert only.release == winner[0].release
    assert seen(destination, layout.ANNOTATIONS) == seen(destination, layout.QUALITY) == {only.release}
    assert {key.split("/")[1] for key in files(destination)} == {only.folder}
    assert folder_store.list(layout.ready("acme", "pets")) == []
    verifying.verify(destination)
    with pytest.raises(ReleaseConflict):
        steps.publish(contract, *loser, folder_store, destination)
    steps.find(contract, folder_store, destination, "next")
    assert {key.split("/")[1] for key in files(destination)} == {only.folder}


def test_rows_that_an_older_version_left_without_a_release_are_removed(folder_store: Store, make_contract, put):
    """It wrote rows before the commit: what is there of no release goes with the next one."""
    contract = make_contract()
    destination = steps.open_destination(contract, folder_store)
    put(folder_store, contract, GOOD)
    audit(contract, folder_store, "one")
    rows = tables.read_table(destination, layout.ANNOTATIONS)
    ghosts = rows.set_column(rows.column_names.index("release"), "release", [["r0001-ffffffff"] * rows.num_rows])
    commits.replace_rows(
        destination, layout.ANNOTATIONS, ANNOTATIONS_SCHEMA, lambda: ghosts, "release = 'r0001-ffffffff'"
    )
    put(folder_store, contract, MORE, delivery="d2")
    audit(contract, folder_store, "two")
    assert seen(destination, layout.ANNOTATIONS) == {entry.release for entry in release_log.log(destination)}
