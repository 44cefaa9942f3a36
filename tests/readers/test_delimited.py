"""Delimited files: what is sound is read, what is not is one line's reject, however the file is cut into blocks."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from labelaudit.errors import DeliveryRejected
from labelaudit.readers.tables import csv_blocks, delimited
from labelaudit.readers.tables.csv_records import Grammar
from labelaudit.readers.terms import Field, Terms
from labelaudit.rejects.records import Reject

FIELDS = (Field("item", "a"), Field("label", "b", nullable=True), Field("size", "c", "number", False, True))
PIECES = [
    "a",
    "b,",
    ",",
    "\n",
    "\r\n",
    "\r",
    '"',
    '""',
    '","',
    '"\n"',
    "7",
    "0x1F",
    "é",
    "\ufeff",
    " ",
    ";",
    "\0",
    "a,b,c\n",
]


def outcome(path: Path, content: bytes, block_bytes: int, **terms):
    path.write_bytes(content)
    rows, rejects = [], []
    try:
        for batch in delimited.read(path, Terms(name="f", **{"format": "csv", "fields": FIELDS, **terms}), block_bytes):
            rows += batch.rows.to_pylist()
            rejects += batch.rejects
    except DeliveryRejected as error:
        return rows, rejects, str(error)
    return rows, rejects, None


@settings(max_examples=300, deadline=None)
@given(body=st.lists(st.sampled_from(PIECES), max_size=40).map("".join), block=st.integers(1, 60))
@example('x,y,1\n"', 3)
@example("b,b,\na\n", 1)
@example('aa,b,x\n"\n"a,b,x\n', 1)
@example('x,"y\n",1\nz,"w', 5)
def test_how_a_file_is_cut_changes_nothing(tmp_path_factory, body: str, block: int):
    """Blocks of any size, and whole blocks by Arrow's parser or record by record: the same rows and rejects."""
    path = tmp_path_factory.mktemp("csv") / "f"
    content = b"a,b,c\n" + body.encode()
    whole = outcome(path, content, 1 << 20)
    assert outcome(path, content, block) == whole
    parse = csv_blocks.parse
    try:
        csv_blocks.parse = lambda *arguments: None
        assert outcome(path, content, 1 << 20) == whole
    finally:
        csv_blocks.parse = parse


@settings(max_examples=200, deadline=None)
@given(body=st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_every_line_comes_out(tmp_path_factory, body: str):
    """Lines are rows, rejects, blank, or the inside of a quoted field: none is lost, none is there twice."""
    path = tmp_path_factory.mktemp("csv") / "f"
    rows, rejects, refused = outcome(path, b"a,b,c\n" + body.encode(), 7)
    assert refused is None
    numbers = sorted([row["line"] for row in rows] + [reject.line for reject in rejects])
    assert len(numbers) == len(set(numbers))
    records = list(Grammar(",", '"', False).records(body, 2, whole=True))
    assert "".join(record.text for record in records) == body
    blank = {record.line for record in records if not record.text.strip()}
    assert set(numbers) == {record.line for record in records} - blank


def read(tmp_path: Path, content: str | bytes, **terms):
    content = content.encode() if isinstance(content, str) else content
    rows, rejects, refused = outcome(tmp_path / "f", content, 1 << 20, **terms)
    return (
        [(row["item"], row["label"], row.get("size")) for row in rows],
        [(reject.line, reject.code) for reject in rejects],
        refused,
    )


def test_whole_blocks_are_as_strict_as_single_cells(tmp_path: Path):
    """Arrow reads 0x1F as a whole number, inf as a number, and an empty line as a row: here none of them is."""
    whole = (Field("item", "a"), Field("label", "b", "integer"), Field("size", "c", "number"))
    content = "a,b,c\nx,0x1F,1\ny,7,inf\nz,007,1e5\n\nw,+8,.5\nv, 9,1\nu,9223372036854775808,1\n"
    rows, rejects, _ = read(tmp_path, content, fields=whole)
    assert rows == [("z", 7, 1e5), ("w", 8, 0.5)]
    assert rejects == [(2, "wrong_type"), (3, "wrong_type"), (7, "wrong_type"), (8, "wrong_type")]


def test_texts_stay_what_they_were(tmp_path: Path):
    rows, rejects, _ = read(tmp_path, 'a,b\n007,NA\n1e5, yes\n"","None"\n\ufeffx,""\ny,""\n')
    assert rows == [("007", "NA", None), ("1e5", " yes", None), ("y", None, None)]
    assert rejects == [(4, "empty"), (5, "invisible_character")]


def test_line_numbers_count_lines_within_quotes(tmp_path: Path):
    path = tmp_path / "f"
    rows, rejects, _ = outcome(path, b'a,b\n"x\n\ny",1\nz,2\nw,,\n"q\r\nr",3\n', 1 << 20)
    assert [(row["item"], row["line"]) for row in rows] == [("x\n\ny", 2), ("z", 5), ("q\r\nr", 7)]
    assert [(reject.line, reject.code) for reject in rejects] == [(6, "wrong_width")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_in_any_of_three_ways(tmp_path: Path, end: str):
    rows, rejects, _ = read(tmp_path, end.join(["a,b,c", "x,1,2", "y,3,4", ""]))
    assert (rows, rejects) == ([("x", "1", 2.0), ("y", "3", 4.0)], [])


@pytest.mark.parametrize(
    ("content", "terms"),
    [
        ("a;b;c\nx;1,5;2,5\n", {"delimiter": ";", "decimal": ","}),
        ("a|b|c\n'x'|'1,5'|2.5\n", {"delimiter": "|", "quote": "'"}),
        ("a,b,c\nx,\"1,5\",2.5\n", {}),
        ('a\tb\tc\nx\t1,5\t2.5\n', {"delimiter": "\t", "quote": None}),
        ("Report of May\n\na,b,c\nx,\"1,5\",2.5\n", {"skip_lines": 2}),
        ("x,\"1,5\",2.5\n", {"header": ("a", "b", "c")}),
        ('a,b,c\nx,1\\,5,2.5\n', {"escape": "backslash"}),
    ],
)  # fmt: skip
def test_a_declared_dialect_is_read(tmp_path: Path, content: str, terms: dict):
    assert read(tmp_path, content, **terms) == ([("x", "1,5", 2.5)], [], None)


def test_a_backslash_escapes_quotes_and_itself(tmp_path: Path):
    rows, rejects, _ = read(tmp_path, 'a,b\n"say \\"x\\"",1\n"c:\\\\",2\n"open\\",3\n', escape="backslash")
    assert [row[0] for row in rows] == ['say "x"', "c:\\"]
    assert rejects == [(4, "malformed")]


def test_a_point_is_no_decimal_comma(tmp_path: Path):
    """1.234,5 and 1.5 may be thousands: neither is guessed."""
    rows, rejects, _ = read(tmp_path, "a;b;c\nx;1;1,5\ny;1;1.5\nz;1;1.234,5\n", delimiter=";", decimal=",")
    assert (rows, rejects) == ([("x", "1", 1.5)], [(3, "wrong_type"), (4, "wrong_type")])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "it is empty"),
        ("\n\n", "there is no header"),
        ("a;b;c\n1;2;3\n", "With the delimiter ';' it would have them"),
        ("Report of May\na,b,c\n", "no column 'a'; the file has 'Report of May'"),
        ("x,1,2\ny,3,4\n", "no column 'a'"),
        ('a,"b,c\n1,2,3\n', "line 1: the header can't be read"),
        ("a,a,b\n1,2,3\n", "the header has the column 'a' 2 times"),
    ],
)
def test_a_file_without_its_header_is_refused(tmp_path: Path, content: str, said: str):
    rows, rejects, refused = read(tmp_path, content)
    assert (rows, rejects) == ([], [])
    assert said in refused


def test_a_second_table_below_the_first_is_no_row(tmp_path: Path):
    rows, rejects, _ = read(tmp_path, "a,b\nx,1\n\na,b\ny,2\nc,d,e\n1,2,3\nTotal: 2\n")
    assert [row[0] for row in rows] == ["x", "y"]
    assert rejects == [(4, "repeated_header"), (6, "wrong_width"), (7, "wrong_width"), (8, "wrong_width")]


def test_other_encodings_are_read_block_by_block(tmp_path: Path):
    text = "a,b\n" + "".join(f"é{i},ü\n" for i in range(100))
    for encoding in ("utf-16", "latin-1", "cp1252", "utf-8-sig"):
        rows, rejects, refused = outcome(tmp_path / "f", text.encode(encoding), 7, encoding=encoding)
        assert (len(rows), rejects, refused) == (100, [], None)
        assert rows[-1]["item"] == "é99"
    _, _, refused = outcome(tmp_path / "f", "a,b\nx,1\ny,あ\n".encode("shift_jis")[:-2], 7, encoding="shift_jis")
    assert "it is not shift_jis" in refused


def test_a_line_cut_in_two_puts_its_neighbours_in_doubt(tmp_path: Path):
    """An unquoted line's end in the last or first cell leaves a whole row with a wrong value beside a single field."""
    _, rejects, _ = read(tmp_path, "a,b,c\nu,1,2\nx,1,two\n\nlines\nv,1,2\nw,1,2\np,3\ny,1,2\n", fields=FIELDS[:2])
    assert [row["item"] for row in outcome(tmp_path / "f", (tmp_path / "f").read_bytes(), 5, fields=FIELDS[:2])[0]] == [
        "u",
        "w",
        "y",
    ]
    assert rejects == [(3, "malformed"), (5, "wrong_width"), (6, "malformed"), (8, "wrong_width")]


@pytest.mark.parametrize(
    ("content", "terms", "line", "code"),
    [
        ("a,b,c\n1,2\\\n", {"escape": "backslash"}, 2, "malformed"),
        ("a,b\np\\,q\n", {"escape": "backslash", "quote": None}, 2, "wrong_width"),
        ("a\tb\tc\n\t\n", {"delimiter": "\t"}, 2, "wrong_width"),
        ('a,b,c\n"p\nq",r,2\n1,2,3\n,,x', {}, 5, "empty"),
    ],
)
def test_a_record_is_never_lost_or_read_as_another(tmp_path: Path, content: str, terms: dict, line: int, code: str):
    assert read(tmp_path, content, **terms)[1] == [(line, code)]


def test_rows_are_as_the_file_has_them(tmp_path: Path):
    path = tmp_path / "f"
    path.write_text('b,a,x\n1,"2,",\n1,\n')
    rows = list(delimited.rows(path, Terms("f", "csv")))
    assert rows[0].cells == {"b": "1", "a": "2,", "x": ""}
    assert isinstance(rows[1], Reject)
    (batch,) = delimited.read(path, Terms("f", "csv", (Field("item", "a"),)))
    assert batch.undeclared == {"b", "x"}


def test_a_line_that_never_ends_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("labelaudit.readers.texts.text_blocks.MAX_RECORD_BYTES", 1_000)
    content = io.BytesIO(b"a,b\n" + b"x" * 50_000).getvalue()
    _, _, refused = outcome(tmp_path / "f", content, 100)
    assert "line 2 is longer than 1000 bytes" in refused
