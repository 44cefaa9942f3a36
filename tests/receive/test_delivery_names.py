"""Files' names: of any script, with spaces and signs, from manifest to report; and which are refused, and why."""

from __future__ import annotations

import csv
import hashlib
import html
import io
import json
import unicodedata

import pytest
from conftest import GOOD, Reading, audit

from labelaudit.errors import DeliveryRejected, InvalidInput
from labelaudit.receive import choosing, manifests
from labelaudit.storage import layout
from labelaudit.storage.store import Store

FOLDER = layout.delivery("alder", "acme", "pets", "d1")
GOOD_NAMES = [
    "export 2026-01 (1).csv",
    "名前.csv",
    "ملف.csv",
    "می‌خواهم.csv",  # with a zero-width non-joiner, as Persian is spelt
    "[a] {b} #1 50% & 'c' <d> \"e\".csv",
    "2026-01-01T10:00:00+01:00.csv",
    "=1+1;x.csv",
    "deep/er/é.csv",
    "コピー　1.csv",  # with an ideographic space
    "a" * 251 + ".csv",
]


@pytest.fixture
def contract(make_contract):
    return make_contract()


def manifest_of(names: dict[str, bytes], **said) -> bytes:
    files = [
        {"path": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in names.items()
    ]
    return json.dumps({"format": 1, "delivery": "d1", "files": files} | said, ensure_ascii=False).encode()


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_names_of_any_script_with_spaces_and_signs_are_taken(name: str):
    assert layout.safe_path(name) == name


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "names no file"),
        ("..", "leads out"),
        ("a/../../b.csv", "leads out"),
        ("a//b.csv", "names no file"),
        ("/etc/passwd", "names no file"),
        ("a\\b.csv", "may not have"),
        ("a\nb.csv", "may not have"),
        ("a\0b.csv", "may not have"),
        ("invoice\u202evsc.exe", "may not have"),
        ("a\u200bb.csv", "may not have"),
        ("a\u2028b.csv", "may not have"),
        ("\udcff.csv", "may not have"),
        (" a.csv", "begin with a dot or a space"),
        ("a.csv ", "nor end"),
        ("a.csv.", "nor end"),
        (".hidden.csv", "begin with a dot"),
        ("x/" * 250 + "a" * 100, "longer than 512 bytes"),
        ("名" * 90, "longer than 512 bytes \\(or a name in it than 255\\)"),
    ],
)
def test_a_name_that_is_unsafe_or_unseen_is_refused_with_the_reason(name: str, why: str):
    """An over-long path is called over-long."""
    with pytest.raises(DeliveryRejected, match=why) as refused:
        layout.safe_path(name)
    assert refused.value.code == "unsafe_path"
    refused.value.args[0].encode()  # half a character would end whoever writes it down


@pytest.mark.runs
def test_a_delivery_with_such_names_is_read_published_and_reported_as_it_is_called(store: Store, contract, put):
    """From `deliver` to the vendor's rejects.csv; nothing of a name is taken for markup or a formula."""
    names = [GOOD_NAMES[place] for place in (0, 1, 4, 6)]
    contents = {name: (GOOD.replace("\ni", f"\n{place}i") + "bad,row\n").encode() for place, name in enumerate(names)}
    for name, content in contents.items():
        store.write(FOLDER + name, content)
    store.write(FOLDER + "manifest.json", manifest_of(contents))
    release = audit(contract, store).release
    assert (release.accepted_rows, release.rejected_rows) == (36 * len(names), len(names))
    (key,) = [key for key in store.list("rejections/") if key.endswith("rejects.csv")]
    rows = list(csv.DictReader(io.StringIO(store.read(key).decode("utf-8-sig"))))
    assert {row["file"] for row in rows} == {"'" + name if name.startswith("=") else name for name in names}


def test_a_rejected_delivery_names_such_a_file_in_its_report(folder_store: Store, contract, put):
    name = GOOD_NAMES[4]
    put(folder_store, contract, "item,annotator,label\n1,ann,cow\n", name=name)
    (rejected,) = audit(contract, folder_store).rejected
    shown = folder_store.read(rejected.report).decode()
    assert name in html.unescape(shown)
    assert "<d>" not in shown


def test_deliver_takes_such_names_and_says_what_it_does_not_take(store: Store, contract, put):
    for number, name in enumerate(name for name in GOOD_NAMES if "/" not in name):
        put(store, contract, GOOD, delivery=f"d{number}", name=name)
    assert {delivery.refusal.code if delivery.refusal else "" for delivery in choosing.choose(contract, store, {})} == {
        "",
        "same_bytes",
    }
    with pytest.raises(InvalidInput, match=r"you deliver the file 'a\\\\b.csv'"):
        put(store, contract, GOOD, delivery="bad", name="a\\b.csv")


@pytest.mark.parametrize("told", ["NFC", "NFD"])
def test_an_accent_may_be_written_either_way(store: Store, contract, told: str):
    """macOS uploads `é` as two letters; the manifest was written elsewhere, or the other way round."""
    there = {"NFC": "NFD", "NFD": "NFC"}[told]
    store.write(FOLDER + unicodedata.normalize(there, "é.csv"), GOOD.encode())
    store.write(FOLDER + "manifest.json", manifest_of({unicodedata.normalize(told, "é.csv"): GOOD.encode()}))
    assert Reading(contract, store).run() == {"d1": "taken"}


def test_two_files_whose_names_look_the_same_are_refused(folder_store: Store, contract):
    names = {unicodedata.normalize(form, "é.csv"): GOOD.encode() for form in ("NFC", "NFD")}
    for name, content in names.items():
        folder_store.write(FOLDER + name, content)
    folder_store.write(FOLDER + "manifest.json", manifest_of(names))
    (refused,) = choosing.choose(contract, folder_store, {})
    assert refused.refusal.message.startswith("manifest.json names a file twice")


def test_capitals_in_a_digest_keys_of_ones_own_and_litter_that_is_named_are_taken(folder_store: Store, contract):
    """A tool that lists a whole folder names .DS_Store too; it is not there any more, and not missed."""
    names = {"labels.csv": GOOD.encode(), ".DS_Store": b"x", "__MACOSX/._labels.csv": b"x"}
    said = json.loads(manifest_of(names, created="2026-11-25", tool={"name": "x", "version": 3}))
    said["files"][0] |= {"sha256": said["files"][0]["sha256"].upper(), "mime": "text/csv"}
    folder_store.write(FOLDER + "labels.csv", GOOD.encode())
    folder_store.write(FOLDER + "manifest.json", json.dumps(said).encode())
    (delivery,) = manifests.waiting(contract, folder_store)
    assert delivery.files[0].sha256 == hashlib.sha256(GOOD.encode()).hexdigest()
    assert Reading(contract, folder_store).run() == {"d1": "taken"}


@pytest.mark.parametrize("slip", ["supercedes", "Supersedes", "supersede", "guidelines", "guide_line"])
def test_a_slip_of_the_pen_in_a_key_that_matters_is_not_passed_over(folder_store: Store, contract, slip: str):
    """Silently, the older delivery would stay beside its correction."""
    folder_store.write(FOLDER + "labels.csv", GOOD.encode())
    folder_store.write(FOLDER + "manifest.json", manifest_of({"labels.csv": GOOD.encode()}, **{slip: "d0"}))
    (refused,) = choosing.choose(contract, folder_store, {})
    assert refused.refusal.code == "bad_manifest"
    assert (
        f"has the key {slip!r}. Did you mean '{'supersedes' if slip[0] in 'sS' else 'guideline'}'?"
        in refused.refusal.message
    )
