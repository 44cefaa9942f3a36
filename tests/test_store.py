"""Folders and buckets keep the same promises."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from labelaudit import annotator_names, audit_tasks, gold, layout
from labelaudit.errors import InvalidInput, StorageUnavailable
from labelaudit.store import Store, open_store


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


def test_no_key_leads_out_of_the_store(tmp_path: Path, folder_store: Store):
    """Neither by `..` nor by a link that a vendor left in the inbox."""
    (tmp_path / "secret").write_text("secret")
    folder_store.write("inbox/a", b"")
    (tmp_path / "store" / "inbox" / "link").symlink_to(tmp_path / "secret")
    for key in ("../secret", "inbox/../../secret", "/etc/passwd", "inbox/link"):
        with pytest.raises(InvalidInput):
            folder_store.read(key)


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
    for key in (layout.annotator_key("acme"), layout.audit_key("acme")):
        folder_store.write(key, b"made by an older version, and readable by all")
    annotator_names.renamer(contract, folder_store)
    audit_tasks.signer(contract, folder_store)
    (tmp_path / "known.csv").write_text("item,label\ni1,cat\n")
    gold.put_gold(contract, folder_store, tmp_path / "known.csv")
    kept = [tmp_path / "store" / key for key in folder_store.list("") if key.startswith(("keys/", "gold/"))]
    assert len(kept) == 3
    for path in kept:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
