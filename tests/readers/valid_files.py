"""A small valid file of every format, with the labels that it holds: what tests and fuzzers damage."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

from labelaudit.readers.terms import Field, Terms

RECORDS = 12
LABELS = tuple("dog" if number % 3 else "cat" for number in range(RECORDS))
TABLE = [(f"i{number}", "ann", label, f"note {number}, é") for number, label in enumerate(LABELS)]
COLUMNS = ("item", "annotator", "label", "note")
FIELDS = (
    Field("item", "item"),
    Field("annotator", "annotator", required=False, nullable=True),
    Field("label", "label"),
)
LINES = ("csv", "tsv", "jsonl", "labelbox", "doccano", "prodigy", "ground_truth", "preference", "kto", "spans")
"""Formats of which a line is a record here: damage to one line is no other's."""


@dataclass(frozen=True)
class ValidFile:
    """A file's bytes, how to read it, and the labels of its rows in order."""

    name: str
    terms: Terms
    content: bytes
    labels: tuple[str, ...]


@cache
def valid_files() -> dict[str, ValidFile]:
    """By name: every format, and CSV in every packing."""
    made = {name: _made(name, content, labels, container) for name, (content, labels, container) in _contents().items()}
    csv = made["csv"]
    for packing, pack in _PACKINGS.items():
        terms = replace(csv.terms, name=f"labels.csv.{packing}", compression=packing)
        made[f"csv.{packing}"] = ValidFile(f"csv.{packing}", terms, pack(csv.content), csv.labels)
    return made


def _made(name: str, content: bytes, labels: tuple[str, ...], container: str) -> ValidFile:
    delimiter = "\t" if name == "tsv" else ","
    question = "kind" if name == "label_studio_min" else None
    terms = Terms(f"labels.{name}", name, FIELDS, container=container, delimiter=delimiter, question=question)
    return ValidFile(name, terms, content, labels)


def _contents() -> dict[str, tuple[bytes, tuple[str, ...], str]]:
    """By format: content, labels, container."""
    records = [dict(zip(COLUMNS, row, strict=True)) for row in TABLE]
    found = {
        "csv": (_delimited(","), LABELS, ""),
        "tsv": (_delimited("\t"), LABELS, ""),
        "jsonl": (as_lines(records), LABELS, ""),
        "json": (json.dumps(records, indent=1).encode(), LABELS, ""),
        "parquet": (_parquet(), LABELS, ""),
        "arrow": (_arrow(), LABELS, ""),
        "excel": (_excel(), LABELS, ""),
        "coco": (json.dumps(coco()).encode(), LABELS, "json"),
    }
    for name, (record, labels, container) in _EXPORTS.items():
        every = [record(number, label) for number, label in enumerate(LABELS)]
        content = as_lines(every) if container == "jsonl" else json.dumps(every, indent=1).encode()
        found[name] = content, tuple(out for label in LABELS for out in labels(label)), container
    return found


def as_lines(records: list[Any]) -> bytes:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()


def _delimited(delimiter: str) -> bytes:
    rows = (delimiter.join((*row[:3], f'"{row[3]}"')) for row in TABLE)
    return "".join(f"{line}\n" for line in (delimiter.join(COLUMNS), *rows)).encode()


def table() -> pa.Table:
    return pa.table({name: [row[place] for row in TABLE] for place, name in enumerate(COLUMNS)})


def _parquet() -> bytes:
    """With checksums of its pages: without them no reader can tell a flipped byte from another value."""
    target = pa.BufferOutputStream()
    pq.write_table(table(), target, row_group_size=5, write_page_checksum=True)
    return target.getvalue().to_pybytes()


def _arrow() -> bytes:
    target = pa.BufferOutputStream()
    with pa.ipc.new_file(target, table().schema) as writer:
        writer.write_table(table(), max_chunksize=5)
    return target.getvalue().to_pybytes()


def _excel() -> bytes:
    book, target = openpyxl.Workbook(), io.BytesIO()
    for row in (COLUMNS, *TABLE):
        book.active.append(row)
    book.save(target)
    return target.getvalue()


def coco() -> dict[str, Any]:
    """A COCO document: one box a picture."""
    names = ("cat", "dog")
    return {
        "images": [{"id": n, "file_name": f"{n}.jpg", "width": 64, "height": 48} for n in range(1, RECORDS + 1)],
        "categories": [{"id": number, "name": name} for number, name in enumerate(names, 1)],
        "annotations": [
            {"id": n, "image_id": n, "category_id": names.index(label) + 1, "bbox": [1, 2, 10, 12.5], "iscrowd": 0}
            for n, label in enumerate(LABELS, 1)
        ],
    }


def labelbox(number: int, label: str) -> dict[str, Any]:
    """A data row of Labelbox with one answer."""
    answer = {"name": "Kind", "value": "kind", "radio_answer": {"name": label, "value": label}}
    one = {
        "label_kind": "Default",
        "id": f"l{number}",
        "label_details": {"created_at": "2026-01-02T03:04:05Z", "created_by": "ann@example.com"},
        "performance_details": {"seconds_to_create": 3},
        "annotations": {"objects": [], "classifications": [answer], "relationships": []},
    }
    return {"data_row": {"id": f"r{number}"}, "projects": {"p1": {"name": "pets", "labels": [one]}}}


def label_studio(number: int, label: str) -> dict[str, Any]:
    """A task of Label Studio with one choice."""
    result = {"from_name": "kind", "to_name": "text", "type": "choices", "value": {"choices": [label]}}
    annotation = {"id": number, "completed_by": 1, "lead_time": 2.5, "was_cancelled": False, "result": [result]}
    return {"id": number, "data": {"text": f"text {number}"}, "annotations": [annotation], "predictions": []}


def _label_studio_min(number: int, label: str) -> dict[str, Any]:
    return {
        "id": number,
        "text": f"t{number}",
        "annotator": 1,
        "annotation_id": number,
        "kind": label,
        "lead_time": 1.5,
    }


def _scale(number: int, label: str) -> dict[str, Any]:
    return {"task_id": f"t{number}", "status": "completed", "params": {}, "response": {"category": label}}


def _ground_truth(number: int, label: str) -> dict[str, Any]:
    about = {
        "class-name": label,
        "confidence": 0.9,
        "human-annotated": "yes",
        "type": "groundtruth/text-classification",
    }
    return {"source": f"text {number}", "kind": 0, "kind-metadata": about}


def _prodigy(number: int, label: str) -> dict[str, Any]:
    options = [{"id": "cat"}, {"id": "dog"}]
    return {"text": f"t{number}", "_input_hash": number, "options": options, "accept": [label], "answer": "accept"}


def _span(number: int, label: str) -> dict[str, Any]:
    return {"id": f"d{number}", "text": "a cat and a dog", "spans": [{"start": 2, "end": 5, "label": label}]}


def _preference(number: int, label: str) -> dict[str, Any]:
    chosen, rejected = ("yes", "no") if label == "cat" else ("no", "yes")
    return {"id": f"p{number}", "prompt": "say", "chosen": chosen, "rejected": rejected}


def _preferred(label: str) -> list[str]:
    """The two texts stand in the order that only their content decides: here, "no" comes first."""
    return ["b" if label == "cat" else "a"]


def _kto(number: int, label: str) -> dict[str, Any]:
    return {"id": f"k{number}", "prompt": "say", "completion": f"{number}", "label": label == "cat"}


def _helpsteer(number: int, label: str) -> dict[str, Any]:
    single = {"score": 1 if label == "cat" else -2, "reasoning": "so"}
    return {"id": f"h{number}", "context": [{"role": "user", "content": "say"}], "response1": f"{number}"} | {
        "response2": "no",
        "individual_preference": [single, single],
    }


def _rubric(number: int, label: str) -> dict[str, Any]:
    rubrics = [{"criterion": "polite", "points": 3, "tags": []}, {"criterion": "right", "points": 5, "tags": ["x"]}]
    return {"id": f"r{number}", "prompt": "say", "rubrics": rubrics, "criteria_met": [label == "cat", True]}


def _itself(label: str) -> list[str]:
    return [label]


def _truth(label: str) -> list[str]:
    return ["true" if label == "cat" else "false"]


Record = Callable[[int, str], dict[str, Any]]
_EXPORTS: dict[str, tuple[Record, Callable[[str], list[str]], str]] = {
    "label_studio": (label_studio, _itself, "json"),
    "label_studio_min": (_label_studio_min, _itself, "json"),
    "labelbox": (labelbox, _itself, "jsonl"),
    "scale": (_scale, _itself, "json"),
    "doccano": (lambda number, label: {"id": number, "text": f"t{number}", "label": [label]}, _itself, "jsonl"),
    "prodigy": (_prodigy, _itself, "jsonl"),
    "ground_truth": (_ground_truth, _itself, "jsonl"),
    "spans": (_span, _itself, "jsonl"),
    "preference": (_preference, _preferred, "jsonl"),
    "kto": (_kto, _truth, "jsonl"),
    "helpsteer": (_helpsteer, lambda label: ["1" if label == "cat" else "-2"] * 2, "jsonl"),
    "rubric": (_rubric, lambda label: [*_truth(label), "true"], "jsonl"),
}


def _zipped(content: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("labels.csv", content)
    return target.getvalue()


_PACKINGS = {
    "gzip": lambda content: gzip.compress(content, mtime=0),
    "zstd": lambda content: pa.compress(content, "zstd", asbytes=True),
    "zip": _zipped,
}
