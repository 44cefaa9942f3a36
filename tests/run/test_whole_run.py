"""A whole run: what it publishes, that it can be killed anywhere and repeated, and that two runs may overlap."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from conftest import GOOD, PROJECT, audit
from deltalake import DeltaTable

from labelaudit import demo
from labelaudit.contracts import reading
from labelaudit.errors import AuditImpossible, ReleaseConflict, ReleaseInvalid
from labelaudit.publish import verifying
from labelaudit.receive import delivering, manifests
from labelaudit.rejects import recorded
from labelaudit.run import expiry, steps, whole_run
from labelaudit.storage import delta, layout, release_log, tables
from labelaudit.storage.folder import FolderStore
from labelaudit.storage.opening import open_store
from labelaudit.storage.store import Store

pytestmark = pytest.mark.runs


def items(first: int, last: int, people: str = "ann bob cyd", label=lambda item, who: "cat" if item % 2 else "dog"):
    """A CSV of items first to last - 1, labelled by all the people."""
    rows = [f"i{item},{who},{label(item, who)}\n" for item in range(first, last) for who in people.split()]
    return "item,annotator,label\n" + "".join(rows)


def contents(destination: Store) -> dict[str, list]:
    """Every table's rows, and every file beside them with its digest."""
    found: dict[str, list] = {}
    for name in (layout.LABELS, layout.ANNOTATIONS, layout.QUALITY):
        rows = tables.read_table(destination, name).to_pylist()
        found[name] = sorted(rows, key=lambda row: json.dumps(row, sort_keys=True))
    keys = destination.list("releases/")
    found["files"] = [(key, hashlib.sha256(destination.read(key)).hexdigest()) for key in sorted(keys)]
    return found


def labels(contract, store: Store) -> dict[str, str]:
    rows = tables.read_table(steps.open_destination(contract, store), layout.LABELS).to_pylist()
    assert len({row["item"] for row in rows}) == len(rows), "one row an item"
    return {row["item"]: row["label"] for row in rows}


def test_a_release_holds_every_accepted_row_once_and_verifies(store: Store, make_contract, put):
    contract = make_contract()
    put(store, contract, GOOD + "bad,row\n")
    outcome = audit(contract, store)
    assert outcome.status == "published"
    assert (outcome.release.accepted_rows, outcome.release.rejected_rows, outcome.release.items) == (36, 1, 12)
    destination = steps.open_destination(contract, store)
    assert tables.read_table(destination, layout.ANNOTATIONS).num_rows == 36
    verified = verifying.verify(destination)
    assert (verified.release, verified.rows, verified.rows_checked) == (outcome.release.release, 12, True)
    assert audit(contract, store, "later").status == "nothing"


def test_new_deliveries_add_items_and_labels_to_what_is_there(folder_store: Store, make_contract, put):
    contract = make_contract()
    put(folder_store, contract, items(0, 10))
    first = audit(contract, folder_store, "one").release
    put(folder_store, contract, items(5, 15, "dan eve", lambda item, who: "dog"), delivery="d2")
    second = audit(contract, folder_store, "two").release
    assert (first.release[:5], second.release[:5], second.items) == ("r0001", "r0002", 10)
    released = labels(contract, folder_store)
    assert set(released) == {f"i{item}" for item in range(15)}
    assert released["i1"] == "cat", "an item of the first release that the second says nothing of"
    destination = steps.open_destination(contract, folder_store)
    assert tables.read_table(destination, layout.ANNOTATIONS).num_rows == 50


def test_a_superseding_delivery_replaces_what_it_names(folder_store: Store, make_contract, put):
    """Items that only the old delivery held are gone; those that others labelled too are judged anew without it."""
    contract = make_contract(vendors={"alder": {"format": "csv"}, "birch": {"format": "csv"}})
    put(folder_store, contract, items(0, 10))
    put(folder_store, contract, items(8, 12, "dan eve"), vendor="birch")
    audit(contract, folder_store, "one")
    put(folder_store, contract, items(2, 6, label=lambda item, who: "dog"), delivery="d1b", supersedes=["d1"])
    audit(contract, folder_store, "two")
    released = labels(contract, folder_store)
    assert set(released) == {"i2", "i3", "i4", "i5", "i8", "i9", "i10", "i11"}
    assert {released[f"i{item}"] for item in (2, 3, 4, 5)} == {"dog"}
    destination = steps.open_destination(contract, folder_store)
    rows = tables.read_table(destination, layout.ANNOTATIONS)
    assert sorted(set(rows["delivery"].to_pylist())) == ["alder/d1b", "birch/d1"]
    assert set(release_log.published_deliveries(destination)) == {"alder/d1b", "birch/d1"}
    verifying.verify(destination)
    for again in (False, True):
        audit(contract, folder_store, f"later-{again}", again=again)
        assert set(release_log.published_deliveries(destination)) == {"alder/d1b", "birch/d1"}, "d1 is not taken back"


def test_auditing_again_replaces_and_doubles_nothing(folder_store: Store, make_contract, put):
    contract = make_contract()
    put(folder_store, contract, items(0, 10))
    audit(contract, folder_store, "one")
    before = labels(contract, folder_store)
    again = audit(contract, folder_store, "two", again=True)
    assert again.release.release.startswith("r0002")
    assert labels(contract, folder_store) == before
    destination = steps.open_destination(contract, folder_store)
    assert tables.read_table(destination, layout.ANNOTATIONS).num_rows == 30


NOW = datetime(2026, 11, 25, 6, tzinfo=UTC)


class Killed(BaseException):
    """As good as SIGKILL for us: no `except Exception` catches it."""


@contextmanager
def killed_at(count: int, monkeypatch):
    """Die just before the count-th write to a store, or just after the count-th talk to a table."""
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        if done == count:
            raise Killed

    with monkeypatch.context() as patch:
        for name in ("write", "put_if_absent", "upload", "delete"):
            original = getattr(FolderStore, name)

            def wrapped(self, *arguments, original=original):
                tick()
                return original(self, *arguments)

            patch.setattr(FolderStore, name, wrapped)
        answered = delta.answered

        @contextmanager
        def counted(destination):
            with answered(destination):
                yield
            tick()

        patch.setattr(delta, "answered", counted)
        yield


def test_killed_anywhere_and_repeated_a_run_ends_in_the_same_release(tmp_path, make_contract, put, monkeypatch):
    """The second release supersedes a delivery of the first, so that the run also deletes. Killed at every write of its
    judging and publishing, and at every eighth of what comes before."""
    contract = make_contract(vendors={"alder": {"format": "csv"}, "birch": {"format": "csv"}}, annotators="plain")

    start = open_store(f"file://{tmp_path / 'start'}")
    put(start, contract, items(0, 10))
    put(start, contract, items(8, 12, "dan eve"), vendor="birch")
    audit(contract, start, "one")
    put(start, contract, items(2, 6, label=lambda item, who: "dog"), delivery="d1b", supersedes=["d1"])
    put(start, contract, "nothing that can be read", vendor="birch", delivery="bad")

    def first_half(store: Store):
        destination = steps.open_destination(contract, store)
        found = steps.find(contract, store, destination, "two")
        staged = [steps.stage(contract, delivery, store, "two") for delivery in found.deliveries]
        checked = [steps.check(contract, delivery, store, "two") for delivery in staged]
        return checked, steps.detect(contract, found, checked, store, destination)

    def second_half(store: Store, checked, made) -> None:
        destination = steps.open_destination(contract, store)
        verdict = steps.judge(contract, made, store, destination, False, NOW)
        steps.publish(contract, made, verdict, store, destination, NOW)
        steps.record_rejections(contract, checked, store, NOW)

    def prepared(name: str) -> Store:
        shutil.copytree(tmp_path / "start", tmp_path / name)
        return open_store(f"file://{tmp_path / name}")

    def killed(store: Store, at: int, what) -> bool:
        with killed_at(at, monkeypatch):
            try:
                what(store)
            except Killed:
                return True
        return False

    def ended_as_it_should(store: Store) -> None:
        destination = steps.open_destination(contract, store)
        assert contents(destination) == wanted
        verifying.verify(destination)
        assert audit(contract, store, "three").status == "nothing"
        rejected = recorded.rejections(contract, store)
        assert [delivery.delivery.name for _, delivery in rejected] == ["birch/bad"], "its rejection is not lost"

    unbroken = prepared("unbroken")
    second_half(unbroken, *first_half(unbroken))
    wanted = contents(steps.open_destination(contract, unbroken))
    kills = 1
    while killed(store := prepared(f"early-{kills}"), kills, first_half):
        second_half(store, *first_half(store))
        ended_as_it_should(store)
        kills += 8
    assert kills > 16
    half_done = first_half(start)
    kills = 1
    while killed(store := prepared(f"late-{kills}"), kills, lambda store: second_half(store, *half_done)):
        second_half(store, *half_done)
        ended_as_it_should(store)
        kills += 1
    assert kills > 30


def test_of_overlapping_runs_one_publishes_and_the_other_starts_again(folder_store: Store, make_contract, put):
    contract = make_contract()
    destination = steps.open_destination(contract, folder_store)
    put(folder_store, contract, items(0, 10))
    found = steps.find(contract, folder_store, destination, "slow")
    staged = steps.stage(contract, found.deliveries[0], folder_store, "slow")
    checked = [steps.check(contract, staged, folder_store, "slow")]
    slow = steps.detect(contract, found, checked, folder_store, destination)
    put(folder_store, contract, items(20, 30), delivery="d2")
    fast = audit(contract, folder_store, "fast", deliveries=["d2"])
    verdict = steps.judge(contract, slow, folder_store, destination)
    with pytest.raises(ReleaseConflict, match=fast.release.release):
        steps.publish(contract, slow, verdict, folder_store, destination)
    assert len(labels(contract, folder_store)) == 10
    assert audit(contract, folder_store, "again").release.release.startswith("r0002")
    assert len(labels(contract, folder_store)) == 20
    verifying.verify(destination)


def test_the_same_run_twice_side_by_side_is_one_release(folder_store: Store, make_contract, put):
    contract = make_contract()
    put(folder_store, contract, GOOD)
    destination = steps.open_destination(contract, folder_store)

    def until_publish(run: str):
        found = steps.find(contract, folder_store, destination, run)
        checked = [
            steps.check(contract, steps.stage(contract, delivery, folder_store, run), folder_store, run)
            for delivery in found.deliveries
        ]
        made = steps.detect(contract, found, checked, folder_store, destination)
        return made, steps.judge(contract, made, folder_store, destination)

    first, second = until_publish("a"), until_publish("b")
    assert first[0].release == second[0].release, "a release's name follows from what is in it"
    one = steps.publish(contract, *first, folder_store, destination)
    two = steps.publish(contract, *second, folder_store, destination)
    assert (one.already, two.already, one.version) == (False, True, two.version)


def test_a_bad_delivery_stops_no_other(folder_store: Store, make_contract, put):
    """A file cut in transit, a manifest that lies, a file of another kind: each is refused, the good one published."""
    gzip = {"format": "csv", "compression": "gzip"}
    contract = make_contract(vendors={"alder": {"format": "csv"}, "birch": gzip, "cedar": {"format": "parquet"}})
    put(folder_store, contract, GOOD)
    put(folder_store, contract, b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03cut", vendor="birch")
    put(folder_store, contract, "PAR1 it is not", vendor="cedar")
    put(folder_store, contract, items(50, 60), delivery="d2", records={"labels.csv": 31})
    put(folder_store, contract, items(70, 80), delivery="d3")
    folder_store.write(layout.delivery("alder", "acme", "pets", "d3") + "labels.csv", b"x" * 10)
    outcome = audit(contract, folder_store)
    assert outcome.release.deliveries == ("alder/d1",)
    assert {delivery.delivery.name: delivery.refusal.code for delivery in outcome.rejected} == {
        "alder/d2": "count_mismatch",
        "alder/d3": "size_mismatch",
        "birch/d1": "unreadable_file",
        "cedar/d1": "unreadable_file",
    }
    for delivery in outcome.rejected:
        assert delivery.refusal.code.encode() in folder_store.read(delivery.report)
    assert audit(contract, folder_store, "next day").status == "nothing", "refused once, not every day"
    put(folder_store, contract, items(50, 60), delivery="d2b", records={"labels.csv": 30})
    assert audit(contract, folder_store, "mended").release.deliveries == ("alder/d2b",)


def test_when_all_is_rejected_nothing_is_published(folder_store: Store, make_contract, put):
    contract = make_contract()
    put(folder_store, contract, "item,annotator,label\n1,ann,cow\n")
    outcome = audit(contract, folder_store)
    assert (outcome.status, outcome.release) == ("rejected", None)
    assert release_log.log(steps.open_destination(contract, folder_store)) == []


def test_what_can_not_be_judged_is_not_published(folder_store: Store, make_contract, put):
    contract = make_contract()
    put(folder_store, contract, items(0, 10, "ann"))
    with pytest.raises(AuditImpossible, match="no item has labels of several"):
        audit(contract, folder_store)


def noisy(item: int, who: str) -> str:
    """Cyd is wrong on every item."""
    return "dog" if (item % 2 == 1) == (who == "cyd") else "cat"


def test_a_breach_is_published_or_held_as_the_contract_says(folder_store: Store, make_contract, put):
    limits = {"annotator_quality": 0.7}
    contract = make_contract(limits=limits, on_breach="hold")
    put(folder_store, contract, items(0, 40, "ann bob cyd dan", noisy))
    held = audit(contract, folder_store, "one")
    assert (held.status, [breach.subject for breach in held.verdict.breaches]) == ("held", ["cyd"])
    assert release_log.log(steps.open_destination(contract, folder_store)) == []
    published = audit(contract, folder_store, "two", publish_held="cyd was let go")
    assert published.verdict.answer.note == "cyd was let go"
    withheld = "(withheld: it names an annotator)"
    report = json.loads(folder_store.read(f"published/acme/pets/releases/{published.release.release}/report.json"))
    assert report["verdict"]["answer"]["note"] == withheld
    assert "cyd " not in json.dumps(report["verdict"]["breaches"]), "the customer reads no annotator's name"


@pytest.mark.parametrize("shown", ["hashed", "omitted", "plain"])
def test_annotators_appear_as_the_contract_says(folder_store: Store, make_contract, put, shown: str):
    contract = make_contract(annotators=shown)
    put(folder_store, contract, items(0, 20, "annabella bobbington cydoniana", noisy))
    audit(contract, folder_store)
    destination = steps.open_destination(contract, folder_store)
    everything = b"".join(destination.read(key) for key in destination.list("releases/"))
    seen = set(tables.read_table(destination, layout.ANNOTATIONS)["annotator"].to_pylist())
    assert (b"annabella" in everything) == (shown == "plain")
    if shown == "omitted":
        assert seen == {None}
    elif shown == "plain":
        assert seen == {"annabella", "bobbington", "cydoniana"}
    else:
        assert len(seen) == 3
        assert all(len(name) == 16 for name in seen)
        twin = make_contract("other/pets", annotators=shown)
        put(folder_store, twin, items(0, 20, "annabella bobbington cydoniana", noisy))
        audit(twin, folder_store)
        theirs = tables.read_table(steps.open_destination(twin, folder_store), layout.ANNOTATIONS)["annotator"]
        assert not seen & set(theirs.to_pylist()), "nobody is known across customers"
    (internal,) = folder_store.list("reports/acme/pets/")
    assert b"annabella" in folder_store.read(internal), "our own report names them"


@pytest.mark.parametrize("what", ["report.html", "issues.csv", "manifest.json", "a file more", "a file less", "a row"])
def test_whatever_is_changed_in_a_release_verify_finds_it(folder_store: Store, make_contract, put, what: str):
    contract = make_contract()
    put(folder_store, contract, GOOD)
    release = audit(contract, folder_store).release.release
    destination = steps.open_destination(contract, folder_store)
    folder = layout.release(release)
    if what == "a file more":
        destination.write(folder + "more.html", b"")
    elif what == "a file less":
        destination.delete(folder + "issues.csv")
    elif what == "a row":
        root = f"{destination.uri}/{layout.LABELS}".removeprefix("file://")
        (path,) = (uri.removeprefix("file://") for uri in DeltaTable(root).file_uris())
        rows = pq.ParquetFile(path).read()
        flipped = pc.if_else(pc.equal(rows["item"].cast("string"), "i3"), "dog", rows["label"].cast("string"))
        pq.write_table(rows.set_column(rows.column_names.index("label"), "label", flipped), path)
    else:
        destination.write(folder + what, destination.read(folder + what) + b" ")
    with pytest.raises(ReleaseInvalid, match=release):
        verifying.verify(destination)


def test_an_old_releases_expired_rows_are_said_to_be_unchecked(folder_store: Store, make_contract, put):
    """But the last release is never excused: rows of it that are gone are an error."""
    contract = make_contract()
    destination = steps.open_destination(contract, folder_store)
    put(folder_store, contract, items(0, 10))
    old = audit(contract, folder_store, "one").release
    put(folder_store, contract, items(0, 10, "dan eve"), delivery="d2")
    audit(contract, folder_store, "two")
    uris = [
        DeltaTable(f"{destination.uri}/labels", version=entry.version).file_uris()
        for entry in release_log.log(destination)
    ]
    for gone in set(uris[0]) - set(uris[1]):
        Path(gone).unlink()
    assert not verifying.verify(destination, old.release).rows_checked
    assert verifying.verify(destination).rows_checked
    for gone in uris[1]:
        Path(gone).unlink()
    with pytest.raises(ReleaseInvalid, match="can't be read"):
        verifying.verify(destination)


def test_a_destination_of_its_own_gets_everything_of_the_customers(folder_store: Store, make_contract, put, tmp_path):
    contract = make_contract(destination={"uri": f"file://{tmp_path / 'customer'}"})
    put(folder_store, contract, GOOD)
    release = audit(contract, folder_store).release
    assert release.report == f"file://{tmp_path}/customer/releases/{release.release}/report.html"
    assert not folder_store.list("published/")
    verifying.verify(open_store(f"file://{tmp_path / 'customer'}"))


def test_two_demo_days_through_s3(s3, monkeypatch, tmp_path):
    """Pictures and texts, trained on their history; the bytes that leave a bucket are those that leave a folder."""
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    found, broken = reading.read_contracts(PROJECT / "include" / "contracts")
    assert not broken
    stores = [open_store(f"file://{tmp_path / 'store'}"), open_store(f"s3://store/{tmp_path.name}")]
    releases: list[list[str]] = [[], []]
    for place, store in enumerate(stores):
        for day in (1, 2):
            assert demo.deliver_day(store, day) > 0
            assert demo.deliver_day(store, day) == 0
            releases[place] += [audit(contract, store, f"day{day}").release.digest for contract in found]
        for contract in found:
            destination = steps.open_destination(contract, store)
            verifying.verify(destination)
            rows = tables.read_table(destination, layout.LABELS).to_pandas()
            truth = rows["item"].map(demo.truth(contract.customer, contract.dataset))
            assert (rows["label"] == truth).mean() > 0.86
    assert releases[0] == releases[1]


def test_the_steps_report_their_progress(folder_store: Store, make_contract, put):
    contract = make_contract()
    put(folder_store, contract, GOOD, records={"labels.csv": 36})
    seen: list[str] = []

    @contextmanager
    def watch(step: str):
        seen.append(step)
        yield lambda done, total: seen.append(f"{step} {done}/{total}")

    destination = steps.open_destination(contract, folder_store)
    whole_run.whole_run(contract, folder_store, destination, "run", watch=watch)
    assert "stage alder/d1 36/36" in seen
    assert "publish" in seen


def test_retention_removes_old_runs_and_keeps_what_is_published(folder_store: Store, make_contract, put):
    contract = make_contract()
    put(folder_store, contract, GOOD)
    audit(contract, folder_store)
    destination = steps.open_destination(contract, folder_store)
    assert expiry.expire(contract, folder_store, destination, time.time()).run_files == 0
    gone = expiry.expire(contract, folder_store, destination, time.time() + 31 * 86_400)
    assert gone.run_files > 3
    assert folder_store.list("runs/") == []
    assert manifests.waiting(contract, folder_store), "the inbox is the vendors' and stays"
    verifying.verify(destination)


def test_a_detector_that_cannot_work_says_so(folder_store: Store, make_contract, put):
    """Predictions that know nothing of the items: held as invalid, not published with any number of issues."""
    contract = make_contract(
        columns={"item": {}, "annotator": {}, "label": {}, "p_cat": {"type": "number"}, "p_dog": {"type": "number"}},
        predictions={"source": "delivered", "columns": {"cat": "p_cat", "dog": "p_dog"}},
        on_breach="hold",
    )
    chance = random.Random(2)
    lines = ["item,annotator,label,p_cat,p_dog"]
    for place in range(3000):
        cat = chance.random()
        lines.append(f"i{place:04d},ann,{chance.choice(['cat', 'dog'])},{cat:.4f},{1 - cat:.4f}")
    put(folder_store, contract, "\n".join(lines) + "\n")
    outcome = audit(contract, folder_store)
    assert outcome.status == "held"
    assert "audit invalid" in outcome.verdict.reason


def test_predictions_in_a_second_file_judge_the_labels_of_the_first(folder_store: Store, make_contract, tmp_path):
    """Of items with one label each nothing else could tell which are wrong."""
    predictions = {"source": "delivered", "columns": {"cat": "p_cat", "dog": "p_dog"}, "file": "model.csv"}
    contract = make_contract(predictions=predictions)
    wrong = {f"i{item:03d}" for item in range(6)}
    labels, probabilities = ["item,annotator,label"], ["item,p_cat,p_dog"]
    for item in range(120):
        cat = bool(item % 2)
        labels.append(f"i{item:03d},ann,{'cat' if cat != (item < 6) else 'dog'}")
        probabilities.append(f"i{item:03d},{0.9 if cat else 0.1},{0.1 if cat else 0.9}")
    files = [tmp_path / "labels.csv", tmp_path / "model.csv"]
    for path, lines in zip(files, (labels, probabilities), strict=True):
        path.write_text("\n".join(lines) + "\n")
    delivering.deliver(folder_store, contract.customer, contract.dataset, "alder", "d1", files)
    assert audit(contract, folder_store).release.items == 120
    rows = tables.read_table(steps.open_destination(contract, folder_store), layout.LABELS).to_pylist()
    assert {row["item"] for row in rows if row["is_issue"]} == wrong
