"""Writes a first contract from a sample file: what can be read off it, for a person to correct."""

from __future__ import annotations

import csv
import gzip
import itertools
import json
import re
import zlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from pydantic import ValidationError

from labelaudit.contract import Contract
from labelaudit.errors import InvalidInput

ITEM = ("item", "item_id", "id", "image", "image_id", "example_id", "task_id", "uid", "key", "name", "filename", "url")
ANNOTATOR = ("annotator", "annotator_id", "worker", "worker_id", "rater", "rater_id", "user", "user_id")
ANNOTATOR += ("labeler", "labeller", "reviewer", "judge", "coder", "who", "completed_by", "created_by", "email")
LABEL = ("label", "class", "category", "answer", "annotation", "target", "given_label", "choice", "y")
ROWS = 100_000
MAX_CLASSES = 1_000


def contract_from(sample: Path, customer: str, dataset: str, vendor: str, names: dict[str, str | None]) -> str:
    """YAML of a contract for deliveries like `sample` (.csv, .tsv, .jsonl, .parquet, each also .gz).

    `names` gives the sample's own names of item, annotator and label, where they can't be guessed.
    Raises InvalidInput where the file can't be read, has no such column, or nothing to judge its labels by.
    """
    kind, compression = _kind(sample)
    try:
        rows = _rows(sample, kind, compression)
    except (OSError, EOFError, ValueError, csv.Error, zlib.error, pa.ArrowException) as error:
        raise InvalidInput(f"{sample}: can't be read as {kind}, compression {compression}: {error}") from error
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise InvalidInput(f"{sample}: no rows with named columns to learn a contract from")
    header = [str(name) for name in rows[0] if name is not None]  # csv's name for cells beyond the header is None
    roles: dict[str, str] = {}
    for role, guesses in (("item", ITEM), ("label", LABEL), ("annotator", ANNOTATOR)):
        found = names.get(role) or next((name for guess in guesses for name in header if name.lower() == guess), None)
        if found is not None and found not in header:
            raise InvalidInput(f"{sample}: no column {found!r} for --{role}; it has {', '.join(header)}")
        if found is None and role != "annotator":
            raise InvalidInput(f"{sample}: which column is the {role}? Say --{role} with one of {', '.join(header)}")
        if found is not None:
            roles[role] = found
    classes = sorted({str(row[roles["label"]]) for row in rows if row.get(roles["label"]) not in (None, "")})
    if not 2 <= len(classes) <= MAX_CLASSES:
        raise InvalidInput(
            f"{sample}: column {roles['label']!r} holds {len(classes)} labels; 2 to {MAX_CLASSES} are classes"
        )
    delivered = set(classes) <= set(header)
    columns: dict[str, Any] = {role: {} for role in ("item", "annotator", "label") if role in roles}
    mapping = {role: name for role, name in roles.items() if role != name}
    for name in header:
        if name in roles.values() or (delivered and name in classes):
            continue
        canonical = re.sub(r"\W", "_", name) or "column"
        canonical = f"_{canonical}" if canonical[0].isdigit() or canonical in columns else canonical
        if declared := _column([row.get(name) for row in rows], text=kind in ("csv", "tsv")):
            columns[canonical] = declared
            mapping |= {canonical: name} if canonical != name else {}
    predictions = {"source": "delivered"} if delivered else _predictions(columns, rows, mapping)
    if predictions["source"] == "none" and "annotator" not in roles:
        raise InvalidInput(
            f"{sample}: nothing to judge the labels by: no text, numbers or vectors to make predictions from, and no"
            f" column of annotators. Is there one? Say --annotator with one of {', '.join(header)}"
        )
    terms: dict[str, Any] = {"format": kind}
    terms |= {"compression": compression} if compression != "none" else {}
    terms |= {"columns": mapping} if mapping else {}
    contract = {
        "description": f"Labels of {dataset}, from {sample.name}.",
        "task": "classification",
        "classes": classes,
        "columns": columns,
        "vendors": {vendor: terms},
        "predictions": predictions,
        "limits": {"issue_rate": 0.2, "rejected_rows_rate": 0.05},
        "on_breach": "alert",
        "alerts": [{"via": "log"}],
    }
    try:
        Contract(customer=customer, dataset=dataset, **contract)
    except ValidationError as error:
        found = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise InvalidInput(f"{sample}: no contract {customer}/{dataset} can be made of it: {found}") from error
    head = "# yaml-language-server: $schema=../contract.schema.json\n# Guessed from a sample: correct it.\n"
    return head + yaml.safe_dump(contract, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None)


def _kind(sample: Path) -> tuple[str, str]:
    suffixes = [suffix.lower() for suffix in sample.suffixes]
    compression = "gzip" if suffixes and suffixes[-1] == ".gz" else "none"
    last = suffixes[-2] if compression == "gzip" and len(suffixes) > 1 else (suffixes or [""])[-1]
    kinds = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
    if last not in kinds:
        raise InvalidInput(f"{sample}: the name must end in {', '.join(kinds)} (also with .gz)")
    return kinds[last], compression


def _rows(sample: Path, kind: str, compression: str) -> list[dict[str, Any]]:
    if kind == "parquet":
        batches = pq.ParquetFile(sample).iter_batches(10_000)
        return list(itertools.islice((row for batch in batches for row in batch.to_pylist()), ROWS))
    opener = gzip.open if compression == "gzip" else open
    with opener(sample, "rt", encoding="utf-8-sig", newline="") as file:
        if kind == "jsonl":
            return [json.loads(line) for line in itertools.islice(file, ROWS) if line.strip()]
        return list(itertools.islice(csv.DictReader(file, delimiter="\t" if kind == "tsv" else ","), ROWS))


def _column(values: list[Any], text: bool) -> dict[str, Any] | None:
    """The declaration of a column; None for one that holds what no type fits."""
    there = [value for value in values if value not in (None, "")]
    nullable = {"nullable": True} if len(there) < len(values) else {}
    if text:
        there = [_parsed(value) for value in there]
    if there and all(isinstance(value, bool) for value in there):
        return {"type": "boolean", **nullable}
    if there and all(type(value) is int for value in there):
        return {"type": "integer", **nullable}
    if there and all(type(value) in (int, float) for value in there):
        return {"type": "number", **nullable}
    if there and all(isinstance(value, list) and len(value) == len(there[0]) for value in there):
        return {"type": "vector", "length": len(there[0]), **nullable}
    if any(isinstance(value, dict | list) for value in there):
        return None
    return {"type": "string", **nullable}


def _parsed(value: str) -> Any:
    try:
        parsed = json.loads(value)
    except ValueError:
        return value
    return value if isinstance(parsed, str | dict) or parsed is None else parsed


def _predictions(columns: dict[str, Any], rows: list[dict[str, Any]], mapping: dict[str, str]) -> dict[str, Any]:
    """The best that the columns allow: a vector, a text of several words, numbers, else the annotators alone."""
    others = {name: one for name, one in columns.items() if name not in ("item", "annotator", "label")}
    for name, one in others.items():
        if one.get("type") == "vector":
            return {"source": "embedding", "column": name}
    for name, one in others.items():
        texts = [str(row.get(mapping.get(name, name)) or "") for row in rows[:200]]
        if one.get("type") == "string" and sum(len(text.split()) for text in texts) >= 4 * len(texts):
            return {"source": "text", "column": name}
    numbers = [name for name, one in others.items() if one.get("type") in ("integer", "number")]
    if "annotator" in columns or not numbers:
        return {"source": "none"}
    return {"source": "tabular", "columns": numbers}
