"""A forgotten person's name is nowhere in what is ours: every byte below the store is searched, Parquet decoded."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import threading
import time
from collections import Counter
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from conftest import GOOD, audit
from typer.testing import CliRunner

from labelaudit.alerts import messages, outbox
from labelaudit.cli.app import app
from labelaudit.contracts.quality import AlertRoute, HumanAudit
from labelaudit.detect import gold
from labelaudit.detect.findings_file import read_findings
from labelaudit.human_audit import drawing, samples
from labelaudit.human_audit.samples import AnswerGiven, AnswersFile
from labelaudit.publish import annotator_names, verifying
from labelaudit.rejects import history as rejects_history
from labelaudit.run import steps
from labelaudit.storage import layout, release_log
from labelaudit.storage.opening import open_store
from labelaudit.storage.parquet import read_table
from labelaudit.storage.store import Store
from labelaudit.upkeep import forgetting
from tests.publish.test_customer_view import NAMED, made_with  # noqa: F401 - a fixture
from tests.publish.test_publishing import judged as until_verdict

pytestmark = pytest.mark.runs

NOW = 2e9
"""Long after the runs: none is under way."""
SOUGHT = {NAMED[0]: b"lee-7x", NAMED[1]: b"quentin", NAMED[2]: b"hara"}
"""What no way of writing a name changes."""


@pytest.fixture
def kept(made_with, tmp_path: Path):  # noqa: F811
    """A copy of two releases, a rejected delivery and a held run; with a human audit whose answers are the person's,
    and alerts that wait."""

    def made(shown: str = "hashed"):
        contract, before, _, outcome = made_with(shown)
        shutil.copytree(before.root, tmp_path / "store")
        store = open_store(f"file://{tmp_path / 'store'}")
        destination = steps.open_destination(contract, store)
        release = outcome.release.release
        drawing.draw_published(contract, store, destination, release, HumanAudit(rows=8))
        given = AnswersFile(by=NAMED[0], at="2026-11-25", source=f"{NAMED[2]}.csv", answers=())
        given = given.model_copy(update={"answers": (AnswerGiven(item="x001", answer="ant"),)})
        store.write(samples.prefix(contract, release) + "answers/000001.json", given.model_dump_json().encode())
        findings = read_findings(store, outcome.audit)
        told = messages.of_run(
            contract,
            [(refused, "report") for refused in outcome.rejected],
            outcome.audit,
            outcome.verdict,
            outcome.release,
            findings.worst,
        )
        route = AlertRoute(via="log", on=("breach", "rejection", "incident", "digest"))
        assert outbox.post(store, "acme", "pets", told, [route], 0.0, "internal") > 1
        return contract, store, destination, outcome

    return made


def holding(store: Store, sought: bytes) -> set[str]:
    """The keys of all objects that hold a text: as bytes, decoded, or in their own name."""
    found = set()
    for key in store.list(""):
        content = store.read(key)
        if key.endswith(".parquet"):
            with store.local(key) as path, pq.ParquetFile(path) as file:
                groups = [file.metadata.row_group(number).to_dict() for number in range(file.num_row_groups)]
                content += f"{file.read().to_pylist()} {file.metadata.metadata} {groups}".encode()
        if sought in (content + key.encode()).lower():
            found.add(key)
    return found


def forget(kept, name: str, **how) -> forgetting.Forgotten:
    contract, store, destination, _ = kept
    now = how.pop("now", NOW)
    return forgetting.forget(store, "acme", "pets", name, now, contract, destination, **how)


def keys_of(store: Store, left) -> set[str]:
    return {file.uri.removeprefix(store.uri + "/") for file in left}


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("shown", ["hashed", "plain"])
def test_no_byte_of_ours_holds_the_name_but_what_is_listed(kept, name: str, shown: str):
    """Old versions of tables and their logs, statistics, escapes in HTML and JSON, examples of checks, alerts."""
    made = kept(shown)
    store = made[1]
    before = holding(store, SOUGHT[name])
    tops = {key.split("/")[0] for key in before}
    if name == NAMED[0]:
        assert tops >= {"history", "runs", "reports", "rejections", "rejects", "audits", "alerts", "inbox"}
        assert ("published" in tops) == (shown == "plain")
    found = forget(made, name)
    assert {one.place for one in found.changed} >= tops - {"inbox", "published"}
    listed = {unquote(key) for key in keys_of(store, found.left)}
    assert holding(store, SOUGHT[name]) <= listed
    assert {key.split("/")[0] for key in listed} <= {"inbox", "published", "acme"}, (
        "nothing of ours is left to be listed"
    )


def test_what_customers_have_is_listed_by_release_and_stays_as_it_is(kept):
    """Hashed: they know the person by a name that only our key leads to."""
    made = kept("hashed")
    contract, store, destination, _ = made
    before = {key: destination.read(key) for key in destination.list("")}
    hashed = annotator_names.renamer(contract, store)(NAMED[0])
    found = forget(made, NAMED[0])
    assert {key: destination.read(key) for key in destination.list("")} == before
    verifying.verify(destination)
    published = [file for file in found.left if file.place == "published"]
    releases = [one.release for one in release_log.log(destination)]
    assert {file.release for file in published if file.rows} == set(releases)
    rows = Counter()
    for key in destination.list("annotations/"):
        if key.endswith(".parquet") and "_delta_log" not in key:
            table = read_table(destination, key)
            rows.update(row["release"] for row in table.to_pylist() if row["annotator"] == hashed)
    listed = Counter()
    for file in published:
        listed[file.release] += file.rows
    assert {release: count for release, count in listed.items() if release} == dict(rows)
    assert any(file.uri.endswith(f"{releases[-1]}/report.html") for file in published)


def test_counts_and_consensus_stay_and_the_new_id_leads_back_to_nobody(kept):
    """As many rows of as many people: one new id in place of one name, another one in another forgetting."""
    made = kept()
    contract, store, _, outcome = made

    def people() -> dict[str, Counter]:
        history = layout.history("acme", "pets")
        return {key: Counter(read_table(store, key)["annotator"].to_pylist()) for key in store.list(history)}

    before, rejected = people(), rejects_history.counts(contract, store, ["code", "column"])
    forget(made, NAMED[0])
    after = people()
    new = {name for counts in after.values() for name in counts} - {
        name for counts in before.values() for name in counts
    }
    assert len(new) == 1, "one person stays one person, in all releases"
    (pseudonym,) = new
    for key, counts in before.items():
        assert after[key] == Counter({pseudonym if name == NAMED[0] else name: n for name, n in counts.items()})
    assert rejects_history.counts(contract, store, ["code", "column"]) == rejected
    assert store.list("forgotten/") == [], "nobody can tell any more whose it was"
    findings = read_findings(store, outcome.audit)
    assert {pseudonym} <= {one.name for one in findings.annotators}
    secret = store.read(layout.annotator_key("acme"))
    assert annotator_names.hashed(secret, NAMED[0]) not in pseudonym


def test_a_run_afterwards_learns_from_the_history_as_before(kept, put):
    made = kept()
    contract, store, destination, _ = made
    (quoting,) = [file for file in forget(made, NAMED[0]).left if file.place == "contract"]
    assert quoting.uri == "acme/pets.yaml", "its checks have the name, and reports quote checks"
    contract = contract.model_copy(update={"checks": ()})
    put(store, contract, "item,annotator,label,seconds\nx001,new person,ant,1\nx002,new person,bee,1\n", delivery="d9")
    after = audit(contract, store, "after")
    assert after.status == "published"
    verifying.verify(destination)
    assert holding(store, SOUGHT[NAMED[0]]) <= set(store.list("inbox/"))


def test_a_dry_run_changes_no_byte_and_says_what_would_be(kept):
    made = kept()
    store = made[1]
    before = {key: store.read(key) for key in store.list("")}
    dry = forget(made, NAMED[0], dry_run=True)
    assert {key: store.read(key) for key in store.list("")} == before
    real = forget(made, NAMED[0])
    assert {one.place: one.values for one in dry.changed} == {one.place: one.values for one in real.changed}
    assert forget(made, NAMED[0]).changed == (), "and again there is nothing to do"


def test_a_name_that_is_a_number_or_a_vendors_leaves_all_numbers_and_vendors(kept):
    """`3` and `alder`: as values of an annotator they go, as numbers and as a vendor they stay."""
    made = kept()
    _, store, _, outcome = made
    for name in ("3", "alder"):
        before = read_findings(store, outcome.audit)
        found = forget(made, name)
        findings = read_findings(store, outcome.audit)
        assert name not in {one.name for one in findings.annotators}
        assert findings.vendors == before.vendors
        assert findings.classes == before.classes
        (history,) = [key for key in store.list("history/") if outcome.release.release in key]
        rows = read_table(store, history)
        assert name not in rows["annotator"].to_pylist()
        assert set(rows["vendor"].to_pylist()) == {"alder"}
        assert "history" in {one.place for one in found.changed}
        assert store.list("reports/") == [], "they may name the person, and nobody can tell"


def test_with_a_vendor_only_that_vendors_person_is_forgotten(kept):
    made = kept()
    store = made[1]
    found = forget(made, NAMED[0], vendor="birch")
    history = layout.history("acme", "pets")
    for key in store.list(history):
        assert NAMED[0] in read_table(store, key)["annotator"].to_pylist(), "that is alder's"
    assert not [file for file in found.left if "inbox/alder" in file.uri]
    assert "rejects" in {one.place for one in found.changed}


class Killed(BaseException):
    pass


@pytest.mark.parametrize("at", range(1, 40, 6))
def test_killed_anywhere_and_repeated_it_is_one_new_id(kept, monkeypatch: pytest.MonkeyPatch, at: int):
    made = kept()
    store = made[1]
    written = 0
    write_if = type(store).write_if

    def dying(self, *arguments):
        nonlocal written
        written += 1
        if written == at:
            raise Killed
        return write_if(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(type(store), "write_if", dying)
        try:
            forget(made, NAMED[0])
        except Killed:
            assert len(store.list("forgotten/")) == 1
    forget(made, NAMED[0])
    assert {key.split("/")[0] for key in holding(store, SOUGHT[NAMED[0]])} <= {"inbox"}
    ids = {
        name
        for key in store.list("history/")
        for name in read_table(store, key)["annotator"].to_pylist()
        if name.startswith("forgotten-")
    }
    assert len(ids) == 1


@pytest.mark.parametrize("step", ["rewrite_rows", "drop_versions"])
@pytest.mark.parametrize("is_done", [False, True])
def test_killed_at_a_table_and_repeated_its_old_versions_are_gone(kept, monkeypatch, step: str, is_done: bool):
    """Also between the new version and the end of the old ones: then the rows have the name no more, and files do."""
    made = kept()
    store = made[1]
    module = forgetting.commits if step == "rewrite_rows" else forgetting.tables
    real = getattr(module, step)

    def dying(*arguments):
        if is_done:
            real(*arguments)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(module, step, dying)
        with pytest.raises(Killed):
            forget(made, NAMED[0])
    forget(made, NAMED[0])
    assert {key.split("/")[0] for key in holding(store, SOUGHT[NAMED[0]])} <= {"inbox"}


def test_history_keeps_its_types_and_what_its_probabilities_are_of(kept):
    made = kept()
    store = made[1]

    def schemas():
        found = {}
        for key in store.list("history/"):
            with store.local(key) as path, pq.ParquetFile(path) as file:
                found[key] = (file.schema_arrow, file.schema_arrow.metadata, file.metadata.num_rows)
        return found

    before = schemas()
    forget(made, NAMED[0])
    assert schemas() == before


NAME = NAMED[0]
SMALL = GOOD.replace(",ann,", f",{NAME},")


def test_on_a_bucket_as_in_a_folder(store, make_contract, put):
    contract = make_contract()
    put(store, contract, SMALL + f"bad,{NAME},cow\n")
    assert audit(contract, store).status == "published"
    destination = steps.open_destination(contract, store)
    assert {key.split("/")[0] for key in holding(store, SOUGHT[NAME])} >= {"history", "rejects", "rejections", "runs"}
    forgotten = forgetting.forget(store, "acme", "pets", NAME, NOW, contract, destination)
    assert {key.split("/")[0] for key in holding(store, SOUGHT[NAME])} == {"inbox"}
    assert {file.place for file in forgotten.left} == {"inbox", "published"}
    verifying.verify(destination)


def test_what_hangs_on_a_name_is_listed_and_stays(make_contract, folder_store: Store, put, tmp_path: Path):
    """Ids of items and deliveries, paths of files, known labels: a run finds things by them."""
    contract = make_contract(gold="known.csv")
    named = "inspector-ann-dreyfus"
    (tmp_path / "known.csv").write_text(f"item,label\n{named},cat\ni1,cat\n")
    gold.put_gold(contract, folder_store, tmp_path / "known.csv")
    put(folder_store, contract, GOOD + f"{named},ann,cat\n{named},bob,cat\n", delivery=named, name=f"{named}.csv")
    assert audit(contract, folder_store).status == "published"
    destination = steps.open_destination(contract, folder_store)
    before = {key: folder_store.read(key) for key in folder_store.list("gold/")}
    forgotten = forgetting.forget(folder_store, "acme", "pets", named, NOW, contract, destination)
    assert {key: folder_store.read(key) for key in folder_store.list("gold/")} == before
    listed = {unquote(key) for key in keys_of(folder_store, forgotten.left)}
    assert holding(folder_store, named.encode()) <= listed
    assert {key.split("/")[0] for key in listed} >= {"gold", "history", "runs", "inbox", "published"}
    (history,) = folder_store.list("history/")
    assert named in read_table(folder_store, history)["item"].to_pylist()
    assert audit(contract, folder_store, "again").status == "nothing", "what was taken is known as taken"


@pytest.mark.parsers
def test_vendors_files_that_are_packed_are_read_and_listed(make_contract, folder_store: Store, put):
    """Bytes of Parquet and gzip say nothing: they are read as a run reads them."""
    columns = {"item": ["a", "a"], "annotator": [NAME, "bob"], "label": ["cat", "dog"]}
    table = io.BytesIO()
    pq.write_table(pa.table(columns), table, compression="zstd")
    clean = io.BytesIO()
    pq.write_table(pa.table(columns | {"annotator": ["eve", "bob"]}), clean, compression="zstd")
    vendors = {"alder": {"format": "parquet"}, "birch": {"format": "csv", "compression": "gzip"}}
    contract = make_contract(vendors=vendors)
    put(folder_store, contract, table.getvalue(), delivery="named", name="labels.parquet")
    put(folder_store, contract, clean.getvalue(), delivery="clean", name="labels.parquet")
    put(folder_store, contract, gzip.compress(SMALL.encode()), "birch", "packed", "labels.csv.gz")
    put(folder_store, contract, b"\0nothing that anybody can read", "birch", "broken", "labels.csv.gz")
    left = forgetting.forget(folder_store, "acme", "pets", NAME, NOW, contract).left
    notes = {file.uri.split("/")[-2]: file.note for file in left}
    assert {name: notes.get(name, "") for name in ("named", "packed", "clean")} == {
        "named": "holds the name",
        "packed": "holds the name",
        "clean": "",
    }
    assert notes["broken"].startswith("could not be read")


def test_runs_that_may_write_the_name_again_are_named(make_contract, folder_store: Store, put):
    """A held one, however old, and one at work; not one whose release is out."""
    contract = make_contract()
    put(folder_store, contract, SMALL)
    assert audit(contract, folder_store, "out").status == "published"
    held = make_contract(limits={"rejected_rows_rate": 0}, on_breach="hold")
    put(folder_store, held, SMALL.replace("\ni", "\nx") + "bad,row\n", delivery="d2")
    _, verdict = until_verdict(held, folder_store, "held")
    assert verdict.action == "hold"
    folder_store.write("runs/acme/pets/working/shares.json", b"{}")

    def named(now: float) -> tuple[str, ...]:
        return forgetting.forget(folder_store, "acme", "pets", NAME, now, contract, dry_run=True).under_way

    assert named(time.time()) == ("held", "working")
    assert named(time.time() + 2 * 86_400) == ("held",)


def test_two_at_once_and_a_run_beside_them(kept, put):
    """Each ends well; the run publishes a whole release; what it wrote meanwhile is gone after one more call."""
    made = kept()
    contract, store, destination, _ = made
    put(store, contract, f'item,annotator,label,seconds\nx001,"{NAMED[0]}",ant,1\nx002,other,bee,1\n', delivery="d9")
    outcomes: list = []
    workers = [
        threading.Thread(target=lambda: outcomes.append(audit(contract, store, "beside").status)),
        # of their own time: a day later, files that no log names would be a killed writer's, not another's at work
        *(threading.Thread(target=lambda: outcomes.append(forget(made, NAMED[0], now=time.time()))) for _ in range(2)),
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(outcomes) == 3
    assert "published" in outcomes
    verifying.verify(destination)
    forget(made, NAMED[0])
    assert {key.split("/")[0] for key in holding(store, SOUGHT[NAMED[0]])} <= {"inbox"}


def test_the_object_that_another_wrote_meanwhile_is_not_written_over(store: Store):
    """`write_if`: by the version that was read, on a folder and on a bucket."""
    store.write("a/1", b"first")
    version = store.entries("a/")["a/1"].version
    assert store.write_if("a/1", b"second", version)
    assert not store.write_if("a/1", b"third", version)
    assert store.read("a/1") == b"second"
    store.delete("a/1")
    assert not store.write_if("a/1", b"fourth", version)
    assert store.list("a/") == []


def test_the_command_tells_what_was_changed_and_what_is_left(kept, tmp_path: Path):
    made = kept()
    contract, store, _, outcome = made
    contracts = tmp_path / "contracts" / "acme"
    contracts.mkdir(parents=True)
    terms = json.loads(contract.model_dump_json(exclude={"customer", "dataset"}, exclude_unset=True))
    (contracts / "pets.yaml").write_text(yaml.safe_dump(terms, allow_unicode=True), encoding="utf-8")
    arguments = ["forget", "--annotator", NAMED[0], "--store", store.uri, "--contracts", str(contracts.parent)]
    said = CliRunner().invoke(app, [*arguments, "--json"])
    assert said.exit_code == 0, said.output
    (of,) = json.loads(said.stdout)["datasets"]
    assert of["dataset"] == "acme/pets"
    assert {"history", "rejects"} <= {place["place"] for place in of["changed"]}
    assert {"inbox", "published", "contract"} == {file["place"] for file in of["left"]}
    again = CliRunner().invoke(app, arguments)
    assert "call this again" not in again.stdout or outcome.audit.run not in again.stdout
    assert {key.split("/")[0] for key in holding(store, SOUGHT[NAMED[0]])} <= {"inbox"}
