"""Which deliveries a run takes: identity, re-delivery, replacement, and manifests that lie."""

from __future__ import annotations

import json

import pytest
from conftest import GOOD

from labelaudit import intake, layout, manifests, staging
from labelaudit.errors import DeliveryRejected, InvalidInput
from labelaudit.store import Store


def refusal_of(contract, store, published=None, **arguments) -> dict[str, str | None]:
    chosen = intake.choose(contract, store, published or {}, **arguments)
    return {one.name: one.refusal.code if one.refusal else None for one in chosen}


def test_a_delivery_without_a_manifest_is_not_there_yet(store: Store, make_contract):
    contract = make_contract()
    store.write("inbox/alder/acme/pets/d1/labels.csv", GOOD.encode())
    assert manifests.waiting(contract, store) == []
    assert manifests.incomplete(contract, store) == ["alder/d1"]


def test_the_same_bytes_under_another_id_are_one_delivery(folder_store: Store, make_contract, put):
    contract = make_contract()
    put(folder_store, contract, GOOD, delivery="d1")
    put(folder_store, contract, GOOD, delivery="d2", name="renamed.csv")
    assert refusal_of(contract, folder_store) == {"alder/d1": None, "alder/d2": "same_bytes"}
    digest = manifests.waiting(contract, folder_store)[0].digest
    assert refusal_of(contract, folder_store, {"alder/d1": digest}) == {"alder/d2": "same_bytes"}


def test_the_same_id_with_other_bytes_needs_to_say_so(folder_store: Store, make_contract, put):
    contract = make_contract()
    put(folder_store, contract, GOOD, delivery="d1")
    assert refusal_of(contract, folder_store, {"alder/d1": "0" * 64}) == {"alder/d1": "changed_delivery"}
    put(folder_store, contract, GOOD + "x,ann,cat\n", delivery="d2", supersedes=["d1"])
    assert refusal_of(contract, folder_store, {"alder/d1": "0" * 64})["alder/d2"] is None


def test_what_supersedes_nothing_known_is_refused(folder_store: Store, make_contract, put):
    contract = make_contract()
    put(folder_store, contract, GOOD, supersedes=["gone"])
    assert refusal_of(contract, folder_store) == {"alder/d1": "unknown_superseded"}


def test_a_delivery_that_is_wanted_by_name_must_be_there(folder_store: Store, make_contract, put):
    contract = make_contract()
    put(folder_store, contract, GOOD)
    with pytest.raises(DeliveryRejected, match="there are: alder/d1"):
        refusal_of(contract, folder_store, wanted=["alder/d9"])


def test_a_delivery_is_never_written_twice(folder_store: Store, make_contract, put):
    contract = make_contract()
    put(folder_store, contract, GOOD)
    with pytest.raises(InvalidInput, match="delivered already"):
        put(folder_store, contract, "other")


@pytest.mark.parametrize(
    ("manifest", "code"),
    [
        (b"{", "bad_manifest"),
        (b"\xff\xfe", "bad_manifest"),
        (b'{"format": 1, "format": 1}', "bad_manifest"),
        (b"[" * 100_000, "bad_manifest"),
        ({"delivery": "other"}, "bad_manifest"),
        ({"files": []}, "bad_manifest"),
        ({"surprise": 1}, "bad_manifest"),
        ({"files": [{"path": "../../../keys/acme/annotators", "bytes": 1, "sha256": "0" * 64}]}, "unsafe_path"),
        ({"files": [{"path": "/etc/passwd", "bytes": 1, "sha256": "0" * 64}]}, "unsafe_path"),
        ({"files": [{"path": "absent.csv", "bytes": 1, "sha256": "0" * 64}]}, "missing_file"),
        ({"files": [{"path": "labels.csv", "bytes": 1, "sha256": "0" * 64}]}, "size_mismatch"),
        ({"files": [{"path": "labels.csv", "bytes": len(GOOD), "sha256": "0" * 64}]}, "digest_mismatch"),
        ({"records": 35}, "count_mismatch"),
    ],
)
def test_a_manifest_that_lies_is_refused_with_its_reason(folder_store, make_contract, put, manifest, code: str):
    """Found by `find` or by `stage`: always a value with a code, never an exception."""
    contract = make_contract()
    put(folder_store, contract, GOOD)
    key = layout.delivery("alder", "acme", "pets", "d1") + "manifest.json"
    if isinstance(manifest, dict):
        true = json.loads(folder_store.read(key))
        if "records" in manifest:
            manifest = {"files": [true["files"][0] | manifest]}
        manifest = json.dumps(true | manifest).encode()
    folder_store.write(key, manifest)
    (delivery,) = intake.choose(contract, folder_store, {})
    staged = staging.stage(contract, delivery, folder_store, "run")
    assert staged.refusal.code == code
    assert staged.table is None
