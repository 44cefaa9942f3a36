"""Raters in columns: one row an item in the file, one row a label for the audit; nothing lost, every place exact."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import audit
from pydantic import ValidationError

from labelaudit.contracts.delivery import Vendor
from labelaudit.readers.formats import read_here
from labelaudit.readers.records import Batch
from labelaudit.readers.tables import wide
from labelaudit.readers.terms import Field, Terms

RATERS = ("rater_1", "rater_2", "rater_3")
FIELDS = (Field("item", "id"), Field("annotator", "annotator"), Field("label", "label", is_label=True))
FIELDS += (Field("text", "text", required=False, nullable=True),)
TABLE = [
    ("i1", "cat", "", "dog", "x"),
    ("i2", "", "", "", "y"),
    ("i3", "dog", "dog", "dog", ""),
    ("", "cat", "", "", "z"),
]
LABELS = [("i1", "rater_1", "cat"), ("i1", "rater_3", "dog")] + [("i3", rater, "dog") for rater in RATERS]
HEADER = ("id", *RATERS, "text")


def content(format: str) -> bytes:
    records = [{name: value or None for name, value in zip(HEADER, row, strict=True)} for row in TABLE]
    target = io.BytesIO()
    if format in ("csv", "tsv"):
        delimiter = "\t" if format == "tsv" else ","
        return "".join(delimiter.join(row) + "\n" for row in (HEADER, *TABLE)).encode()
    if format == "jsonl":
        without = [{name: value for name, value in record.items() if value is not None} for record in records]
        return "".join(json.dumps(record) + "\n" for record in without).encode()
    if format == "json":
        return json.dumps(records, indent=1).encode()
    if format == "excel":
        book = openpyxl.Workbook()
        for row in (HEADER, *TABLE):
            book.active.append([cell or None for cell in row])
        book.save(target)
    elif format == "parquet":
        pq.write_table(pa.Table.from_pylist(records), target)
    else:
        with pa.ipc.new_file(target, pa.Table.from_pylist(records).schema) as writer:
            writer.write_table(pa.Table.from_pylist(records))
    return target.getvalue()


def read(path: Path, format: str, fields: tuple[Field, ...] = FIELDS) -> tuple[list[dict], list[Any], int]:
    delimiter = "\t" if format == "tsv" else ","
    terms = Terms("f", format, fields, raters=RATERS, delimiter=delimiter)
    rows, rejects, records = [], [], 0
    for batch in read_here(path, terms):
        rows += batch.rows.to_pylist()
        rejects += batch.rejects
        records += batch.rows.num_rows + len(batch.rejects) if batch.records is None else batch.records
    return rows, rejects, records


@pytest.mark.parametrize("format", ["csv", "tsv", "jsonl", "json", "parquet", "arrow", "excel"])
def test_each_rater_of_a_row_gives_a_row(tmp_path: Path, format: str):
    """Empty cells are no labels; a row without any is set aside, one that can't be read is one reject."""
    path = tmp_path / "f"
    path.write_bytes(content(format))
    rows, rejects, records = read(path, format)
    assert [(row["item"], row["annotator"], row["label"]) for row in rows] == LABELS
    first = 2 if format in ("csv", "tsv", "excel", "json") else 1
    if format == "json":  # an indented object has a line for each key
        first, step = 2, 7
    else:
        step = 1
    assert [row["line"] for row in rows] == [first, first, *[first + 2 * step] * 3]
    assert [row["place"].rpartition("column ")[2] for row in rows] == [repr(who) for _, who, _ in LABELS]
    assert [row["text"] for row in rows] == ["x", "x", None, None, None]
    codes = {(reject.code, reject.column, reject.line) for reject in rejects}
    missing = "missing_key" if format == "jsonl" else "empty"
    assert codes == {("unlabelled", None, first + step), (missing, "id", first + 3 * step)}
    assert records == len(TABLE)
    assert all("y" in reject.text or "z" in reject.text for reject in rejects)


def test_a_column_that_is_not_there_refuses_a_table(tmp_path: Path):
    (tmp_path / "f").write_text("id,rater_1,rater_3\ni1,cat,dog\n")
    with pytest.raises(Exception, match="no column 'rater_2'; the file has 'id', 'rater_1', 'rater_3'"):
        read(tmp_path / "f", "csv")


def test_many_rows_come_in_parts_and_none_is_lost(monkeypatch):
    """Rejects keep their order, and records are counted once, however the rows are cut."""
    monkeypatch.setattr(wide, "BATCH_ROWS", 10)
    count = 37
    cells = {f"rater {number}": ["cat" if (at + number) % 3 else None for at in range(count)] for number in range(3)}
    table = pa.table(
        {"item": [f"i{at}" for at in range(count)], "text": pa.nulls(count, pa.string())}
        | cells
        | {"file": ["f"] * count, "line": range(1, count + 1), "place": pa.nulls(count, pa.string())}
    )
    batches = list(wide.read(None, Terms("f", "csv", FIELDS, raters=RATERS), lambda path, terms: iter([Batch(table)])))
    assert len(batches) == 13
    assert sum(batch.records for batch in batches) == count
    rows = [row for batch in batches for row in batch.rows.to_pylist()]
    expected = [(f"i{at}", RATERS[n]) for at in range(count) for n in range(3) if (at + n) % 3]
    assert [(row["item"], row["annotator"]) for row in rows] == expected


@pytest.mark.runs
def test_the_labels_are_audited_as_if_they_came_in_rows(folder_store, make_contract, put):
    """Rows of the file are records; labels are rows, and all of them are accounted for."""
    lines = [
        f"i{n},{'cat' if n % 2 else 'dog'},{'cat' if n % 2 else 'dog'},{'cat' if n % 3 else ''}" for n in range(12)
    ]
    raters = {"format": "csv", "raters": [*RATERS]}
    contract = make_contract(vendors={"alder": raters})
    put(folder_store, contract, "item,rater_1,rater_2,rater_3\n" + "\n".join(lines) + "\n", records={"labels.csv": 12})
    done = audit(contract, folder_store)
    assert done.release.accepted_rows == 12 * 2 + 8
    assert done.release.items == 12


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        ({"format": "coco", "raters": ["a", "b"]}, "belongs to tables"),
        ({"format": "csv", "raters": ["a"]}, "two columns or more"),
        ({"format": "csv", "raters": ["a", "a"]}, "two columns or more"),
        ({"format": "csv", "raters": ["a", "b"], "columns": {"label": "x"}}, "take `label` out of `columns`"),
    ],
)
def test_terms_that_contradict_are_refused(terms: dict, said: str):
    with pytest.raises(ValidationError, match=said):
        Vendor(**terms)


def test_raters_need_a_column_of_annotators(make_contract):
    with pytest.raises(Exception, match="needs `columns` to declare `annotator`"):
        make_contract(
            columns={"item": {}, "label": {}, "text": {}},
            predictions={"source": "text", "column": "text"},
            vendors={"alder": {"format": "csv", "raters": ["a", "b"]}},
        )
