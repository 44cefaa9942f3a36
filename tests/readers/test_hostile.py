"""The benchmark of hostile files judges rightly, and a part of it holds in every run of the tests."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import pytest

from benchmarks import hostile_cases, hostile_exports
from benchmarks.hostile_files import Case, plan, read
from benchmarks.hostile_oracles import (
    CRASHED,
    REFUSED,
    RIGHT,
    UNVERIFIED,
    WRONG,
    Expected,
    Found,
    expected,
    judged,
    key,
)
from labelaudit.errors import DeliveryRejected
from labelaudit.readers.terms import Terms
from labelaudit.rejects.records import Reject

pytestmark = pytest.mark.parsers

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


def folder_of(tmp_path: Path, **files: str) -> Path:
    """A corpus: `csv__a` is the file a.csv in the folder csv, `json__a` its answer, and so on."""
    for name, content in files.items():
        folder, _, stem = name.partition("__")
        suffix = {"json": ".json", "parameters": ".csv_parameters.json"}.get(folder, ".csv")
        path = tmp_path / folder / (stem + suffix)
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, newline="")
    return tmp_path / "csv" / "a.csv"


def verdict_on(path: Path) -> str:
    (terms,) = plan(path)
    wanted = expected(path, terms)
    return judged(read(Case("x", path, terms, wanted)), wanted, path.name).word


def test_an_answer_of_lists_is_a_header_and_rows(tmp_path: Path):
    path = folder_of(tmp_path, csv__a="a,b\n1,2\n", json__a='[["a", "b"], ["1", "2"]]')
    assert verdict_on(path) == RIGHT
    assert verdict_on(folder_of(tmp_path, csv__a="a,b\n1,3\n")) == WRONG


def test_an_empty_file_without_its_table_is_judged(tmp_path: Path):
    said = json.dumps({"encoding": "ascii", "delimiter": "", "quotechar": "", "header_lines": 0, "column_names": []})
    path = folder_of(tmp_path, csv__a="", clean__a="", parameters__a=said)
    assert verdict_on(path) == REFUSED
    assert expected(path, plan(path)[0]) == Expected(())


def test_rows_behind_a_second_header_are_the_files_own(tmp_path: Path):
    """The twin leaves the second table out; its header must be refused, and its rows are no invention."""
    path = folder_of(tmp_path, csv__a="a,b\n1,2\na,b\n3,4\n", clean__a="a,b\n1,2\n")
    assert verdict_on(path) == REFUSED
    two = {"encoding": "ascii", "delimiter": ",", "quotechar": '"', "header_lines": 2, "column_names": ["a a", "b b"]}
    path = folder_of(tmp_path, csv__a="a,b\na,b\n1,2\n", clean__a="a a,b b\n1,2\n", parameters__a=json.dumps(two))
    assert verdict_on(path) == RIGHT


def test_what_is_legal_among_bad_data_may_be_read(tmp_path: Path):
    terms = Terms("f", "parquet")
    for name, sound in (
        ("ARROW-GH-43605.parquet", None),
        ("variants/x.parquet", None),
        ("PARQUET-1481.parquet", False),
    ):
        assert expected(tmp_path / "bad_data" / name, terms).sound is sound


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
