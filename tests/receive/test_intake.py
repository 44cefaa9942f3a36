"""Which deliveries a run takes: identity, re-delivery, replacement, and manifests that lie."""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from pathlib import Path

import pytest
import yaml
from conftest import GOOD, TERMS
from hypothesis import given, settings
from hypothesis import strategies as st

from labelaudit.contracts.reading import read_contract
from labelaudit.errors import DeliveryRejected, InvalidInput
from labelaudit.receive import choosing, manifests
from labelaudit.rejects import recorded
from labelaudit.rejects.recorded import RECORD, prefix_of
from labelaudit.stage import staging
from labelaudit.storage import layout
from labelaudit.storage.opening import open_store
from labelaudit.storage.store import Store
from labelaudit.values.deliveries import CheckedDelivery, Delivery, Refusal


def refusal_of(contract, store, published=None, **arguments) -> dict[str, str | None]:
    chosen = choosing.choose(contract, store, published or {}, **arguments)
    return {delivery.name: delivery.refusal.code if delivery.refusal else None for delivery in chosen}


def test_a_delivery_without_a_manifest_is_not_there_yet(store: Store, make_contract):
    contract = make_contract()
    store.write("inbox/alder/acme/pets/d1/labels.csv", GOOD.encode())
    assert manifests.waiting(contract, store) == []
    (folders,) = manifests.incomplete(contract, store)
    assert (folders.name, folders.reason) == ("alder/d1", "no manifest.json yet")
    assert abs(folders.since.timestamp() - time.time()) < 600


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
        ({"supercedes": "d0"}, "bad_manifest"),
        ({"Guidelines": "v3"}, "bad_manifest"),
        ({"record": 36}, "bad_manifest"),
        ({"vendor": "birch"}, "bad_manifest"),
        ({"customer": "other"}, "bad_manifest"),
        ({"dataset": "other"}, "bad_manifest"),
        (b"1" * 5000, "bad_manifest"),
        (b"\xef\xbb\xbf{}", "bad_manifest"),
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
        if {"records", "record"} & set(manifest):
            manifest = {"files": [true["files"][0] | manifest]}
        manifest = json.dumps(true | manifest).encode()
    folder_store.write(key, manifest)
    (delivery,) = choosing.choose(contract, folder_store, {})
    staged = staging.stage(contract, delivery, folder_store, "run")
    assert staged.refusal.code == code
    assert staged.table is None


def test_a_file_that_the_manifest_does_not_name_is_not_passed_over(folder_store: Store, make_contract, put):
    """Also of a published delivery: what is added later is refused, once. What file managers leave is no file."""
    contract = make_contract()
    put(folder_store, contract, GOOD)
    folder = "inbox/alder/acme/pets/d1/"
    folder_store.write(folder + ".DS_Store", b"x")
    folder_store.write(folder + "labels-2.csv.part", b"x")
    (good,) = choosing.choose(contract, folder_store, {})
    assert good.refusal is None
    folder_store.write(folder + "labels-2.csv", b"x")
    (refused,) = choosing.choose(contract, folder_store, {"alder/d1": good.digest})
    assert refused.refusal.code == "unlisted_file"
    assert "'labels-2.csv'" in refused.refusal.message
    assert refused.digest != good.digest
    recorded.record_rejection(contract, rejected(refused), folder_store)
    assert choosing.choose(contract, folder_store, {"alder/d1": good.digest}) == ()


def test_what_cannot_be_a_delivery_waits_with_its_reason(folder_store: Store, make_contract):
    contract = make_contract()
    for path in ("alder/acme/pets/a b/labels.csv", "alder/acme/pets/loose.csv", "cedar/acme/pets/d1/labels.csv"):
        folder_store.write("inbox/" + path, b"x")
    (folder_store.root / "inbox/alder/acme/pets/empty").mkdir()
    folder_store.write("inbox/alder/acme/pets/half/labels.csv.filepart", b"x")
    folders = {folder.name: folder.reason for folder in manifests.incomplete(contract, folder_store)}
    assert folders == {
        "alder/'a b'": "its name may have letters, digits and . _ = + @ - only: rename the folder",
        "alder/loose.csv": "it lies beside the folders: a delivery is a folder",
        "alder/empty": "the folder is empty",
        "alder/half": "'labels.csv.filepart': an upload is under way, or was broken off",
        "cedar/'d1'": "the contract does not name this vendor",
    }
    assert manifests.waiting(contract, folder_store) == []


def test_a_link_out_of_the_store_stops_nobody(folder_store: Store, make_contract, put, tmp_path):
    """A manifest that is a link to a file of ours is refused, and the other deliveries are taken."""
    contract = make_contract()
    put(folder_store, contract, GOOD)
    folder = folder_store.root / "inbox/alder/acme/pets/d2"
    folder.mkdir()
    (tmp_path / "secret").write_text("{}")
    (folder / "manifest.json").symlink_to(tmp_path / "secret")
    assert refusal_of(contract, folder_store) == {"alder/d1": None, "alder/d2": "unsafe_path"}


def test_what_deliver_writes_says_whose_it_is_and_is_taken(folder_store: Store, make_contract, put):
    contract = make_contract()
    folder_store.write("inbox/alder/acme/pets/d0/labels.csv", b"under way")
    put(folder_store, contract, GOOD, supersedes=["d0"], guideline="v3")
    manifest = json.loads(folder_store.read("inbox/alder/acme/pets/d1/manifest.json"))
    assert [manifest[name] for name in ("delivery", "vendor", "customer", "dataset")] == ["d1", "alder", "acme", "pets"]
    assert refusal_of(contract, folder_store) == {"alder/d1": None}


def test_deliver_does_not_add_to_what_an_earlier_attempt_left(folder_store: Store, make_contract, put):
    contract = make_contract()
    folder_store.write("inbox/alder/acme/pets/d1/old.csv", b"x")
    with pytest.raises(InvalidInput, match=r"'old\.csv' of an earlier attempt"):
        put(folder_store, contract, GOOD)


def contract_in(home: str):
    path = Path(home) / "contracts" / "acme" / "pets.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump(TERMS), encoding="utf-8")
    return read_contract(path)


def rejected(delivery: Delivery, code: str = "unreadable_file") -> CheckedDelivery:
    refusal = delivery.refusal or Refusal(code=code, message="no")
    return CheckedDelivery(
        delivery=delivery, accepted=False, delivered_rows=0, accepted_rows=0, rejected_rows=0, refusal=refusal
    )


class Runs:
    """Runs of one dataset, without reading the files: those of `bad` are rejected once they are read."""

    def __init__(self, store: Store, contract, bad: set[str] = frozenset()):
        self.store, self.contract, self.bad = store, contract, set(bad)
        self.published: dict[str, str] = {}
        self.gone: dict[str, str] = {}

    def deliver(self, name: str, content: str | None = None, **said) -> None:
        content = (name if content is None else content).encode()
        folder = f"inbox/alder/acme/pets/{name}/"
        sha256 = hashlib.sha256(content).hexdigest()
        manifest = {
            "format": 1,
            "delivery": name,
            "files": [{"path": "a.csv", "bytes": len(content), "sha256": sha256}],
        }
        self.store.write(folder + "a.csv", content)
        self.store.write(folder + "manifest.json", json.dumps(manifest | said).encode())

    def run(self) -> dict[str, str]:
        """One run; what was taken or refused in it, by id."""
        said = {}
        for delivery in choosing.choose(self.contract, self.store, self.published, self.gone):
            said[delivery.id] = (
                delivery.refusal.code if delivery.refusal else "bad" if delivery.id in self.bad else "taken"
            )
            if said[delivery.id] == "taken":
                for old in (*delivery.supersedes, delivery.id):
                    if f"alder/{old}" in self.published:
                        self.gone[f"alder/{old}"] = self.published.pop(f"alder/{old}")
                self.gone.pop(delivery.name, None)
                self.published[delivery.name] = delivery.digest
            else:
                recorded.record_rejection(self.contract, rejected(delivery), self.store)
        return said

    @property
    def holds(self) -> list[str]:
        """Ids of what the dataset consists of."""
        return sorted(name.split("/")[1] for name in self.published)


@pytest.fixture
def runs(folder_store: Store, make_contract) -> Runs:
    return Runs(folder_store, make_contract())


def test_a_chain_that_waits_together_leaves_the_newest_only(runs: Runs):
    runs.deliver("a")
    runs.deliver("b", supersedes="a")
    runs.deliver("c", supersedes=["b"])
    assert runs.run() == {"a": "superseded", "b": "superseded", "c": "taken"}
    assert runs.holds == ["c"]
    assert runs.run() == {}


def test_who_supersedes_what_never_was_published_also_replaces_what_that_was_to(runs: Runs):
    """a is published; b would replace it but is rejected; c, the corrected b, names b only: a is replaced too."""
    runs.bad = {"b"}
    runs.deliver("a")
    assert runs.run() == {"a": "taken"}
    runs.deliver("b", supersedes="a")
    assert runs.run() == {"b": "bad"}
    assert runs.holds == ["a"]
    runs.deliver("c", supersedes="b")
    assert runs.run() == {"c": "taken"}
    assert runs.holds == ["c"]


def test_what_was_superseded_by_a_delivery_that_is_rejected_is_taken_after_all(runs: Runs):
    runs.bad = {"b"}
    runs.deliver("a")
    runs.deliver("b", supersedes="a")
    assert runs.run() == {"a": "superseded", "b": "bad"}
    assert runs.run() == {"a": "taken"}
    assert runs.run() == {}


def test_a_delivery_that_came_before_what_it_supersedes_is_looked_at_again(runs: Runs):
    """And what it replaced does not come back, though it came later."""
    runs.deliver("b", supersedes="a")
    assert runs.run() == {"b": "unknown_superseded"}
    assert runs.run() == {}
    runs.deliver("a")
    assert runs.run() == {"a": "superseded", "b": "taken"}
    assert runs.holds == ["b"]
    assert runs.run() == {}


def test_a_half_upload_is_known_and_completed_later_it_stays_replaced(runs: Runs):
    runs.store.write("inbox/alder/acme/pets/a/a.csv", b"half")
    runs.deliver("b", supersedes="a")
    assert runs.run() == {"b": "taken"}
    runs.deliver("a")
    assert runs.run() == {"a": "superseded"}
    assert runs.holds == ["b"]


def test_what_was_replaced_does_not_come_back_when_its_successor_leaves_the_inbox(runs: Runs):
    runs.deliver("a")
    runs.deliver("b", supersedes="a")
    assert runs.run() == {"a": "superseded", "b": "taken"}
    for key in runs.store.list("inbox/alder/acme/pets/b/"):
        runs.store.delete(key)
    assert runs.run() == {}
    assert runs.holds == ["b"]


def test_a_circle_is_refused_and_ends_when_one_manifest_is_corrected(runs: Runs):
    runs.deliver("a", supersedes="b")
    runs.deliver("b", supersedes="a")
    assert runs.run() == {"a": "superseding_cycle", "b": "superseding_cycle"}
    assert runs.run() == {}
    runs.deliver("a")
    assert runs.run() == {"a": "superseded", "b": "taken"}


def test_two_that_supersede_the_same_one_are_both_taken(runs: Runs):
    runs.deliver("a")
    runs.run()
    runs.deliver("b", supersedes="a")
    runs.deliver("c", supersedes="a")
    assert runs.run() == {"b": "taken", "c": "taken"}
    assert runs.holds == ["b", "c"]


def test_ids_need_no_order_and_what_comes_late_is_taken_by_the_next_run(runs: Runs):
    runs.deliver("2026-11-03")
    assert runs.run() == {"2026-11-03": "taken"}
    runs.deliver("2026-11-01")
    assert runs.run() == {"2026-11-01": "taken"}
    assert runs.holds == ["2026-11-01", "2026-11-03"]


def test_a_corrected_delivery_under_the_same_id_is_taken_after_a_rejection(runs: Runs):
    runs.bad = {"a"}
    runs.deliver("a")
    assert runs.run() == {"a": "bad"}
    assert runs.run() == {}
    runs.bad = set()
    runs.deliver("a", content="corrected")
    assert runs.run() == {"a": "taken"}


def test_a_corrected_manifest_of_the_same_files_is_taken_after_a_rejection(runs: Runs):
    """The count of records was wrong, the files were right."""
    runs.bad = {"a"}
    runs.deliver("a", guideline="v9")
    assert runs.run() == {"a": "bad"}
    runs.bad = set()
    runs.deliver("a", guideline="v3")
    assert runs.run() == {"a": "taken"}


def test_the_same_bytes_are_taken_under_the_other_id_when_the_first_is_rejected(runs: Runs):
    runs.bad = {"a"}
    runs.deliver("a", content="same")
    runs.deliver("b", content="same")
    assert runs.run() == {"a": "bad", "b": "same_bytes"}
    assert runs.run() == {"b": "taken"}


def test_the_same_bytes_that_supersede_themselves_are_taken_once(runs: Runs):
    runs.deliver("a", content="same")
    runs.deliver("b", content="same", supersedes="a")
    assert runs.run() == {"a": "taken", "b": "same_bytes"}
    assert runs.run() == {}


def test_bytes_that_were_replaced_come_back_only_where_the_manifest_says_so(runs: Runs):
    runs.deliver("a", content="first")
    runs.run()
    runs.deliver("b", supersedes="a")
    assert runs.run() == {"b": "taken"}
    runs.deliver("c", content="first")
    assert runs.run() == {"c": "same_bytes"}
    runs.deliver("d", content="first", supersedes="b")
    assert runs.run() == {"d": "taken"}
    assert runs.holds == ["d"]


def test_other_bytes_under_the_id_of_a_replaced_delivery_are_refused_too(runs: Runs):
    runs.deliver("a")
    runs.run()
    runs.deliver("b", supersedes="a")
    runs.run()
    runs.deliver("a", content="other")
    assert runs.run() == {"a": "changed_delivery"}
    runs.deliver("a", content="other", supersedes="a")
    assert runs.run() == {"a": "taken"}
    assert runs.holds == ["a", "b"]


NAMES = "abcde"
ARRIVALS = st.lists(
    st.lists(
        st.tuples(
            st.sampled_from(NAMES), st.sampled_from("pqrst"), st.lists(st.sampled_from(NAMES), max_size=2, unique=True)
        ),
        min_size=1,
        max_size=3,
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=60, deadline=None)
@given(ARRIVALS, st.sets(st.sampled_from(NAMES), max_size=2))
def test_whatever_comes_in_whatever_order_nothing_is_lost_and_nothing_comes_back(arrivals, bad):
    """Every delivery ends published, replaced or refused with a record; what is published replaces what it names; and
    no run says the same again."""
    with tempfile.TemporaryDirectory() as home:
        store = open_store(f"file://{home}/store")
        runs = Runs(store, contract_in(home), bad)
        came: set[str] = set()
        for day in arrivals:
            for name, content, supersedes in day:
                if name not in came:  # other bytes under the same id have their own tests
                    came.add(name)
                    runs.deliver(name, content=content, supersedes=supersedes)
            runs.run()
        for _ in range(len(NAMES) + 1):
            last = runs.run()
        assert last == {}
        waiting = {delivery.id: delivery for delivery in manifests.waiting(runs.contract, store)}
        for name, delivery in waiting.items():
            states = [
                runs.published.get(delivery.name) == delivery.digest,
                runs.gone.get(delivery.name) == delivery.digest,
                store.exists(prefix_of(delivery) + RECORD),
            ]
            assert any(states), f"{name} is lost"
        for name in runs.holds:
            assert not {old for old in waiting[name].supersedes if old != name} & set(runs.holds)
        contents = [runs.published[f"alder/{name}"] for name in runs.holds]
        assert len(set(contents)) == len(contents), "the same bytes were taken twice"
