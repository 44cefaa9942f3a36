"""Readers take what is good, and say of every other row where it is and why it can't be taken."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelaudit.errors import DeliveryRejected
from labelaudit.readers.formats import read_here
from labelaudit.readers.terms import Field, Terms

FIELDS = (Field("item", "id"), Field("label", "label"), Field("size", "size", "number", required=False, nullable=True))


def read(path: Path, content: bytes, **terms):
    path.write_bytes(content)
    batches = list(read_here(path, Terms(name="f", **{"format": "csv", "fields": FIELDS, **terms})))
    rows = [row for batch in batches for row in batch.rows.to_pylist()]
    return rows, [reject for batch in batches for reject in batch.rejects]


def found(rejects) -> list[tuple[int, str | None, str]]:
    return [(reject.line, reject.column, reject.code) for reject in rejects]


def test_values_are_never_reinterpreted(tmp_path: Path):
    """ "NA", "None", "1.0" and spaces stay what the vendor wrote."""
    rows, rejects = read(tmp_path / "f", b"id,label\n1.0,NA\n 2,None\n3,nan\n")
    assert [(row["item"], row["label"], row["line"]) for row in rows] == [
        ("1.0", "NA", 2),
        (" 2", "None", 3),
        ("3", "nan", 4),
    ]
    assert rejects == []


def test_each_kind_of_damage_is_one_reject_with_its_line(tmp_path: Path):
    content = (
        b"id,label,size\n"
        b"a,cat,1\n"
        b"b,cat\n"  # 3: too short
        b'c,c"at,1\n'  # 4: a quote inside a bare field
        b'd,"two\nlines",2\n'  # 5 and 6: one good record
        b"e,\xff,1\n"  # 7: not UTF-8
        b"f,cat,many\n"  # 8: not a number
        b",cat,1\n"  # 9: empty id
        b"id,label,size\n"  # 10: the header again
        b"\n"  # 11: blank, no record
        b"g,cat,nan\n"  # 12
        b"h,cat,1_0\n"  # 13
        b"i,cat,\n"  # 14: may be empty
        b'j,"open,1\n'  # 15: never closed
        b"k,dog,3\n"
    )
    rows, rejects = read(tmp_path / "f", content)
    assert [row["item"] for row in rows] == ["a", "d", "i", "k"]
    assert rows[1]["label"] == "two\nlines"
    assert rows[-1]["line"] == 16
    assert found(rejects) == [
        (3, None, "wrong_width"),
        (4, None, "malformed"),
        (7, None, "bad_encoding"),
        (8, "size", "wrong_type"),
        (9, "id", "empty"),
        (10, None, "repeated_header"),
        (12, "size", "wrong_type"),
        (13, "size", "wrong_type"),
        (15, None, "malformed"),
    ]
    assert rejects[3].text == "f,cat,many"


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0\ufeff"), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(CELL, CELL), min_size=1, max_size=20))
def test_whatever_csv_writes_is_read_back(tmp_path_factory, rows: list[tuple[str, str]]):
    """Any text, quoted by Python's csv writer, comes back unchanged."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(("id", "label"))
    writer.writerows(rows)
    fields = (Field("one", "id"), Field("other", "label"))  # no keys: in those, characters that nobody sees are rejects
    back, rejects = read(tmp_path_factory.mktemp("csv") / "f", text.getvalue().encode(), fields=fields)
    assert rejects == []
    assert [(row["one"], row["other"]) for row in back] == rows


def test_json_lines_are_strict(tmp_path: Path):
    content = (
        b'{"id": 7, "label": "cat", "size": 1.5}\n'
        b'{"id": "b", "label": "cat", "label": "dog"}\n'
        b'{"id": "c", "label": "cat", "size": NaN}\n'
        b"null\n"
        b'{"id": "d"}\n'
        b'{"id": true, "label": "cat"}\n'
        b'{"id": "e", "label": "cat", "size": "1"}\n'
        b'{"id": "\\ud800", "label": "cat"}\n'
        b'{"id": "f", "label": "c\n'
        b'{"id": "g", "label": "dog"}\n'
    )
    rows, rejects = read(tmp_path / "f", content, format="jsonl")
    assert [row["item"] for row in rows] == ["7", "g"]
    assert found(rejects) == [
        (2, None, "duplicate_key"),
        (3, None, "not_finite"),
        (4, None, "wrong_nesting"),
        (5, "label", "missing_key"),
        (6, "id", "wrong_type"),
        (7, "size", "wrong_type"),
        (8, "id", "bad_encoding"),
        (9, None, "malformed"),
    ]


def test_parquet_types_must_fit_the_contract(tmp_path: Path):
    pq.write_table(
        pa.table({"id": [1, 2, 3], "label": ["a", None, ""], "size": [1.0, 2.0, float("nan")]}), tmp_path / "g"
    )
    rows, rejects = read(tmp_path / "f", (tmp_path / "g").read_bytes(), format="parquet")
    assert [(row["item"], row["line"]) for row in rows] == [("1", 1)]
    assert found(rejects) == [(2, "label", "empty"), (3, "label", "empty")]
    pq.write_table(pa.table({"id": ["a"], "label": [["a"]]}), tmp_path / "g")
    with pytest.raises(DeliveryRejected, match="contract says string") as caught:
        read(tmp_path / "f", (tmp_path / "g").read_bytes(), format="parquet")
    assert caught.value.code == "column_type"


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_vectors_have_the_contracts_length(tmp_path: Path, kind: str):
    fields = (Field("item", "id"), Field("pixels", "pixels", "vector", length=2))
    vectors = [[1, 2], [1], [3, 4.5]]
    if kind == "csv":
        content = b'id,pixels\na,"[1, 2]"\nb,[1]\nc,"[3, 4.5]"\n'
    elif kind == "jsonl":
        content = "".join(f'{{"id": "{i}", "pixels": {v}}}\n' for i, v in zip("abc", vectors, strict=True)).encode()
    else:
        target = pa.BufferOutputStream()
        pq.write_table(pa.table({"id": list("abc"), "pixels": vectors}), target)
        content = target.getvalue().to_pybytes()
    rows, rejects = read(tmp_path / "f", content, format=kind, fields=fields)
    assert [(row["item"], row["pixels"]) for row in rows] == [("a", [1, 2]), ("c", [3, 4.5])]
    assert [reject.code for reject in rejects] == ["wrong_length"]


@pytest.mark.parametrize(
    ("content", "terms", "code", "said"),
    [
        (b"", {}, "unreadable_file", "empty"),
        (b"\n\n", {}, "unreadable_file", "no header"),
        (b"identifier,label\n", {}, "missing_column", "'id'"),
        (b"id,labels\n", {}, "missing_column", "did you mean 'label'"),
        (b"id,id,label\n", {}, "missing_column", "2 times"),
        (b"id;label\na;b\n", {}, "missing_column", "id;label"),
        (gzip.compress(b"id,label\n", mtime=0), {}, "unreadable_file", "is gzip"),
        (b"id,label\n", {"compression": "gzip"}, "unreadable_file", "not gzip"),
        (gzip.compress(b"id,label\na,b\n" * 9, mtime=0)[:-9], {"compression": "gzip"}, "unreadable_file", "cut off"),
        ("id,label\n".encode("utf-16"), {}, "unreadable_file", "UTF-16"),
        (b"version https://git-lfs.github.com/spec/v1\n", {}, "unreadable_file", "Git LFS"),
        (b"PAR1 no", {"format": "parquet"}, "unreadable_file", "not Parquet"),
        (b"id,label\n\x81\n", {"encoding": "utf-16"}, "unreadable_file", "utf-16"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_the_vendors_words(tmp_path, content, terms, code: str, said: str):
    with pytest.raises(DeliveryRejected) as caught:
        read(tmp_path / "f", content, **terms)
    assert caught.value.code == code
    assert said in str(caught.value)


def test_a_byte_order_mark_and_other_encodings(tmp_path: Path):
    for encoding, told in (("utf-8-sig", "utf-8"), ("latin-1", "latin-1"), ("utf-16", "utf-16")):
        rows, rejects = read(tmp_path / "f", "id,label\né,ü\n".encode(encoding), encoding=told)
        assert ([(row["item"], row["label"]) for row in rows], rejects) == ([("é", "ü")], [])
