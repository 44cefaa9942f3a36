"""A delivery's rows count once, as they were judged last, whatever was done with it in between."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from conftest import audit
from hypothesis import given, settings
from hypothesis import strategies as st

from labelaudit.contracts.quality import Regressions
from labelaudit.judge import past
from labelaudit.judge.incidents import review
from labelaudit.run import steps
from labelaudit.storage import commits
from labelaudit.storage.schemas import QUALITY_SCHEMA
from labelaudit.storage.store import Store
from labelaudit.values.counted import OF_ATTEMPT, Attempt, Share, add, count_once
from labelaudit.values.releases import Count
from labelaudit.values.verdicts import Answer

pytestmark = pytest.mark.runs

VENDORS = ("alder", "birch")


@dataclass
class World:
    """Deliveries that come, wait, are judged, held, rejected, published and audited again; and what must be counted."""

    attempts: list[Attempt] = field(default_factory=list)
    waiting: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """digest: names that it supersedes."""
    published: set[str] = field(default_factory=set)
    wanted: dict[str, tuple[float, float]] = field(default_factory=dict)
    """digest: x of n, as judged last."""
    sequence: int = 0
    made: int = 0

    def deliver(self, replaces: str | None = None) -> None:
        self.made += 1
        vendor = replaces.split("/")[0] if replaces else VENDORS[self.made % 2]
        self.waiting[f"{vendor}/d{self.made}"] = (replaces,) if replaces else ()
        if replaces in self.waiting and replaces not in self.published:
            del self.waiting[replaces]

    def judge(self, rates: list[int], fate: str, again: bool) -> None:
        """One run on all that waits, and what becomes of it; the digest of a delivery is its name."""
        names = sorted({*self.waiting, *(self.published if again else ())})
        if not names:
            return
        shares = []
        for place, name in enumerate(names):
            x, n = rates[place % len(rates)], 100
            counts = [Count(metric="issue", vendor=vendor, x=x, n=n) for vendor in ("", name.split("/")[0])]
            supersedes = self.waiting.get(name, ())
            for old in supersedes:
                if old not in self.published:
                    self.wanted.pop(old, None)
            self.wanted[name] = (x, n)
            shares.append(Share(digest=name, name=name, supersedes=supersedes, counts=tuple(counts)))
        whole = Counter()
        for share in shares:
            for count in share.counts:
                whole[count.vendor, "x"] += count.x
                whole[count.vendor, "n"] += count.n
        counts = [
            Count(metric="issue", vendor=vendor, x=whole[vendor, "x"], n=whole[vendor, "n"])
            for vendor, _ in list(whole)[::2]
        ]
        out = frozenset(names) if fate == "publish" else None
        self.attempts.append(
            Attempt(
                release=f"r{self.sequence + 1:04d}-{len(self.attempts)}",
                sequence=self.sequence + 1,
                published=out,
                counts=(*counts, Count(metric="detector", label="1", x=1, n=1)),
                shares=tuple(shares),
            )
        )
        if fate == "publish":
            self.published |= set(names)
            self.waiting.clear()
            self.sequence += 1
        elif fate == "reject":
            self.waiting.pop(names[0], None)


STEP = st.one_of(
    st.tuples(st.just("deliver"), st.integers(0, 3)),
    st.tuples(
        st.just("judge"),
        st.lists(st.integers(0, 100), min_size=1, max_size=4),
        st.sampled_from(["hold", "hold", "reject", "publish"]),
        st.booleans(),
    ),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(STEP, max_size=25))
def test_whatever_happens_to_deliveries_their_rows_count_once_as_judged_last(happened):
    """Held, cleared, held with others, rejected, published, audited again, superseded, in any order."""
    world = World()
    for kind, *how in happened:
        if kind == "deliver":
            known = sorted({*world.waiting, *world.wanted})
            world.deliver(known[how[0] % len(known)] if known and how[0] else None)
        else:
            world.judge(*how)
    judged = count_once(world.attempts)
    for vendor in ("", *VENDORS):
        own = [pair for name, pair in world.wanted.items() if not vendor or name.startswith(vendor)]
        counts = [
            count for release in judged for count in release.counts if (count.metric, count.vendor) == ("issue", vendor)
        ]
        assert sum(count.x for count in counts) == sum(x for x, _ in own)
        assert sum(count.n for count in counts) == sum(n for _, n in own)
    accepted = [release for release in judged if release.accepted]
    assert sum(
        next(c.n for c in release.counts if (c.metric, c.vendor) == ("issue", "")) for release in accepted
    ) == 100 * len(world.published), "what was published, and no more, may teach a baseline"
    assert len({release.release for release in judged}) == len(judged)
    order = [release.release for release in world.attempts]
    assert [release.release for release in judged] == sorted((release.release for release in judged), key=order.index)


def attempt(at: int, names: str, x: int, published: bool, sequence: int | None = None) -> Attempt:
    counts = tuple(Count(metric="issue", vendor=vendor, x=x, n=100) for vendor in ("", "alder"))
    return Attempt(
        release=f"r{at}",
        sequence=at if sequence is None else sequence,
        published=frozenset(names) if published else None,
        counts=counts,
        shares=tuple(Share(digest=name, name=f"alder/{name}", counts=counts) for name in names),
    )


def history(length: int, rate: int = 5) -> list[Attempt]:
    return [attempt(at, chr(1000 + at), rate, True) for at in range(1, length + 1)]


def test_the_same_bad_rows_held_thrice_open_no_incident_that_they_do_not_open_once():
    """9 of 100 after 5 of 100."""
    terms = Regressions(metrics=("issue",))
    held = [attempt(31 + at, "z", 9, False, 31) for at in range(8)]
    assert not review(terms, count_once([*history(30), *held])).incidents
    ten = [attempt(31 + at, chr(5000 + at), 9, False, 31) for at in range(8)]
    assert review(terms, count_once([*history(30), *ten])).incidents, "of eight deliveries it would be one"


def test_one_good_release_audited_again_five_times_closes_no_incident():
    terms = Regressions(metrics=("issue",))
    bad = [attempt(31 + at, chr(5000 + at), 30, True) for at in range(6)]
    good = [attempt(37 + at, "g", 5, True) for at in range(6)]
    (found,) = review(terms, count_once([*history(30), *bad, *good])).incidents
    assert found.state == "open"


def test_an_audit_of_everything_again_leaves_the_history_as_long_as_it_was():
    """With the counts of the last audit, at the releases that published the rows."""
    before = history(30)
    every = "".join(share.digest for release in before for share in release.shares)
    judged = count_once([*before, attempt(31, every, 8, True)])
    assert [release.release for release in judged] == [release.release for release in before]
    assert {count.x for release in judged for count in release.counts} == {8}


def test_attempts_of_an_older_version_count_once_a_number():
    """They do not say which deliveries they judged: of one number, the published one counts, else the last."""
    old = [release.model_copy(update={"shares": ()}) for release in history(2)]
    held = [attempt(at, "y", 9, False, 2).model_copy(update={"shares": ()}) for at in (20, 21)]
    last = [attempt(at, "x", 9, False, 3).model_copy(update={"shares": ()}) for at in (30, 31)]
    judged = count_once([old[0], *held, old[1], *last])
    assert [release.release for release in judged] == ["r1", "r2", "r31"]


def rows(vendor: str, first: int, last: int, people: str = "ann bob cyd", bad: int = 0) -> str:
    """Items of a vendor; of the first `bad`, one person of three is wrong."""
    lines = ["item,annotator,label"]
    for item in range(first, last):
        for who in people.split():
            right = "cat" if item % 2 else "dog"
            wrong = item < first + bad and who == people.split()[-1]
            lines.append(f"{vendor[0]}{item},{who},{'dog' if (right == 'cat') == wrong else 'cat'}")
    return "\n".join([*lines, ""])


def totals(contract, store: Store) -> dict[tuple[str, str], tuple[float, float]]:
    found: Counter = Counter()
    for release in past.read_judged(contract, store, steps.open_destination(contract, store)):
        for count in release.counts:
            if count.metric in ("issue", "annotation_error", "reject") and not count.label:
                found[count.metric, count.vendor, "x"] += count.x
                found[count.metric, count.vendor, "n"] += count.n
    return {
        (metric, vendor): (found[metric, vendor, "x"], found[metric, vendor, "n"])
        for metric, vendor in sorted({key[:2] for key in found})
    }


@pytest.fixture
def contract(make_contract):
    return make_contract(vendors={"alder": {"format": "csv"}, "birch": {"format": "csv"}})


def test_a_run_held_cleared_and_joined_by_others_counts_each_row_once(contract, folder_store: Store, put):
    """Held, held again, held with another delivery, one of them rejected by hand, the other published, and again."""
    put(folder_store, contract, rows("alder", 0, 10))
    first = audit(contract, folder_store, "one", hold=True)
    assert audit(contract, folder_store, "two", hold=True).audit.release == first.audit.release
    alone = totals(contract, folder_store)
    assert alone["reject", ""] == (0, 30)
    put(folder_store, contract, rows("birch", 20, 35), vendor="birch", delivery="b1")
    both = audit(contract, folder_store, "three", hold=True)
    assert both.audit.release != first.audit.release
    sums = totals(contract, folder_store)
    assert (sums["reject", ""], sums["reject", "alder"], sums["issue", ""][1]) == ((0, 75), (0, 30), 25)
    digest = both.audit.digest
    said = Answer(chosen="reject", by="ada", at="2026-11-25T12:00:00+00:00", digest=digest, deliveries=("birch/b1",))
    (refused,) = steps.reject_held(contract, both.audit, both.verdict, said, folder_store)
    assert audit(contract, folder_store, "four").release.deliveries == ("alder/d1",)
    assert totals(contract, folder_store) == sums, "what was rejected, and never came back, counts once"
    for run in ("five", "six"):
        audit(contract, folder_store, run, again=True, deliveries=["alder/d1"])
        assert totals(contract, folder_store) == sums
    put(folder_store, contract, rows("birch", 20, 34), vendor="birch", delivery="b2", supersedes=["b1"])
    audit(contract, folder_store, "seven")
    assert totals(contract, folder_store)["reject", "birch"] == (0, 42)
    assert refused.report


def test_the_parts_of_a_release_add_up_to_its_counts(make_contract, folder_store: Store, put):
    """Items that several deliveries and vendors labelled, rejects, gold, guidelines: nothing counts twice."""
    csv = {"format": "csv"}
    contract = make_contract(vendors={"alder": csv, "birch": csv}, gold="gold.csv")
    folder_store.write("gold/acme/pets/gold.csv", b"item,label\na3,cat\na4,cat\na9,cat\n")
    put(folder_store, contract, rows("alder", 0, 10, bad=3) + "a99,ann\n", guideline="v1")
    put(folder_store, contract, rows("alder", 5, 15, "dan eve"), delivery="d2", guideline="v2")
    put(folder_store, contract, rows("alder", 8, 20, "fay gus hal", bad=4), vendor="birch")
    put(folder_store, contract, "item,annotator,label\n1,ann,cow\n", vendor="birch", delivery="bad")
    made = audit(contract, folder_store).audit
    (attempt,) = past.read_attempts(contract, folder_store, steps.open_destination(contract, folder_store))
    assert len(attempt.shares) == 4
    parts = {(count.metric, count.vendor, count.label): (count.x, count.n) for count in add(attempt.shares)}
    whole = {(count.metric, count.vendor, count.label): (count.x, count.n) for count in made.counts}
    assert parts == {key: value for key, value in whole.items() if key[0] not in OF_ATTEMPT}


def test_a_table_of_an_older_version_gets_the_columns_that_it_lacks(contract, folder_store: Store, put):
    """Its rows stay, and count as attempts that do not say which deliveries they judged."""
    old = pa.schema([*QUALITY_SCHEMA, ("run_time", pa.timestamp("us", tz="UTC"))])
    row = {
        "release": "r0001-0ld0ld0l",
        "sequence": 1,
        "metric": "issue",
        "vendor": "",
        "label": "",
        "x": 9.0,
        "n": 90.0,
    }
    rows_then = pa.Table.from_pylist([row | {"run_time": datetime(2026, 11, 1, tzinfo=UTC)}], schema=old)
    commits.replace_rows(folder_store, "judged/acme/pets", old, lambda: rows_then, "true")
    destination = steps.open_destination(contract, folder_store)
    assert [release.release for release in past.read_judged(contract, folder_store, destination)] == ["r0001-0ld0ld0l"]
    put(folder_store, contract, rows("alder", 0, 10))
    release = audit(contract, folder_store, hold=True).audit.release
    kept = past.read_attempts(contract, folder_store, destination)
    assert [release.release for release in kept] == ["r0001-0ld0ld0l", release]
    assert [release.release for release in past.read_judged(contract, folder_store, destination)] == [release]
