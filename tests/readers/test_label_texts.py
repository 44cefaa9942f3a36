"""Labels that are no text in their file: true and false, and numbers; the same text from every format."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelaudit.readers.formats import read_here
from labelaudit.readers.terms import Field, Terms

FIELDS = (Field("item", "item"), Field("label", "label", is_label=True))
CASES = {
    "truth": ([True, False, True], ["true", "false", "true"]),
    "whole": ([1, 5, 3], ["1", "5", "3"]),
    "grades": ([4.5, 4.0, 0.1], ["4.5", "4", "0.1"]),
}


def content(format: str, values: list[Any]) -> bytes:
    records = [{"item": f"i{number}", "label": value} for number, value in enumerate(values)]
    target = io.BytesIO()
    if format == "jsonl":
        return "".join(json.dumps(record) + "\n" for record in records).encode()
    if format == "json":
        return json.dumps(records).encode()
    if format == "excel":
        book = openpyxl.Workbook()
        for row in (["item", "label"], *[[record["item"], record["label"]] for record in records]):
            book.active.append(row)
        book.save(target)
        return target.getvalue()
    table = pa.Table.from_pylist(records)
    if format == "parquet":
        pq.write_table(table, target)
    else:
        with pa.ipc.new_file(target, table.schema) as writer:
            writer.write_table(table)
    return target.getvalue()


def labels(path: Path, format: str, fields: tuple[Field, ...] = FIELDS) -> tuple[list[Any], list[str]]:
    batches = list(read_here(path, Terms("f", format, fields)))
    rows = [row["label"] for batch in batches for row in batch.rows.to_pylist()]
    return rows, [reject.code for batch in batches for reject in batch.rejects]


@pytest.mark.parametrize("format", ["jsonl", "json", "parquet", "arrow", "excel"])
@pytest.mark.parametrize("case", CASES)
def test_a_label_is_the_same_text_in_every_format(tmp_path: Path, format: str, case: str):
    values, texts = CASES[case]
    (tmp_path / "f").write_bytes(content(format, values))
    assert labels(tmp_path / "f", format) == (texts, [])


def test_of_an_item_only_whole_numbers_are_names(tmp_path: Path):
    """An id that was made a number has lost its zeros or its digits; a label has not."""
    (tmp_path / "f").write_text('{"item": 1.5, "label": 1.5}\n{"item": true, "label": true}\n')
    assert labels(tmp_path / "f", "jsonl") == ([], ["wrong_type", "wrong_type"])


def test_numbers_of_32_bits_keep_their_digits_and_what_is_no_number_is_a_reject(tmp_path: Path):
    values = pa.array([0.1, 2.0, float("nan"), None], pa.float32())
    pq.write_table(pa.table({"item": list("abcd"), "label": values}), tmp_path / "f")
    assert labels(tmp_path / "f", "parquet") == (["0.1", "2"], ["wrong_type", "empty"])


def test_a_number_that_no_float_holds_is_no_label(tmp_path: Path):
    (tmp_path / "f").write_text('{"item": "a", "label": 9007199254740993.0}\n{"item": "b", "label": 5}\n')
    assert labels(tmp_path / "f", "jsonl") == (["5"], ["not_exact"])


def test_raters_in_typed_columns(tmp_path: Path):
    """One of them may have given no label at all, and pandas makes numbers of a column with gaps."""
    table = {"item": list("ab"), "r_1": [1.0, None], "r_2": pa.nulls(2), "r_3": [True, False]}
    pq.write_table(pa.table(table), tmp_path / "f")
    fields = (*FIELDS, Field("annotator", "annotator"))
    terms = Terms("f", "parquet", fields, raters=("r_1", "r_2", "r_3"))
    rows = [row for batch in read_here(tmp_path / "f", terms) for row in batch.rows.to_pylist()]
    found = [(row["item"], row["annotator"], row["label"]) for row in rows]
    assert found == [("a", "r_1", "1"), ("a", "r_3", "true"), ("b", "r_3", "false")]
