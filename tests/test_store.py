"""Folders and buckets keep the same promises."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

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
