"""Typed files: types must fit, nothing is cast with a loss, and a file that lies is refused with its place."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelaudit.errors import DeliveryRejected
from labelaudit.readers.formats import read_here, rows_here
from labelaudit.readers.records import Row
from labelaudit.readers.terms import Field, Terms

ITEM, LABEL = Field("item", "item"), Field("label", "label")
SIZE = Field("size", "size", "number", False, True)
AT = Field("at", "at", "timestamp", False, True)


def read(path: Path, format: str, *fields: Field, **terms):
    batches = list(read_here(path, Terms("f", format, fields or (ITEM, LABEL), **terms)))
    rows = [row for batch in batches for row in batch.rows.to_pylist()]
    return rows, [reject for batch in batches for reject in batch.rejects]


def refusal(path: Path, format: str, *fields: Field, **terms) -> str:
    with pytest.raises(DeliveryRejected) as caught:
        read(path, format, *fields, **terms)
    return f"{caught.value.code} {caught.value}"


def write(path: Path, format: str, table: pa.Table, rows: int = 3) -> Path:
    if format == "parquet":
        pq.write_table(table, path, row_group_size=rows, write_page_checksum=True, compression="none")
    else:
        with pa.ipc.new_file(str(path), table.schema) as writer:
            writer.write_table(table, max_chunksize=rows)
    return path


@pytest.mark.parametrize("format", ["parquet", "arrow"])
def test_rows_know_their_row_group(tmp_path: Path, format: str):
    table = pa.table({"item": [1, 2, 3, 4], "label": pa.array(["a", "b", None, "d"]).dictionary_encode(), "x": [0] * 4})
    path = write(tmp_path / "f", format, table)
    rows, rejects = read(path, format)
    group = "row group" if format == "parquet" else "record batch"
    assert [(row["item"], row["label"], row["line"], row["place"]) for row in rows] == [
        ("1", "a", 1, f"{group} 1, row 1"),
        ("2", "b", 2, f"{group} 1, row 2"),
        ("4", "d", 4, f"{group} 2, row 1"),
    ]
    assert [(reject.line, reject.place, reject.code) for reject in rejects] == [(3, f"{group} 1, row 3", "empty")]
    (batch, *_) = read_here(path, Terms("f", format, (ITEM,)))
    assert batch.undeclared == {"label", "x"}
    assert [row.cells["x"] for row in rows_here(path, Terms("f", format)) if isinstance(row, Row)] == [0] * 4


@pytest.mark.parametrize("format", ["parquet", "arrow"])
@pytest.mark.parametrize(
    ("values", "field", "said"),
    [
        (pa.array([1.0]), ITEM, "column 'item' is of type double, the contract says string"),
        (pa.array([b"a"]), ITEM, "is of type binary"),
        (pa.array(["1"]), SIZE, "is of type string, the contract says number"),
        (pa.array([["1"]]), Field("v", "size", "vector", length=1), "the contract says vector"),
        (pa.array([1.5]).cast(pa.decimal128(5, 2)), ITEM, "is of type decimal128(5, 2)"),
        (pa.array([1], pa.date32()), AT, "the contract says timestamp"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(tmp_path: Path, format: str, values: pa.Array, field: Field, said: str):
    path = write(tmp_path / "f", format, pa.table({field.source: values}))
    assert said in refusal(path, format, field)


def test_times_keep_their_zone(tmp_path: Path):
    moment = datetime(2026, 5, 1, 12, tzinfo=UTC)
    zoned = pa.array([moment]).cast(pa.timestamp("ms", "Asia/Tokyo"))
    rows, _ = read(write(tmp_path / "f", "parquet", pa.table({"item": ["a"], "at": zoned})), "parquet", ITEM, AT)
    assert rows[0]["at"] == moment


def test_a_flipped_byte_is_found_by_its_checksum(tmp_path: Path):
    path = write(
        tmp_path / "f", "parquet", pa.table({"item": [f"item-{i}" for i in range(500)], "label": ["a"] * 500}), 500
    )
    content = bytearray(path.read_bytes())
    content[content.index(b"item-77") + 6] ^= 1
    path.write_bytes(content)
    assert "row group 1, from row 1 on" in refusal(path, "parquet")


@pytest.mark.parametrize("format", ["parquet", "arrow"])
@pytest.mark.parametrize("left", [3, 20, 200, -1, -9])
def test_a_cut_file_is_refused(tmp_path: Path, format: str, left: int):
    table = pa.table({"item": [f"item-{i}" for i in range(50)], "label": ["a"] * 50})
    path = write(tmp_path / "f", format, table)
    path.write_bytes(path.read_bytes()[:left])
    assert refusal(path, format).startswith("unreadable_file f: ")


def test_an_arrow_stream_is_read_and_an_old_feather_refused(tmp_path: Path):
    table = pa.table({"item": ["a"], "label": ["b"]})
    with pa.ipc.new_stream(str(tmp_path / "f"), table.schema) as writer:
        writer.write_table(table)
    assert len(read(tmp_path / "f", "arrow")[0]) == 1
    (tmp_path / "f").write_bytes(b"FEA1" + b"\0" * 40 + b"FEA1")
    assert "Feather version 1" in refusal(tmp_path / "f", "arrow")


def book(path: Path, *lines: tuple, more: str = "", merged: str = "") -> Path:
    made = openpyxl.Workbook()
    made.active.title = "Labels"
    for line in lines:
        made.active.append(line)
    if more:
        made.create_sheet(more)
    if merged:
        made.active.merge_cells(merged)
    made.save(path)
    return path


def test_cells_are_what_is_stored(tmp_path: Path):
    moment = datetime(2026, 5, 1, 12, 30)
    path = book(
        tmp_path / "f",
        ("item", "label", "size", "at"),
        (7, "007", 1.5, moment),
        ("x", "NA", 2, None),
        (1.5, "cat", 1, None),
        ("y", "=A1", 1, None),
        ("z", "cat", "=1+1", None),
        ("w", "cat", 1, None, "extra"),
        (None, None, None, None),
        ("v", moment, 1, None),
        ("u", True, 1, None),
        ("t", "cat", "2", None),
    )
    rows, rejects = read(path, "excel", ITEM, LABEL, SIZE, AT)
    assert [(row["item"], row["label"], row["size"]) for row in rows] == [("7", "007", 1.5), ("x", "NA", 2.0)]
    assert rows[0]["at"] == moment.replace(tzinfo=UTC)
    assert rows[0]["place"] == "sheet 'Labels', row 2"
    assert [(reject.line, reject.column, reject.code) for reject in rejects] == [
        (4, "item", "wrong_type"),
        (5, "label", "formula"),
        (6, "size", "formula"),
        (7, None, "wrong_width"),
        (9, "label", "wrong_type"),
        (10, "label", "wrong_type"),
        (11, "size", "wrong_type"),
    ]


def test_which_sheet_is_never_guessed(tmp_path: Path):
    path = book(tmp_path / "f", ("item", "label"), ("a", "b"), more="Notes")
    assert "it has 2 sheets ('Labels', 'Notes')" in refusal(path, "excel")
    assert len(read(path, "excel", sheet="Labels")[0]) == 1
    assert "it has no sheet 'Other'" in refusal(path, "excel", sheet="Other")
    assert "is empty" in refusal(path, "excel", sheet="Notes")


def test_merged_cells_and_other_files_are_refused(tmp_path: Path):
    path = book(tmp_path / "f", ("item", "label"), ("a", "cat"), ("b", None), merged="B2:B3")
    assert "row 2: the cells B2:B3 are merged" in refusal(path, "excel")
    path.write_bytes(b"\xd0\xcf\x11\xe0" + b"\0" * 600)
    assert "it is an old .xls, or has a password" in refusal(path, "excel")
    path.write_bytes(b"item,label\na,b\n")
    assert "it is no workbook" in refusal(path, "excel")


@pytest.mark.parametrize("packed", ["gzip", "zstd", "zip"])
@pytest.mark.parametrize("format", ["parquet", "arrow", "excel"])
def test_packed_files_are_unpacked_first(tmp_path: Path, format: str, packed: str):
    import gzip
    import zipfile

    plain = tmp_path / "f"
    if format == "excel":
        book(plain, ("item", "label"), ("a", "b"))
    else:
        write(plain, format, pa.table({"item": ["a"], "label": ["b"]}))
    content, path = plain.read_bytes(), tmp_path / "packed"
    if packed == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("inner", content)
    else:
        path.write_bytes(gzip.compress(content) if packed == "gzip" else pa.compress(content, "zstd", asbytes=True))
    rows, _ = read(path, format, compression=packed)
    assert [(row["item"], row["label"]) for row in rows] == [("a", "b")]
