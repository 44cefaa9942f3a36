"""What nobody sees makes no other id: it is found, named, and only taken off where the contract declares it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelaudit.errors import DeliveryRejected
from labelaudit.readers.formats import read_here
from labelaudit.readers.terms import Field, Terms
from labelaudit.readers.texts.invisible import TRIMMED, bare, failures, named

ITEM, NOTE = Field("item", "item"), Field("note", "note", required=False, nullable=True)
FORMATS = ("csv", "jsonl", "json", "parquet", "arrow", "excel")


def write(path: Path, format: str, rows: list[dict[str, str]]) -> None:
    if format == "csv":
        lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    elif format in ("jsonl", "json"):
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        path.write_text("\n".join(lines) if format == "jsonl" else f"[{','.join(lines)}]", encoding="utf-8")
    elif format == "excel":
        book = openpyxl.Workbook()
        for cells in (list(rows[0]), *(list(row.values()) for row in rows)):
            book.active.append(cells)
        book.save(path)
    else:
        table = pa.Table.from_pylist(rows)
        if format == "parquet":
            pq.write_table(table, path)
        else:
            with pa.ipc.new_file(str(path), table.schema) as writer:
                writer.write_table(table)


def read(path: Path, format: str, *fields: Field):
    batches = list(read_here(path, Terms("f", format, fields)))
    rows = [row for batch in batches for row in batch.rows.to_pylist()]
    return rows, [reject for batch in batches for reject in batch.rejects]


@pytest.mark.parametrize("format", FORMATS)
def test_invisible_characters_of_ids_are_rejects_that_name_them(tmp_path: Path, format: str):
    """At the ends all of them; within, what means nothing there. Other columns are nobody's key."""
    items = [
        "a",
        "\ufeffb",
        "c\u200b",
        "d\u00a0",
        "e\u00a0f",
        "g\ufeffh",
        "👩\u200d🔬",
        " i ",
        "é",
        "j\u00ad",
        "\u2066k",
    ]
    write(tmp_path / "f", format, [{"item": item, "note": "\ufeffx\u00a0"} for item in items])
    rows, rejects = read(tmp_path / "f", format, ITEM, NOTE)
    assert [row["item"] for row in rows] == ["a", "e\u00a0f", "👩\u200d🔬", " i ", "é"]
    assert {row["note"] for row in rows} == {"\ufeffx\u00a0"}
    assert [(reject.column, reject.code) for reject in rejects] == [("item", "invisible_character")] * 6
    for reject, said in zip(rejects, ("FEFF", "200B", "00A0", "FEFF", "00AD", "2066"), strict=True):
        assert f"U+{said}" in reject.reason
    assert "byte order mark: were two files joined?) at its start" in rejects[0].reason
    assert "after 'g'" in rejects[3].reason


@pytest.mark.parametrize("format", FORMATS)
def test_with_trim_only_what_stands_within_is_a_reject(tmp_path: Path, format: str):
    items = ["a", "\ufeffb", "c\u200b ", "\u00a0 d", "g\ufeffh", " x\u2060y\ufeff"]
    write(tmp_path / "f", format, [{"item": item} for item in items])
    rows, rejects = read(tmp_path / "f", format, Field("item", "item", trim=True))
    assert [bare(row["item"]) for row in rows] == ["a", "b", "c", "d"]
    assert ["U+FEFF" in rejects[0].reason, "U+2060" in rejects[1].reason] == [True, True]
    assert pc.utf8_trim(pa.array([row["item"] for row in rows]), TRIMMED).to_pylist() == ["a", "b", "c", "d"]


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize("name", ["note\u00a0", "\ufeffnote", " note", "note\u200b"])
@pytest.mark.parametrize("format", FORMATS)
def test_a_columns_name_is_found_too(tmp_path: Path, format: str, name: str, required: bool):
    """Else an optional column would be missing, and all its values gone."""
    write(tmp_path / "f", format, [{"item": "a", name: "x"}, {"item": "b", name: "y"}])
    field = Field("note", "note", required=required, nullable=True)
    if format in ("jsonl", "json"):
        rows, rejects = read(tmp_path / "f", format, ITEM, field)
        assert rows == []
        assert [(reject.column, reject.code) for reject in rejects] == [("note", "invisible_character")] * 2
        said = rejects[0].reason
    else:
        with pytest.raises(DeliveryRejected) as caught:
            read(tmp_path / "f", format, ITEM, field)
        assert caught.value.code == "missing_column"
        said = str(caught.value)
    assert f"`note` is written {name!r}, with" in said
    assert ("white space at an end" in said) == (name == " note")


def test_a_key_that_is_there_twice_is_taken_once(tmp_path: Path):
    """A row that has the right key as well loses nothing; one that has it not is a reject, whatever came before."""
    rows = [{"item": "a", "note": "x"}, {"item": "b", "note": "y", "note ": "z"}, {"item": "c", "note ": "z"}]
    for order in (rows, rows[::-1]):
        write(tmp_path / "f", "jsonl", order)
        good, bad = read(tmp_path / "f", "jsonl", ITEM, NOTE)
        assert {row["item"]: row["note"] for row in good} == {"a": "x", "b": "y"}
        assert [reject.code for reject in bad] == ["invisible_character"]


@pytest.mark.parametrize("bom", ["\ufeff", ""])
def test_two_files_that_were_joined_are_read_but_for_their_seam(tmp_path: Path, bom: str):
    """The second header is a repeated one; without a header the first row of the second file names the mark."""
    (tmp_path / "f").write_text(f"item,label\na,x\n{bom}item,label\nb,y\n", encoding="utf-8")
    rows, rejects = read(tmp_path / "f", "csv", ITEM)
    assert [row["item"] for row in rows] == ["a", "b"]
    assert [(reject.line, reject.code) for reject in rejects] == [(3, "repeated_header")]
    (tmp_path / "f").write_text(f'item,label\na,x\n{bom}"b",y\n', encoding="utf-8")
    rows, rejects = read(tmp_path / "f", "csv", ITEM)
    assert len(rejects) == len(bom)
    assert all("U+FEFF (a byte order mark: were two files joined?) at its start" in reject.reason for reject in rejects)
    (tmp_path / "f").write_text(f'{{"item": "a"}}\n{bom}{{"item": "b"}}\n', encoding="utf-8")
    rows, rejects = read(tmp_path / "f", "jsonl", ITEM)
    assert [(reject.line, reject.code) for reject in rejects] == [(2, "invisible_character")] * len(bom)


LETTERS = st.text(st.sampled_from("ab é\u00a0\ufeff\u200b\u200d\u200e\u00ad\x00\x85\u3000\u2028\t"), max_size=5)


@settings(max_examples=300, deadline=None)
@given(texts=st.lists(st.none() | LETTERS, max_size=5), start=st.integers(0, 3), trim=st.booleans())
def test_columns_are_searched_as_texts_are(texts: list[str | None], start: int, trim: bool):
    """Also a slice of an array: what is hidden in its other part is none of it. What `trim` leaves has no such ends."""
    column = pa.array(["\ufeff", *texts, "\ufeff"], pa.string())[1:-1][start:]
    expected = []
    for row, text in enumerate(column.to_pylist()):
        if text and named(bare(text) if trim else text):
            expected.append(row)
    assert sorted(failures(Field("item", "item", trim=trim), column)) == expected
    for text in filter(None, texts):
        assert not bare(text) or not failures(Field("item", "item", trim=True), pa.array([bare(text)[0]]))


def test_trim_takes_all_white_space():
    every = [letter for letter in map(chr, range(sys.maxunicode + 1)) if letter.isspace()]
    assert pc.utf8_trim(pa.array(every), TRIMMED).to_pylist() == [""] * len(every)
