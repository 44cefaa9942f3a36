"""The benchmark of hostile files judges rightly, and a part of it holds in every run of the tests."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from benchmarks import hostile_cases, hostile_exports
from benchmarks.hostile_files import Case, plan, read
from benchmarks.hostile_oracles import CRASHED, REFUSED, RIGHT, UNVERIFIED, WRONG, Expected, Found, judged, key
from labelaudit.errors import DeliveryRejected
from labelaudit.readers.records import Reject

A, B, C = (key({"item": name}) for name in "abc")
REJECT = Reject("f", 2, None, "malformed", "so", "text")


@pytest.mark.parametrize(
    ("found", "expected", "word"),
    [
        (Found((A, B)), Expected((A, B), True), RIGHT),
        (Found((A, B)), Expected(), UNVERIFIED),
        (Found((A,), (), (REJECT,)), Expected((A, B)), REFUSED),
        (Found((A,)), Expected((A, B)), WRONG),
        (Found((A, C)), Expected((A, B)), WRONG),
        (Found((A, A)), Expected((A, B)), WRONG),
        (Found((B, A)), Expected((A, B)), WRONG),
        (Found((A,)), Expected(None, False), WRONG),
        (Found((A,)), Expected(None, None, 2), WRONG),
        (Found((A,), ("cat",)), Expected(words=frozenset({"dog"})), WRONG),
        (Found(crash="ValueError"), Expected(), CRASHED),
        (Found(refusal=DeliveryRejected("unreadable_file", "f: line 3: so")), Expected((A,)), REFUSED),
    ],
)
def test_verdicts(found: Found, expected: Expected, word: str):
    """A row too many, too few, or in another place is silently wrong, whatever else was refused."""
    assert judged(found, expected, "f").word == word


def test_a_refusal_without_a_place_is_seen():
    where = [
        judged(Found(refusal=DeliveryRejected("unreadable_file", said)), Expected(), "f").located
        for said in ("f: line 3: broken", "f: broken", "broken in line 3")
    ]
    assert where == [True, False, False]


@pytest.mark.parametrize(
    ("path", "formats"),
    [
        ("corpora/x/a.csv", ["csv"]),
        ("corpora/x/a.tsv.gz", ["tsv"]),
        ("JSONTestSuite/test_parsing/n_array.json", ["json", "jsonl"]),
        ("label-studio/tests/test_export_json_min/data.json", ["label_studio_min"]),
        ("label-studio/tests/data.json", ["label_studio"]),
        ("labelbox/export.ndjson", ["labelbox"]),
        ("coco/instances.json", ["coco"]),
        ("bad_data/ARROW-1.parquet", ["parquet"]),
        ("pollock/parameters/a.csv_parameters.json", []),
        ("x/README.md", []),
    ],
)
def test_the_format_is_chosen_by_what_the_corpus_is(path: str, formats: list[str]):
    assert [terms.format for terms in plan(Path(path))] == formats


SAMPLE = [*islice(hostile_cases.cases(), 0, None, 60), *islice(hostile_exports.cases(), 0, None, 60)]


@pytest.mark.parametrize(
    "made", SAMPLE, ids=lambda made: f"{made.corpus}, {made.name}".encode("ascii", "replace").decode()
)
def test_every_sixtieth_hostile_file(tmp_path: Path, made: hostile_cases.Made):
    path = tmp_path / f"file{made.suffix}"
    made.write(path)
    verdict = judged(read(Case(made.corpus, path, made.terms, made.expected)), made.expected, made.terms.name)
    assert verdict.word not in (WRONG, CRASHED), verdict.why
    assert verdict.located, verdict.why
