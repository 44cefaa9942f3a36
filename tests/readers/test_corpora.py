"""The public corpora: every file is read with the right counts, or refused with a reason that has a place."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from benchmarks import public_data
from labelaudit import readers
from labelaudit.errors import DeliveryRejected
from labelaudit.readers.formats import rows_here
from labelaudit.readers.records import Row
from labelaudit.readers.terms import Terms

CORPORA = public_data.FOLDER / "corpora"
pytestmark = [
    pytest.mark.parsers,
    pytest.mark.skipif(not CORPORA.is_dir(), reason="the public corpora are not on this machine"),
]

DOCCANO, STUDIO = "doccano/backend/data_import/tests/data", "label-studio/tests/data"
COUNTS = {
    "prodigy/example-datasets/annotated_github-issues-DOCUMENTATION-textcat.jsonl": ("prodigy", 785, {"skipped": 44}),
    "prodigy/example-datasets/annotated_news_headlines-ORG-PERSON-LOCATION-ner.jsonl": (
        "prodigy",
        303,
        {"unlabelled": 151, "skipped": 1},
    ),
    "prodigy/example-datasets/annotated_reddit-PRODUCT-ner.jsonl": ("prodigy", 1739, {"skipped": 86}),
    f"{STUDIO}/test_export_csv/csv_test.json": ("label_studio", 3, {}),
    f"{STUDIO}/test_export_csv/csv_test2.json": ("label_studio", 1, {}),
    f"{STUDIO}/test_export_csv/csv_test_history.json": ("label_studio", 1, {}),
    f"{STUDIO}/test_export_json_min/data.json": ("label_studio", 1, {}),
    f"{STUDIO}/test_export_json_min/data_repeater.json": ("label_studio", 0, {"several_labels": 1}),
    f"{STUDIO}/test_export_yolo/data.json": ("label_studio", 6, {}),
    f"{STUDIO}/test_export_yolo/data_obb.json": ("label_studio", 25, {}),
    f"{STUDIO}/test_export_yolo/data_polygons.json": ("label_studio", 1, {}),
    f"{DOCCANO}/intent/example.jsonl": ("doccano", 2, {"several_labels": 1, "unlabelled": 1, "missing_key": 1}),
    f"{DOCCANO}/relation_extraction/example.jsonl": ("doccano", 4, {}),
    f"{DOCCANO}/seq2seq/example.json": ("doccano", 1, {"unlabelled": 2, "missing_key": 1}),
    f"{DOCCANO}/sequence_labeling/example_overlapping.jsonl": ("doccano", 2, {}),
    f"{DOCCANO}/text_classification/example.json": (
        "doccano",
        1,
        {"several_labels": 1, "unlabelled": 1, "missing_key": 1},
    ),
    f"{DOCCANO}/text_classification/example.jsonl": ("doccano", 1, {"several_labels": 1, "unlabelled": 1}),
    f"{DOCCANO}/text_classification/example.xlsx": ("excel", 3, {}),
    f"{DOCCANO}/text_classification/example.invalid.2.xlsx": ("excel", 2, {"wrong_width": 1}),
    f"{DOCCANO}/text_classification/example.invalid.2.csv": ("csv", 2, {"wrong_width": 1}),
}


def read(path: Path, format: str, **terms):
    container = "json" if path.suffix == ".json" else "jsonl"
    return list(rows_here(path, Terms(path.name, format, container=container, **terms)))


@pytest.mark.parametrize("name", sorted(COUNTS))
def test_an_export_is_read_with_the_right_counts(name: str):
    format, rows, rejects = COUNTS[name]
    found = read(CORPORA / name, format)
    assert sum(isinstance(row, Row) for row in found) == rows
    assert Counter(row.code for row in found if not isinstance(row, Row)) == rejects
    assert all(row.line >= 1 and row.reason for row in found if not isinstance(row, Row))


SPECTRUM = sorted(path.stem for path in (CORPORA / "csv-spectrum" / "csvs").glob("*.csv")) if CORPORA.is_dir() else []


@pytest.mark.parametrize("name", SPECTRUM)
def test_a_csv_of_the_spectrum_is_its_json(name: str):
    """One of them has quotes inside bare fields, which its contract must declare; its JSON is of another phone."""
    bare = {"quote": None} if name == "location_coordinates" else {}
    found = [row.cells for row in read(CORPORA / "csv-spectrum" / "csvs" / f"{name}.csv", "csv", **bare)]
    expected = json.loads((CORPORA / "csv-spectrum" / "json" / f"{name}.json").read_text(encoding="utf-8"))
    if name == "location_coordinates":
        expected = [expected | {"Contact Phone Number": "2095257564"}]
    assert found == expected


def test_every_parquet_file_is_read_or_refused_by_name():
    refused, rejected = {}, set()
    for path in sorted((CORPORA / "parquet-good").rglob("*.parquet*")):
        try:
            rows = readers.rows(path, Terms(path.name, "parquet"), 500)
            rejected |= {path.name for row in rows if not isinstance(row, Row)}
        except DeliveryRejected as error:
            refused[path.name] = f"{error.code} {error}"
    assert all(f" {name}" in said for name, said in refused.items())
    assert {name for name in refused if "encrypt" not in refused[name].lower()} == {
        "int96_from_spark.parquet",  # a year that Arrow decodes as another
        "datapage_v1-corrupt-checksum.parquet",  # wrong on purpose
        "rle-dict-uncompressed-corrupt-checksum.parquet",  # wrong on purpose
        "incorrect_map_schema.parquet",  # its keys may be missing
        "large_string_map.brotli.parquet",  # a gigabyte in one cell
        "repeated_no_annotation.parquet",  # its footer counts no rows, its row group six
    }
    assert rejected == {"nested_structs.rust.parquet"}  # days that Python has no date for
