"""What a sample file is said to be: packing, format, encoding, dialect, tool; a proposal that a person corrects."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelaudit import readers
from labelaudit.errors import InvalidInput
from labelaudit.propose.recognising import recognise
from labelaudit.readers.formats import rows_here
from tests.readers.valid_files import TABLE, as_lines, label_studio, labelbox, table, valid_files

pytestmark = pytest.mark.parsers

FORMATS = sorted(valid_files())
CSV = "item,label\n" + "".join(f"i{n},{'cat' if n % 2 else 'dog'}\n" for n in range(9))


IN_A_PROCESS_OF_ITS_OWN = ("test_every_format_is_told_by_its_content_alone",)


@pytest.fixture(autouse=True)
def parsed_here(monkeypatch, request):
    """Files are parsed in this process, which takes less time; but not where every format is tried."""
    if request.function.__name__ not in IN_A_PROCESS_OF_ITS_OWN:
        monkeypatch.setattr(readers, "rows", rows_here)


def vendor_of(folder: Path, content: bytes | str, name: str = "sample", **named) -> dict:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return recognise(path, **named).vendor


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_told_by_its_content_alone(tmp_path, name):
    format_, _, packing = name.partition(".")
    expected = {"format": format_} | ({"compression": packing} if packing else {})
    assert vendor_of(tmp_path, valid_files()[name].content) == expected


def test_what_a_file_is_wins_over_what_its_name_says(tmp_path):
    assert vendor_of(tmp_path, valid_files()["jsonl"].content, "labels.csv")["format"] == "jsonl"
    assert vendor_of(tmp_path, valid_files()["parquet"].content, "labels.json")["format"] == "parquet"


def test_a_name_decides_where_the_content_does_not(tmp_path):
    broken = "x\n" * 4
    assert vendor_of(tmp_path, broken, "a.jsonl")["format"] == "jsonl"
    assert vendor_of(tmp_path, broken, "a.json")["format"] == "json"
    with pytest.raises(InvalidInput, match="no format can be told: it begins with 'x'"):
        vendor_of(tmp_path, broken, "a.csv")


@pytest.mark.parametrize("name", ["preference", "kto", "helpsteer", "rubric", "spans"])
@pytest.mark.parametrize("container", ["json", "parquet", "arrow"])
def test_where_nested_records_lie_is_said_where_it_is_not_usual(tmp_path, name, container):
    records = [json.loads(line) for line in valid_files()[name].content.splitlines()]
    target = io.BytesIO()
    if container == "json":
        target.write(json.dumps(records).encode())
    elif container == "parquet":
        pq.write_table(pa.Table.from_pylist(records), target)
    else:
        with pa.ipc.new_stream(target, pa.Table.from_pylist(records).schema) as writer:
            writer.write_table(pa.Table.from_pylist(records))
    assert vendor_of(tmp_path, target.getvalue()) == {"format": name, "records_in": container}


def test_label_studio_in_lines_and_the_usual_labelbox(tmp_path):
    lines = as_lines([label_studio(n, "cat") for n in range(3)])
    assert vendor_of(tmp_path, lines) == {"format": "label_studio", "records_in": "jsonl"}
    old = {"ID": "1", "DataRow ID": "r1", "Label": {"classifications": []}, "Created By": "ann"}
    assert vendor_of(tmp_path, as_lines([old])) == {"format": "labelbox"}
    array = json.dumps([labelbox(1, "cat"), labelbox(2, "dog")], indent=1)
    assert vendor_of(tmp_path, array) == {"format": "labelbox", "records_in": "json"}


def test_a_tool_in_a_file_that_it_is_not_read_from_is_said(tmp_path):
    records = [json.loads(line) for line in valid_files()["ground_truth"].content.splitlines()]
    with pytest.raises(InvalidInput, match="records of ground_truth in json; they are read in jsonl"):
        vendor_of(tmp_path, json.dumps(records))


def test_a_flat_table_with_a_tools_column_names_is_a_table(tmp_path):
    target = io.BytesIO()
    pq.write_table(pa.table({"text": ["a"], "label": [["x"]]}), target)
    assert vendor_of(tmp_path, target.getvalue()) == {"format": "parquet"}
    assert vendor_of(tmp_path, as_lines([{"id": 1, "text": "a", "label": "x"}])) == {"format": "jsonl"}


def test_the_questions_that_records_answer_are_named(tmp_path):
    """Also where no single record answers two: mixing them would give labels of different questions."""
    tasks = [label_studio(1, "cat"), label_studio(2, "dog")]
    tasks[1]["annotations"][0]["result"][0]["from_name"] = "mood"
    path = tmp_path / "a.json"
    path.write_text(json.dumps(tasks))
    assert recognise(path).questions == ("kind", "mood")


@pytest.mark.parametrize(
    ("encoding", "said"),
    [("utf-8", None), ("utf-8-sig", "utf-8-sig"), ("utf-16", "utf-16"), ("cp1252", "cp1252")],
)
def test_the_encoding_is_by_mark_or_by_what_can_be_decoded(tmp_path, encoding, said):
    path = tmp_path / "a.csv"
    path.write_bytes(CSV.replace("cat", "chât").encode(encoding))
    recognised = recognise(path)
    assert recognised.vendor.get("encoding") == said
    assert bool(recognised.notes) == (said == "cp1252")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_the_one_that_gives_rows_of_one_width(tmp_path, delimiter):
    target = io.StringIO()
    writer = csv.writer(target, delimiter=delimiter)
    writer.writerow(["item", "a, b; c | d\te", "label"])
    writer.writerows([f"i{n}", "x, y; z | x\ty" * (n % 3), "cat"] for n in range(9))
    found = vendor_of(tmp_path, target.getvalue())
    expected = {",": {"format": "csv"}, "\t": {"format": "tsv"}}
    assert found == expected.get(delimiter, {"format": "csv", "delimiter": delimiter})


@pytest.mark.parametrize(
    ("text", "dialect"),
    [
        (CSV, None),
        ("item;score\n" + "i1;1,5\ni2;2\n" * 3, {"decimal": ","}),
        ("item;size\n" + "i1;1,500\ni2;2,000\n" * 3, None),  # perhaps thousands
        ("item;score;other\n" + "i1;1,5;2.5\n" * 4, None),
        ("Export of 2026\n\n" + CSV, {"skip_lines": 2}),
        ("sep=,\n" + CSV, {"skip_lines": 1}),
        ("'item','label'\n" + "'i1','a, b'\n" * 4, {"quote": "'"}),
        ("item,size\n" + 'i1,3"\ni2,4"\n' * 4, {"quote": None}),
        ("item,label,note\n" + 'i1,cat,""\n' * 40 + '"i1,cat,x\n', None),  # one that is never closed
        ("item,label\n" + '"i \\"1\\", x",cat\n' * 4, {"escape": "backslash"}),
        ("i1,ann,3\ni2,ann,4\ni3,bob,5\n", {"header": ["column_1", "column_2", "column_3"]}),
        ("item,label,0,1\n" + "i1,cat,.5,.5\n" * 3, None),
    ],
)
def test_the_dialect_is_proposed_only_where_it_is_evident(tmp_path, text, dialect):
    assert vendor_of(tmp_path, text).get("dialect") == dialect


def test_a_guess_of_preamble_or_header_is_marked_for_a_person(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("i1,ann,3\ni2,ann,4\ni3,bob,5\n")
    assert "no header" in recognise(path).notes[0]
    path.write_text("Export of 2026\n" + CSV)
    assert "preamble" in recognise(path).notes[0]


def test_of_several_sheets_the_first_is_proposed_and_said(tmp_path):
    book = openpyxl.Workbook()
    for row in TABLE:
        book.active.append(row)
    book.create_sheet("Second & last")
    book.save(tmp_path / "a.xlsx")
    recognised = recognise(tmp_path / "a.xlsx")
    assert recognised.vendor == {"format": "excel", "sheet": "Sheet"}
    assert "Second & last" in recognised.notes[0]


@pytest.mark.parametrize("merged", [None, "A1:C1", "A1:C2"])
def test_the_rows_above_a_sheets_header_are_found(tmp_path, merged):
    """A title of one cell, or over several; the header is the first row as wide as those that follow."""
    book = openpyxl.Workbook()
    for row in (["Labels of May"], [], ["item", "annotator", "label"], *[[f"i{n}", "ann", "cat"] for n in range(9)]):
        book.active.append(row)
    if merged:
        book.active.merge_cells(merged)
    book.save(tmp_path / "a.xlsx")
    recognised = recognise(tmp_path / "a.xlsx")
    assert recognised.vendor == {"format": "excel", "dialect": {"skip_lines": 2}}
    assert recognised.keys == ("item", "annotator", "label")
    assert "2 row(s) above the header" in recognised.notes[0]


def test_the_first_file_of_an_archive_is_looked_at(tmp_path):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("b.csv", CSV)
        archive.writestr("a.jsonl", valid_files()["jsonl"].content)
    path = tmp_path / "a.zip"
    path.write_bytes(target.getvalue())
    recognised = recognise(path)
    assert recognised.vendor == {"format": "jsonl", "compression": "zip"}
    assert "2 files" in recognised.notes[0]


def test_a_compressed_table_is_seen_through(tmp_path):
    target = io.BytesIO()
    pq.write_table(table(), target)
    assert vendor_of(tmp_path, gzip.compress(target.getvalue())) == {"format": "parquet", "compression": "gzip"}


def test_a_format_that_a_person_names_is_taken_or_refused(tmp_path):
    spans = valid_files()["spans"].content
    assert vendor_of(tmp_path, spans, as_format="jsonl") == {"format": "jsonl"}
    assert vendor_of(tmp_path, "x\ty\n", as_format="csv") == {"format": "tsv"}
    with pytest.raises(InvalidInput, match="it is jsonl, not parquet"):
        vendor_of(tmp_path, spans, as_format="parquet")
    with pytest.raises(InvalidInput, match="no format 'xml'; there are csv"):
        vendor_of(tmp_path, spans, as_format="xml")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b" \n\n", "nothing but spaces"),
        (b"\0\1\2\3" * 99, "NUL bytes"),
        ("item,label\n".encode("utf-32"), "UTF-32"),
        ("item,label\n".encode("utf-16-le"), "UTF-16 without its mark"),
        (b"\xff\xfei\0t\0e", "begins as UTF-16 and is damaged"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"%PDF-1.7\n", "PDF"),
        (b"\xd0\xcf\x11\xe0" + b"a" * 99, "Office"),
        (b"PK\x03\x04 damaged", "zip archive that can't be read"),
        (b"\x1f\x8b damaged", "gzip, and nothing can be unpacked"),
        (b"\x28\xb5\x2f\xfd damaged", "zstd, and nothing can be unpacked"),
        (b'{"data": [\n{"id": 1}\n]}', "an object with the keys 'data'"),
        (b'{"a": "' + b'\\"' * 99_999, "an object with the keys"),
        (b"[" * 99_999, None),
        (b'{"a":' * 99_999, "an object with the keys 'a'"),
    ],
)
def test_what_can_not_be_recognised_is_said_and_nothing_crashes(tmp_path, content, said):
    if said is None:  # its reader says where it breaks
        assert vendor_of(tmp_path, content)["format"] in ("json", "jsonl")
        return
    with pytest.raises(InvalidInput, match=said) as caught:
        vendor_of(tmp_path, content, "a.bin")
    assert "a.bin" in str(caught.value)


def test_any_cut_of_any_file_is_recognised_or_refused(tmp_path):
    """Never another exception, wherever the file ends."""
    told = 0
    for name in ("csv", "csv.gzip", "csv.zstd", "csv.zip", "excel"):
        content = valid_files()[name].content
        for end in range(0, len(content), max(1, len(content) // 12)):
            try:
                told += bool(vendor_of(tmp_path, content[:end], "cut"))
            except InvalidInput:
                continue
    assert told > 10
