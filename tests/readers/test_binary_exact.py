"""What Arrow and openpyxl let pass in silence is read exactly, or refused."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelaudit import readers
from labelaudit.errors import DeliveryRejected
from labelaudit.readers.formats import read_here, rows_here
from labelaudit.readers.terms import Field, Terms

ITEM, LABEL, AT = Field("item", "item"), Field("label", "label"), Field("at", "at", "timestamp")


def read(path: Path, format: str, *fields: Field, **terms):
    batches = list(read_here(path, Terms("f", format, fields or (ITEM, LABEL), **terms)))
    rows = [row for batch in batches for row in batch.rows.to_pylist()]
    return rows, [reject for batch in batches for reject in batch.rejects]


def refusal(path: Path, format: str, *fields: Field) -> str:
    with pytest.raises(DeliveryRejected) as caught:
        read(path, format, *fields)
    return f"{caught.value.code} {caught.value}"


def int96(path: Path, times: pa.Array) -> Path:
    pq.write_table(pa.table({"at": times}), path, use_deprecated_int96_timestamps=True)
    return path


def test_int96_times_do_not_overflow(tmp_path: Path):
    """Arrow reads the year 9999 as 1816: 64 bits of nanoseconds end in 2262."""
    times = [datetime(2024, 1, 1, 20, 34, 56, 123456), datetime(9999, 12, 31, 3), datetime(1600, 2, 29, 23, 59, 59)]
    path = int96(tmp_path / "f", pa.array([*times, None], pa.timestamp("us")))
    rows, rejects = read(path, "parquet", AT)
    assert [row["at"] for row in rows] == [time.replace(tzinfo=UTC) for time in times]
    assert [(reject.line, reject.code) for reject in rejects] == [(4, "empty")]
    assert [row.cells["at"] for row in rows_here(path, Terms("f", "parquet"))] == [*times, None]


def test_nanoseconds_are_never_cut_off(tmp_path: Path):
    """A time with nanoseconds is its row's reject, and no other row's; so it is where the file's own rows are shown."""
    path = int96(tmp_path / "f", pa.array([1_000, 1_001], pa.timestamp("ns")))
    rows, rejects = read(path, "parquet", AT)
    assert [row["at"].microsecond for row in rows] == [1]
    assert [(reject.line, reject.column, reject.code) for reject in rejects] == [(2, "at", "not_exact")]
    assert "1970-01-01 00:00:00.000001001" in rejects[0].text
    for value in (
        pa.array([1_001, 1_000], pa.timestamp("ns")),
        pa.array([[{"at": 1_001}], [{"at": 1_000}]]),
        pa.array([1_001, 1_000], pa.time64("ns")),
    ):
        if pa.types.is_list(value.type):
            value = value.cast(pa.list_(pa.struct([("at", pa.timestamp("ns"))])))
        pq.write_table(pa.table({"at": value}), path)
        bad, good = readers.rows(path, Terms("f", "parquet"))
        assert (bad.line, bad.place, bad.code) == (1, "row group 1, row 1", "not_exact")
        assert "would lose data: 1001" in bad.reason
        assert good.line == 2


def test_a_probability_too_large_for_its_column_is_a_reject(tmp_path: Path):
    pq.write_table(pa.table({"item": ["a", "b"], "p": [0.5, 1e39], "q": [0.5, 0.0]}), tmp_path / "f")
    rows, rejects = read(tmp_path / "f", "parquet", ITEM, probabilities=("p", "q"))
    assert [row["pred_probs"] for row in rows] == [[0.5, 0.5]]
    assert [(reject.line, reject.column, reject.code) for reject in rejects] == [(2, "p", "wrong_type")]


@pytest.mark.parametrize("format", ["parquet", "arrow"])
@pytest.mark.parametrize("fixed", [True, False])
def test_numbers_under_a_null_list_are_no_ones(tmp_path: Path, format: str, fixed: bool):
    numbers, missing = pa.array([1.0, 2.0, float("nan"), 4.0, 5.0, 6.0]), pa.array([False, True, False])
    if fixed:
        lists = pa.FixedSizeListArray.from_arrays(numbers, 2, mask=missing)
    else:
        lists = pa.ListArray.from_arrays(pa.array([0, 2, 4, 6]), numbers, mask=missing)
    table, path = pa.table({"v": lists}), tmp_path / "f"
    if format == "parquet":
        pq.write_table(table, path)
    else:
        with pa.ipc.new_file(str(path), table.schema) as writer:
            writer.write_table(table)
    rows, rejects = read(path, format, Field("v", "v", "vector", length=2))
    assert [(row["line"], row["v"]) for row in rows] == [(1, [1.0, 2.0]), (3, [5.0, 6.0])]
    assert [(reject.line, reject.code) for reject in rejects] == [(2, "empty")]


def stream(*batches: list[str]) -> bytes:
    target = pa.BufferOutputStream()
    with pa.ipc.new_stream(target, pa.schema([("item", pa.string())])) as writer:
        for batch in batches:
            writer.write_table(pa.table({"item": batch}))
    return target.getvalue().to_pybytes()


def test_a_stream_has_its_end_and_nothing_behind_it(tmp_path: Path):
    """Cut between two batches it reads well, and two streams in a file as the first alone."""
    path, whole = tmp_path / "f", stream(["a", "b"], ["c"])
    path.write_bytes(whole)
    assert [row["item"] for row in read(path, "arrow", ITEM)[0]] == ["a", "b", "c"]
    path.write_bytes(whole[:-8])
    assert "cut off after record batch 2" in refusal(path, "arrow", ITEM)
    path.write_bytes(whole + whole)
    assert f"ends with record batch 2, but {len(whole)} bytes follow" in refusal(path, "arrow", ITEM)


def test_every_footer_that_lies_about_rows_is_refused(tmp_path: Path):
    path = tmp_path / "f"
    pq.write_table(pa.table({"item": ["a", "b", "c", "d"], "label": list("wxyz")}), path, row_group_size=2)
    content, lies = path.read_bytes(), 0
    start = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    for place in range(start, len(content) - 8):
        damaged = bytearray(content)
        damaged[place] ^= 2  # one row more or less: counts are zigzag
        try:
            said = pq.read_metadata(io.BytesIO(bytes(damaged)))
            counts = said.num_rows, [said.row_group(group).num_rows for group in range(said.num_row_groups)]
        except (OSError, pa.ArrowException):
            continue
        if counts == (4, [2, 2]):
            continue
        lies += 1
        path.write_bytes(damaged)
        with pytest.raises(DeliveryRejected):
            list(readers.rows(path, Terms("f", "parquet")))
    assert lies >= 3


def book(path: Path, old: bytes, new: bytes) -> Path:
    """A workbook with its sheet's XML changed."""
    made, target = openpyxl.Workbook(), io.BytesIO()
    made.active.title = "Labels"
    for line in (("item", "label"), ("a", "cat"), (7, "dog")):
        made.active.append(line)
    made.save(target)
    with zipfile.ZipFile(target) as whole, zipfile.ZipFile(path, "w") as changed:
        for member in whole.namelist():
            content = whole.read(member)
            if member == "xl/worksheets/sheet1.xml":
                assert old in content
                content = content.replace(old, new, 1)
            changed.writestr(member, content)
    return path


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b'r="B3"', b'r="A3"', "row 3: a row or a cell is there twice or out of order"),
        (b'r="A3"', b'r="C3"', "row 3: a row or a cell is there twice or out of order"),
        (b'<row r="3"', b'<row r="2"', "row 2: a row or a cell is there twice or out of order"),
        (b"</sheetData>", b"</sheetData><mergeCells><mergeCell ref='B2:B3'/></mergeCells>", "B2:B3 are merged"),
        (
            b"<worksheet",
            b"<!--" + b" " * 70_000 + b'--><!DOCTYPE x [<!ENTITY a "b">]><worksheet',
            "can't be read to its end",
        ),
    ],
)
def test_a_sheet_that_openpyxl_would_read_in_part_is_refused(tmp_path: Path, old: bytes, new: bytes, said: str):
    assert said in refusal(book(tmp_path / "f", old, new), "excel")


def test_a_whole_number_has_no_point_in_a_sheet(tmp_path: Path):
    """Some tools write 7 as 7.0; and a row keeps its number where rows before it are left out."""
    rows, _ = read(book(tmp_path / "f", b"<v>7</v>", b"<v>7.0</v>"), "excel")
    assert [(row["item"], row["line"]) for row in rows] == [("a", 2), ("7", 3)]
    rows, _ = read(
        book(
            tmp_path / "f",
            b'<row r="3"><c r="A3" t="n"><v>7</v></c><c r="B3"',
            b'<row r="9"><c r="A9"><v>7</v></c><c r="B9"',
        ),
        "excel",
    )
    assert [(row["item"], row["line"], row["place"]) for row in rows] == [
        ("a", 2, "sheet 'Labels', row 2"),
        ("7", 9, "sheet 'Labels', row 9"),
    ]
