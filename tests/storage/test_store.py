"""Folders and buckets keep the same promises."""

from __future__ import annotations

import hashlib
import os
import socket
import stat
import threading
import urllib.request
from collections import Counter
from pathlib import Path

import pytest
from botocore.exceptions import ConnectionClosedError

from labelaudit.detect import gold
from labelaudit.errors import AccessDenied, InvalidInput, NotAFile, StorageUnavailable
from labelaudit.human_audit import task_files
from labelaudit.publish import annotator_names
from labelaudit.storage import layout
from labelaudit.storage.opening import open_store
from labelaudit.storage.store import Entry, Store


def test_what_is_written_is_listed_read_and_deleted(store: Store):
    """Keys come sorted, folders are the names directly below a prefix."""
    store.write("b/2", b"two")
    store.write("a/x/1", b"one")
    store.write("b/1", b"three")
    assert store.list("") == ["a/x/1", "b/1", "b/2"]
    assert store.list("b/") == ["b/1", "b/2"]
    assert store.folders("") == ["a", "b"]
    assert (store.read("b/2"), store.size("b/2"), store.exists("b/3")) == (b"two", 3, False)
    with store.below("b").local("1") as path:
        assert path.read_bytes() == b"three"
    store.delete("b/2")
    assert store.list("b/") == ["b/1"]


def test_a_missing_key_is_a_key_error(store: Store):
    with pytest.raises(KeyError):
        store.read("nothing")
    with pytest.raises(KeyError):
        store.size("nothing")


def test_of_many_that_put_one_key_exactly_one_wins(store: Store):
    """put_if_absent decides races."""
    won: list[int] = []

    def put(number: int) -> None:
        if store.put_if_absent("race", str(number).encode()):
            won.append(number)

    threads = [threading.Thread(target=put, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert store.read("race") == str(won[0]).encode()


def test_what_lies_under_a_prefix_is_told_with_its_size_and_a_version_of_its_own(store: Store):
    store.write("a/1", b"one")
    store.write("a/x/2", b"four")
    before = store.entries("a/")
    assert {key: (entry.bytes, entry.problem) for key, entry in before.items()} == {"a/1": (3, ""), "a/x/2": (4, "")}
    store.write("a/1", b"two")
    after = store.entries("a/")
    assert before["a/1"].version != after["a/1"].version
    assert before["a/x/2"] == after["a/x/2"]
    assert store.entries("nothing/") == {}


def test_a_copy_is_the_callers_own(store: Store, tmp_path: Path):
    """What is changed in the store afterwards does not reach it."""
    store.write("a", b"one")
    store.download("a", tmp_path / "copy")
    store.write("a", b"two")
    assert (tmp_path / "copy").read_bytes() == b"one"
    assert store.sha256("a") == hashlib.sha256(b"two").hexdigest()
    with pytest.raises(KeyError):
        store.download("nothing", tmp_path / "other")
    with pytest.raises(KeyError):
        store.sha256("nothing")


@pytest.mark.parametrize("key", ["../secret", "inbox/../../secret", "/etc/passwd", "a\0b"])
def test_no_key_leads_out_of_the_store(folder_store: Store, key: str):
    for asked in (folder_store.read, folder_store.exists, folder_store.list, folder_store.delete):
        with pytest.raises(InvalidInput):
            asked(key)


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


LIES = {
    "a symbolic link": lambda path: path.symlink_to(path.parents[1] / "keys" / "secret"),
    "a named pipe": os.mkfifo,
    "a socket": listening,
}


@pytest.mark.parametrize("problem", LIES)
def test_what_is_no_file_is_named_and_never_opened(folder_store: Store, problem: str):
    """Neither a link, though it stays in the store, nor a pipe, which would be waited for."""
    folder_store.write("keys/secret", b"secret")
    folder_store.write("inbox/good", b"good")
    LIES[problem](folder_store.root / "inbox" / "bad")
    assert folder_store.list("inbox/") == ["inbox/good"]
    assert folder_store.entries("inbox/")["inbox/bad"].problem == problem
    assert not folder_store.exists("inbox/bad")
    copy = folder_store.root / "copy"
    asked = [folder_store.read, folder_store.size, folder_store.modified, folder_store.sha256]
    for ask in [*asked, lambda key: folder_store.download(key, copy), lambda key: folder_store.local(key).__enter__()]:
        with pytest.raises(NotAFile, match=problem):
            ask("inbox/bad")
    assert not folder_store.put_if_absent("inbox/bad", b"x")
    folder_store.write("inbox/bad", b"mended")  # replaces the link, and not what it leads to
    assert (folder_store.read("inbox/bad"), folder_store.read("keys/secret")) == (b"mended", b"secret")


def test_a_linked_folder_is_neither_listed_nor_written_through(folder_store: Store, tmp_path: Path):
    folder_store.write("keys/acme/secret", b"secret")
    folder_store.write("inbox/good/x", b"good")
    (folder_store.root / "inbox" / "bad").symlink_to(folder_store.root / "keys")
    assert folder_store.list("inbox/") == ["inbox/good/x"]
    assert folder_store.folders("inbox/") == ["good"]
    assert folder_store.folders("inbox/bad/") == folder_store.list("inbox/bad/acme/") == []
    assert folder_store.entries("inbox/bad/acme/") == {"inbox/bad": Entry(problem="a symbolic link")}
    (tmp_path / "file").write_bytes(b"x")
    asked = [folder_store.read, lambda key: folder_store.upload(tmp_path / "file", key), folder_store.delete]
    asked += [lambda key: folder_store.write(key, b"x"), lambda key: folder_store.put_if_absent(key, b"x")]
    for ask in asked:
        with pytest.raises(NotAFile, match="'inbox/bad' is a symbolic link"):
            ask("inbox/bad/acme/secret")
    assert folder_store.list("keys/") == ["keys/acme/secret"]


def test_the_root_itself_may_be_reached_through_links(tmp_path: Path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "store").symlink_to(tmp_path / "disk")
    store = open_store(f"file://{tmp_path}/store")
    store.write("a/b", b"x")
    assert (store.list(""), store.read("a/b"), store.below("a").read("b")) == (["a/b"], b"x", b"x")
    assert (tmp_path / "disk" / "a" / "b").read_bytes() == b"x"


@pytest.mark.parametrize("swapped", ["inbox/d1/labels.csv", "inbox/d1"])
def test_what_is_swapped_for_a_link_while_we_look_is_never_read(folder_store: Store, tmp_path: Path, swapped: str):
    """A file or its folder goes back and forth between the vendor's own and a link to a secret."""
    folder_store.write("inbox/d1/labels.csv", b"own")
    folder_store.write("keys/labels.csv", b"secret")
    place, aside, link = folder_store.root / swapped, tmp_path / "aside", tmp_path / "link"
    stop = threading.Event()

    def swap() -> None:
        target = folder_store.root / ("keys" if swapped.endswith("d1") else "keys/labels.csv")
        while not stop.is_set():
            link.symlink_to(target)
            place.rename(aside)
            link.rename(place)
            place.unlink()
            aside.rename(place)

    swapper = threading.Thread(target=swap)
    swapper.start()
    said = Counter()
    try:
        while said["own"] < 200 or said["refused"] < 20:
            try:
                said[folder_store.read("inbox/d1/labels.csv").decode()] += 1
            except (KeyError, NotAFile):
                said["refused"] += 1
    finally:
        stop.set()
        swapper.join()
    assert set(said) == {"own", "refused"}


def test_a_file_that_we_may_not_read_is_told_as_such(folder_store: Store, monkeypatch: pytest.MonkeyPatch):
    """Root may read everything, so the system's answers are feigned."""
    folder_store.write("inbox/a", b"x")
    folder_store.write("inbox/b", b"x")
    real_open = os.open

    def refused(name, *arguments, **named):
        if name == "a":
            raise PermissionError(13, "Permission denied")
        return real_open(name, *arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda name, *arguments, **named: name != "a")
        patch.setattr(os, "open", refused)
        entries = folder_store.entries("inbox/")
        with pytest.raises(AccessDenied, match="we may not read 'inbox/a'"):
            folder_store.read("inbox/a")
    assert [(entry.denied, entry.problem) for entry in entries.values()] == [
        (True, "a file that we may not read"),
        (False, ""),
    ]


def test_folders_without_end_are_not_walked(folder_store: Store):
    """Each takes an open file, and a recursion; a hundred of them are a mistake, or meant badly."""
    folder_store.write("inbox/a", b"x")
    here = folder_store.root / "inbox"
    for _ in range(100):
        here = here / "d"
    here.mkdir(parents=True)
    (problem,) = [entry.problem for entry in folder_store.entries("inbox/").values() if entry.problem]
    assert problem == "a folder nested deeper than 64"
    assert folder_store.list("inbox/") == ["inbox/a"]


def test_a_put_whose_reply_was_lost_is_known_as_our_own(s3, monkeypatch: pytest.MonkeyPatch):
    """The first try arrives, its reply does not; the second is refused, for the object is there. Of another's, no."""
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    store = open_store(f"s3://store/{os.urandom(6).hex()}")
    lost = []

    def lose_reply(request, **_):
        if not lost:
            lost.append(request.url)
            sent = urllib.request.Request(request.url, request.body.read(), dict(request.headers), method="PUT")  # noqa: S310
            with urllib.request.urlopen(sent) as reply:  # noqa: S310
                assert reply.status == 200
            raise ConnectionClosedError(endpoint_url=request.url)

    store._client.meta.events.register("before-send.s3.PutObject", lose_reply)
    assert store.put_if_absent("mine", b"x")
    assert lost
    assert not store.put_if_absent("mine", b"x"), "the same bytes of another call are another's"
    assert open_store(store.uri).put_if_absent("mine", b"x") is False


def test_a_server_that_does_not_answer_is_storage_unavailable(monkeypatch: pytest.MonkeyPatch):
    """What may be tried again has an error of its own."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    closed = open_store(
        "s3://bucket",
        {"endpoint_url": "http://127.0.0.1:9", "aws_access_key_id": "a", "aws_secret_access_key": "b"},
    )
    with pytest.raises(StorageUnavailable):
        closed.exists("key")


@pytest.mark.parametrize("uri", ["http://x/y", "s3://", "file://host/x", ""])
def test_what_is_no_store_is_refused(uri: str):
    with pytest.raises(InvalidInput):
        open_store(uri)


def test_what_is_private_is_for_its_owner_only_from_the_first_byte(tmp_path: Path, folder_store: Store):
    """Folders 0700, files 0600; what an older version left open is closed, and nothing else is."""
    folder_store.write("keys/acme/old", b"1")
    folder_store.write("inbox/a", b"1")
    folder_store.keep_private("keys/acme/")
    folder_store.put_if_absent("keys/acme/new", b"2")
    folder_store.write("keys/acme/newer", b"3")
    modes = {key: stat.S_IMODE((tmp_path / "store" / key).stat().st_mode) for key in ("keys", "keys/acme")}
    modes |= {key: stat.S_IMODE((tmp_path / "store" / key).stat().st_mode) for key in folder_store.list("keys/")}
    assert modes == {
        "keys": 0o700,
        "keys/acme": 0o700,
        "keys/acme/old": 0o600,
        "keys/acme/new": 0o600,
        "keys/acme/newer": 0o600,
    }
    assert stat.S_IMODE((tmp_path / "store/inbox/a").stat().st_mode) & 0o044, "vendors and we may be two users"


def test_secrets_and_gold_are_private(tmp_path: Path, make_contract, folder_store: Store):
    """The keys that names are hashed and tasks are signed with, and the labels that no vendor may see."""
    contract = make_contract(gold="known.csv")
    for key in (layout.annotator_key("acme"), layout.human_audit_key("acme")):
        folder_store.write(key, b"made by an older version, and readable by all")
    annotator_names.renamer(contract, folder_store)
    task_files.signer(contract, folder_store)
    (tmp_path / "known.csv").write_text("item,label\ni1,cat\n")
    gold.put_gold(contract, folder_store, tmp_path / "known.csv")
    kept = [tmp_path / "store" / key for key in folder_store.list("") if key.startswith(("keys/", "gold/"))]
    assert len(kept) == 3
    for path in kept:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
