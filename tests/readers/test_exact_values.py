"""One rule for all formats, row by row: a value is what was written, or its row is a reject."""

from __future__ import annotations

import json
import re
import zipfile
from decimal import Decimal
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from labelaudit.errors import DeliveryRejected
from labelaudit.readers.cells import PARSED, BadCell
from labelaudit.readers.conversion import to_batch
from labelaudit.readers.documents.json_lines import rows as json_rows
from labelaudit.readers.formats import read_here
from labelaudit.readers.tables.excel_cells import unescaped
from labelaudit.readers.terms import Field, Terms

ITEM = Field("item", "item")
FORMATS = ("csv", "jsonl", "json", "parquet", "arrow", "excel")
MOST = 2**53
SHARED, SHEETS = "xl/sharedStrings.xml", "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
STRINGS = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"


def write(path: Path, format: str, values: list[int | float]) -> None:
    """Two columns: item, and the values as the format's own writers write them."""
    items = [f"i{number}" for number in range(len(values))]
    if format == "csv":
        path.write_text("item,v\n" + "".join(f"{item},{value}\n" for item, value in zip(items, values, strict=True)))
    elif format in ("jsonl", "json"):
        rows = [json.dumps({"item": item, "v": value}) for item, value in zip(items, values, strict=True)]
        path.write_text("\n".join(rows) if format == "jsonl" else f"[{','.join(rows)}]")
    elif format == "excel":
        book = openpyxl.Workbook()
        for row in [("item", "v"), *zip(items, values, strict=True)]:
            book.active.append(row)
        book.save(path)
        numbers_as_written(path, values)
    else:
        table = pa.table({"item": items, "v": pa.array(values, pa.uint64() if 2**63 in values else None)})
        if format == "parquet":
            pq.write_table(table, path)
        else:
            with pa.ipc.new_file(str(path), table.schema) as writer:
                writer.write_table(table)


def numbers_as_written(path: Path, values: list[int | float]) -> None:
    """The sheet's numbers with all their digits: openpyxl has written what float64 holds."""
    with zipfile.ZipFile(path) as made:
        parts = {name: made.read(name).decode() for name in made.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    for row, value in enumerate(values, 2):
        if not isinstance(value, bool):
            parts[sheet] = re.sub(rf'(r="B{row}" t="n"><v>)[^<]+', rf"\g<1>{value}", parts[sheet])
    with zipfile.ZipFile(path, "w") as changed:
        for name, content in parts.items():
            changed.writestr(name, content)


def read(path: Path, format: str, *fields: Field):
    batches = list(read_here(path, Terms("f", format, fields)))
    rows = [row for batch in batches for row in batch.rows.to_pylist()]
    return rows, [reject for batch in batches for reject in batch.rejects]


@pytest.mark.parametrize("format", FORMATS)
def test_a_number_that_cannot_be_kept_is_one_reject(tmp_path: Path, format: str):
    """9007199254740993 is no float64: of that row the reject, in every format; its neighbours are read."""
    values = [1, MOST - 1, MOST + 1, -MOST - 1, MOST + 2, 2**60, 2**60 + 1, -7]
    write(tmp_path / "f", format, values)
    rows, rejects = read(tmp_path / "f", format, ITEM, Field("v", "v", "number"))
    assert [(row["item"], row["v"]) for row in rows] == [
        ("i0", 1.0),
        ("i1", MOST - 1.0),
        ("i4", MOST + 2.0),
        ("i5", 2.0**60),
        ("i7", -7.0),
    ]
    assert [(reject.column, reject.code) for reject in rejects] == [("v", "not_exact")] * 3
    assert "9007199254740993, which no number of 64 bits holds: it would be 9007199254740992.0" in rejects[0].reason
    rows, rejects = read(tmp_path / "f", format, ITEM, Field("v", "v", "integer"))
    assert ([row["v"] for row in rows], rejects) == (values, [])


@pytest.mark.parametrize("format", FORMATS[:-1])
def test_a_fraction_is_the_number_nearest_to_it(tmp_path: Path, format: str):
    values = [0.1, 1e23, 5e-324, 1.7976931348623157e308, 0.0, -2.5]
    write(tmp_path / "f", format, values)
    rows, rejects = read(tmp_path / "f", format, ITEM, Field("v", "v", "number"))
    assert ([row["v"] for row in rows], rejects) == (values, [])


@pytest.mark.parametrize("format", ["csv", "jsonl", "json", "parquet", "arrow"])
def test_whole_numbers_beyond_64_bits_are_rejects(tmp_path: Path, format: str):
    write(tmp_path / "f", format, [2**63 - 1, 2**63])
    rows, rejects = read(tmp_path / "f", format, ITEM, Field("v", "v", "integer"))
    assert [row["v"] for row in rows] == [2**63 - 1]
    assert [(reject.column, reject.code) for reject in rejects] == [("v", "wrong_type")]


@pytest.mark.parametrize("format", ["csv", "jsonl", "json"])
@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("9007199254740993", None),
        ("9007199254740993.0", None),
        ("9007199254740992.5", None),
        ("9007199254740992.0", 2.0**53),
        ("123456789012345680000", 1.2345678901234568e20),
        ("0.1234567890123456789", 0.12345678901234568),
        ("1e400", None),
        ("-1e400", None),
        ("1e-400", None),
        ("0." + "0" * 330 + "1", None),
        ("0." + "0" * 250 + "1e-90", None),
        ("0e-400", 0.0),
        ("0.0", 0.0),
    ],
)
def test_numbers_as_they_are_written(tmp_path: Path, format: str, written: str, kept: float | None):
    """Also among others that are sound, by each of the ways in which a file can be read."""
    for more in ((), ("0.5",), ("1",), ("0.0", "0.25")):
        values = [written, *more]
        if format == "csv":
            content = "item,v\n" + "".join(f"a,{value}\n" for value in values)
        else:
            rows = [f'{{"item":"a","v":{value}}}' for value in values]
            content = "\n".join(rows) if format == "jsonl" else f"[{','.join(rows)}]"
        (tmp_path / "f").write_text(content)
        rows, rejects = read(tmp_path / "f", format, ITEM, Field("v", "v", "number"))
        assert [row["v"] for row in rows] == [*([] if kept is None else [kept]), *map(float, more)]
        assert len(rejects) == (kept is None)


@settings(max_examples=300, deadline=None)
@given(
    texts=st.lists(
        st.text(st.sampled_from("019.eE+-x_ \t,"), min_size=1, max_size=6)
        | st.sampled_from(["nan", "inf", "Infinity", "0x1F", "1_000", "３", " 7", "+7", "007", "1,5", "-0", "1e400"]),
        min_size=1,
        max_size=4,
    ),
    kind=st.sampled_from(["integer", "number"]),
)
@example(["0" * 30 + "7"], "integer")
def test_columns_at_once_are_as_strict_as_cells(texts: list[str], kind: str):
    """Arrow's parser takes what Python's does not, and the other way round: a column gives what its cells give."""
    field = Field("v", "v", kind)
    made = to_batch(Terms("f", "csv", (field,)), {"v": pa.array(texts)}, range(1, len(texts) + 1), str)
    expected = []
    for text in texts:
        try:
            expected.append(PARSED[kind](text, field))
        except BadCell:
            continue
    assert made.rows["v"].to_pylist() == expected


@pytest.mark.parametrize("kind", ["decimal128", "decimal256"])
def test_decimals_are_read_as_their_digits(tmp_path: Path, kind: str):
    values = [Decimal("1.50"), Decimal("9007199254740993.00"), Decimal("-0.10"), None, Decimal("7.00")]
    pq.write_table(pa.table({"item": list("abcde"), "v": pa.array(values, getattr(pa, kind)(30, 2))}), tmp_path / "f")
    rows, rejects = read(tmp_path / "f", "parquet", ITEM, Field("v", "v", "number", nullable=True))
    assert [row["v"] for row in rows] == [1.5, -0.1, None, 7.0]
    assert [(reject.line, reject.code) for reject in rejects] == [(2, "not_exact")]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_that_nobody_can_show_are_rejects(tmp_path: Path, unit: str):
    """Nanoseconds, and years that Python has not: their rows alone."""
    odd = 1_001 if unit == "ns" else 2**62
    table = pa.table({"item": list("abc"), "at": pa.array([1_000_000, odd, None], pa.timestamp(unit))})
    with pa.ipc.new_file(str(tmp_path / "f"), table.schema) as writer:
        writer.write_table(table)
    rows, rejects = read(tmp_path / "f", "arrow", ITEM, Field("at", "at", "timestamp"))
    assert [row["item"] for row in rows] == ["a"]
    assert [(reject.line, reject.column) for reject in rejects] == [(2, "at"), (3, "at")]


@pytest.mark.parametrize(
    "text",
    [
        "20111213112",
        "2026-11-01x06:00",
        "26-11-01",
        "01/02/2026",
        "2026-W01-1",
        "1700000000",
        "2026-13-01",
        "0001-01-01T00:00:00+05:00",
        "9999-12-31T23:00:00-05:00",
        "2026-11-01T06:00:00.1234567",
        "２０２６-11-01",
    ],
)
@pytest.mark.parametrize("format", ["csv", "jsonl"])
def test_a_time_is_iso_8601_or_a_reject(tmp_path: Path, format: str, text: str):
    content = f"item,at\na,{text}\n" if format == "csv" else json.dumps({"item": "a", "at": text})
    (tmp_path / "f").write_text(content, encoding="utf-8")
    rows, rejects = read(tmp_path / "f", format, ITEM, Field("at", "at", "timestamp"))
    assert (rows, [reject.column for reject in rejects]) == ([], ["at"])


def test_an_undeclared_number_rejects_no_row(tmp_path: Path):
    (tmp_path / "f").write_text('{"item": "a", "v": 9007199254740993.5}\n')
    rows, rejects = read(tmp_path / "f", "jsonl", ITEM)
    assert ([row["item"] for row in rows], rejects) == (["a"], [])
    assert next(json_rows(tmp_path / "f", Terms("f", "jsonl"))).cells["v"] == 2.0**53 + 2


@pytest.mark.parametrize(
    ("stored", "meant"),
    [
        ("two_x000D_\nlines", "two\r\nlines"),
        ("_x005F_x000D_", "_x000D_"),
        ("_x0041__x0042_", "AB"),
        ("fox005F_a", "fox005F_a"),
        ("_x00_ _xZZZZ_ x000D", "_x00_ _xZZZZ_ x000D"),
        ("_xD83D__xDE00_", "😀"),
        ("\ufeff_x0041_", "\ufeffA"),
    ],
)
def test_a_sheets_escapes_are_read_as_they_are_meant(stored: str, meant: str):
    assert unescaped(stored) == meant


@pytest.mark.parametrize("inline", [True, False])
def test_a_sheets_texts_are_what_the_cells_hold(tmp_path: Path, inline: bool):
    """Shared strings and texts within their cell; openpyxl would leave _x000D_, and make foa of fox005F_a."""
    texts = ["a_x000D_", "_x005F_x000D_", "fox005F_a"]
    book = openpyxl.Workbook()
    for row in (["item"], *([text] for text in texts)):
        book.active.append(row)
    book.save(tmp_path / "made")
    with zipfile.ZipFile(tmp_path / "made") as made, zipfile.ZipFile(tmp_path / "f", "w") as changed:
        for name in made.namelist():
            content = made.read(name).decode()
            if not inline and name == "xl/worksheets/sheet1.xml":
                for number, text in enumerate(["item", *texts]):
                    old, new = f't="inlineStr"><is><t>{text}</t></is>', f't="s"><v>{number}</v>'
                    assert old in content
                    content = content.replace(old, new)
            if name == "[Content_Types].xml":
                part = f'<Override PartName="/{SHARED}" ContentType="{STRINGS}"/>'
                content = content.replace("</Types>", f"{part}</Types>")
            changed.writestr(name, content)
        table = "".join(f"<si><t>{text}</t></si>" for text in ["item", *texts])
        changed.writestr(SHARED, f'<sst xmlns="{SHEETS}">{table}</sst>')
    rows, rejects = read(tmp_path / "f", "excel", ITEM)
    assert ([row["item"] for row in rows], rejects) == (["a\r", "_x000D_", "fox005F_a"], [])


def test_a_number_that_a_sheet_shows_otherwise_is_no_id(tmp_path: Path):
    """00123 is stored as 123: which is meant? In a column of numbers it is the number."""
    book = openpyxl.Workbook()
    for row in (["item"], [123], [124], [1e15], [7.0], [2.0**53], [8], [0.5]):
        book.active.append(row)
    for cell, shown in (("A2", "00000"), ("A3", "#,##0.00"), ("A7", '"IMG-"0')):
        book.active[cell].number_format = shown
    book.save(tmp_path / "f")
    rows, rejects = read(tmp_path / "f", "excel", ITEM)
    assert [row["item"] for row in rows] == ["124", "1000000000000000", "7"]
    assert [(reject.line, reject.code) for reject in rejects] == [
        (2, "not_exact"),
        (6, "not_exact"),
        (7, "not_exact"),
        (8, "wrong_type"),
    ]
    assert "`item` is the number 123, shown in the format '00000'" in rejects[0].reason
    rows, rejects = read(tmp_path / "f", "excel", Field("item", "item", "number"))
    assert ([row["item"] for row in rows], rejects) == ([123, 124, 1e15, 7, 2**53, 8, 0.5], [])


def test_the_header_again_in_a_sheet_is_no_row(tmp_path: Path):
    book = openpyxl.Workbook()
    for row in (["item", "v"], ["a", 1], ["item", "v"], ["b", 2]):
        book.active.append(row)
    book.save(tmp_path / "f")
    rows, rejects = read(tmp_path / "f", "excel", ITEM)
    assert [row["item"] for row in rows] == ["a", "b"]
    assert [(reject.line, reject.code) for reject in rejects] == [(3, "repeated_header")]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("value", [1.0, True])
def test_an_id_is_a_text_or_a_whole_number(tmp_path: Path, format: str, value: float):
    """1.0 is not made "1.0" or "1" of; a text file has no other than texts, and a sheet no other than numbers."""
    write(tmp_path / "f", format, [value])
    if format in ("parquet", "arrow"):
        with pytest.raises(DeliveryRejected, match="the contract says string"):
            read(tmp_path / "f", format, Field("item", "v"))
        return
    rows, rejects = read(tmp_path / "f", format, Field("item", "v"))
    if format == "csv":
        assert rows[0]["item"] == str(value)
    elif format == "excel" and value is not True:
        assert rows[0]["item"] == "1"
    else:
        assert (rows, [reject.code for reject in rejects]) == ([], ["wrong_type"])


def test_an_empty_text_is_nothing_in_every_format(tmp_path: Path):
    field = Field("v", "v", nullable=True)
    pq.write_table(pa.table({"item": ["a", "b"], "v": ["", "x"]}), tmp_path / "f")
    assert [row["v"] for row in read(tmp_path / "f", "parquet", ITEM, field)[0]] == [None, "x"]
    (tmp_path / "f").write_text('{"item": "a", "v": ""}\n{"item": "b", "v": "x"}\n')
    assert [row["v"] for row in read(tmp_path / "f", "jsonl", ITEM, field)[0]] == [None, "x"]
