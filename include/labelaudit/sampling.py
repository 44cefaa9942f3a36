"""Writes a first contract from a sample file: what can be read off it, for a person to correct.

What file it is says `recognising`; what is proposed is tried on the sample before it is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from labelaudit import contract_yaml, readers
from labelaudit.contract import Contract
from labelaudit.delivery_terms import EXPORTS
from labelaudit.dialects import NAMES
from labelaudit.errors import DeliveryRejected, InvalidInput
from labelaudit.model_errors import in_words
from labelaudit.readers.records import Row
from labelaudit.recognising import Recognised, recognise
from labelaudit.sample_columns import Columns, columns_of, with_columns
from labelaudit.staging import terms_for

ROWS = 50_000
MAX_CLASSES = 1_000
PAIRS = ("preference", "helpsteer", "rubric")
"""Datasets whose label compares texts: one text alone says little of it, several annotators say more."""
TEXTS = ("span", "text", "data_text", "source", "data", "completion", "criterion", "response_a", "prompt")
"""Columns of exports that hold what was labelled, the best to judge a label by first."""
GEOMETRY = ("x", "y", "left", "top", "width", "height", "area")
SEVERAL = 1.5


def contract_from(sample: Path, customer: str, dataset: str, vendor: str, names: dict[str, str | None]) -> str:
    """YAML of a contract for deliveries like `sample`, a file in any format that contracts can name.

    `names` gives the sample's own names of item, annotator and label where they can't be guessed, and the `question`
    where an export answers several. Raises InvalidInput where the file can't be read, has no such column, answers
    several questions and none is named, or holds nothing to judge its labels by.
    """
    found = recognise(sample, question=names.get("question"))
    _require_one_question(sample, found)
    rows, rejects = _rows(sample, found)
    if not rows:
        why = f": {rejects[0].reason} (line {rejects[0].line})" if rejects else ""
        raise InvalidInput(f"{sample}: no rows with named columns to learn a contract from{why}")
    header = list(dict.fromkeys(name for row in rows for name in row))
    tool = found.vendor["format"] if found.vendor["format"] in EXPORTS else None
    roles = _roles(sample, rows, header, names, tool)
    classes = _classes(sample, rows, roles["label"])
    probabilities = set(classes) <= set(header)
    columns = columns_of(rows, header, roles, found, set(classes) if probabilities else set())
    predictions = {"source": "delivered"} if probabilities else _predictions(columns, rows, roles, tool)
    if predictions["source"] == "none" and "annotator" not in roles:
        raise InvalidInput(_nothing_to_judge_by(sample, header, tool))
    while True:
        terms = with_columns(found.vendor, columns)
        contract = {
            "description": f"Labels of {dataset}, from {sample.name}.",
            "task": "classification",
            "classes": classes,
            "columns": {name: column.declared for name, column in columns.items()},
            "vendors": {vendor: terms},
            "predictions": predictions,
            "limits": {"issue_rate": 0.2, "rejected_rows_rate": 0.05},
            "on_breach": "alert",
            "alerts": [{"via": "log"}],
        }
        made = _validated(sample, customer, dataset, contract)
        unfit = _tried(sample, made, vendor)
        if unfit is None:
            break
        if unfit not in columns or unfit in (*roles, *made.feature_columns):
            raise InvalidInput(f"{sample}: column {unfit!r} is of a type that contracts can't name. Write it as text")
        del columns[unfit]
    notes = [*found.notes, *_empty_roles(rows, roles)]
    if len(rows) + len(rejects) == ROWS:
        notes.append(f"the types and classes: only the first {ROWS} rows were looked at")
    head = "# yaml-language-server: $schema=../contract.schema.json\n# Guessed from a sample: correct it.\n"
    head += "".join(f"# Check {' '.join(note.split())}\n" for note in notes)
    return head + contract_yaml.dump(contract)


def _require_one_question(sample: Path, found: Recognised) -> None:
    asked, there = found.vendor.get("question"), found.questions
    if asked is None and len(there) > 1:
        shown = ", ".join(repr(name[:80]) for name in there[:30])
        raise InvalidInput(f"{sample}: it answers several questions. Say --question with one of {shown}")
    known = set(there) | (set(found.keys) if found.vendor["format"] == "label_studio_min" else set())
    if asked is not None and known and asked not in known:
        shown = ", ".join(repr(name[:80]) for name in sorted(known)[:30])
        raise InvalidInput(f"{sample}: no answers to {asked!r} for --question; there are {shown}")
    if asked is None and not there and found.vendor["format"] == "label_studio_min":
        own = ("id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time")
        shown = ", ".join(repr(key[:80]) for key in found.keys if key not in own)
        raise InvalidInput(f"{sample}: which key holds the label? Say --question with one of {shown}")


def _rows(sample: Path, found: Recognised) -> tuple[list[dict[str, Any]], list[readers.Reject]]:
    rows, rejects = [], []
    try:
        for one in readers.rows(sample, found.terms, ROWS):
            if isinstance(one, Row):
                rows.append(one.cells)
            else:
                rejects.append(one)
    except DeliveryRejected as error:
        raise InvalidInput(f"{sample}: can't be read as {found.vendor['format']}: {error}") from error
    return rows, rejects


def _roles(
    sample: Path, rows: Sequence[dict[str, Any]], header: list[str], names: dict[str, str | None], tool: str | None
) -> dict[str, str]:
    """Which source column is the item, the label and the annotator, where there is one."""
    roles: dict[str, str] = {}
    for role, guesses in NAMES.items():
        guesses = [role] if tool else guesses
        found = names.get(role) or next((name for one in guesses for name in header if name.lower() == one), None)
        if found is not None and found not in header:
            raise InvalidInput(f"{sample}: no column {found!r} for --{role}; it has {', '.join(header)}")
        if found is None and role != "annotator":
            raise InvalidInput(f"{sample}: which column is the {role}? Say --{role} with one of {', '.join(header)}")
        named = names.get(role) is not None
        if found is not None and (role != "annotator" or named or any(row.get(found) is not None for row in rows)):
            roles[role] = found
    return roles


def _classes(sample: Path, rows: Sequence[dict[str, Any]], source: str) -> list[str]:
    values = {row[source] for row in rows if isinstance(row.get(source), str | int | float)}
    classes = sorted({str(value) for value in values if type(value) in (str, int) and value != ""})
    if not 2 <= len(classes) <= MAX_CLASSES:
        others = sorted({type(row.get(source)).__name__ for row in rows} - {"str", "int", "NoneType"})
        unfit = f" (and values of type {', '.join(others)}, which are no labels: write them as text)" if others else ""
        raise InvalidInput(
            f"{sample}: column {source!r} holds {len(classes)} labels{unfit}; 2 to {MAX_CLASSES} are classes"
        )
    return classes


def _empty_roles(rows: Sequence[dict[str, Any]], roles: dict[str, str]) -> list[str]:
    counts = {role: sum(row.get(source) in (None, "") for row in rows) for role, source in roles.items()}
    return [
        f"`{role}`: it is empty in {count} of the first {len(rows)} rows, which will be rejects"
        for role, count in counts.items()
        if count
    ]


def _validated(sample: Path, customer: str, dataset: str, contract: dict[str, Any]) -> Contract:
    try:
        return Contract(customer=customer, dataset=dataset, **contract)
    except ValidationError as error:
        found = "; ".join(f"{'.'.join(map(str, one['loc']))}: {in_words(one)}" for one in error.errors())
        raise InvalidInput(f"{sample}: no contract {customer}/{dataset} can be made of it: {found}") from error


def _tried(sample: Path, contract: Contract, vendor: str) -> str | None:
    """The canonical column that the sample can't be read with; None where the first rows are read."""
    terms = terms_for(contract, vendor, sample.name)
    try:
        first = next(readers.read(sample, terms), None)
    except DeliveryRejected as error:
        unfit = (one.name for one in terms.fields if f"column {one.source!r} is" in str(error))
        if error.code == "column_type" and (name := next(unfit, None)):
            return name
        raise InvalidInput(f"{sample}: can't be read as its contract would have it: {error}") from error
    if first is None or not first.rows.num_rows:
        why = f": {first.rejects[0].reason} (line {first.rejects[0].line})" if first and first.rejects else ""
        raise InvalidInput(f"{sample}: no row can be taken{why}. Correct the sample, or name other columns")
    return None


def _predictions(
    columns: Columns, rows: Sequence[dict[str, Any]], roles: dict[str, str], tool: str | None
) -> dict[str, Any]:
    """The best that the columns allow: a vector, a text, numbers, else the annotators alone."""
    others = {name: one for name, one in columns.items() if name not in NAMES}
    items = {row.get(roles["item"]) for row in rows if isinstance(row.get(roles["item"]), str | int)}
    if tool in PAIRS and "annotator" in roles and len(rows) >= SEVERAL * len(items):
        return {"source": "none"}
    for name, one in others.items():
        if one.type == "vector":
            return {"source": "embedding", "column": name}
    usual = sorted(others, key=lambda name: TEXTS.index(name) if tool and name in TEXTS else len(TEXTS))
    for name in usual:
        if others[name].type == "string" and (others[name].is_prose or (tool and name in TEXTS)):
            return {"source": "text", "column": name}
    numbers = [name for name, one in others.items() if one.type in ("integer", "number")]
    numbers = [name for name in numbers if not tool or name in GEOMETRY]
    if "annotator" in roles or not numbers:
        return {"source": "none"}
    return {"source": "tabular", "columns": numbers}


def _nothing_to_judge_by(sample: Path, header: list[str], tool: str | None) -> str:
    said = f"{sample}: nothing to judge the labels by: no text, numbers or vectors to make predictions from, and no"
    if tool is None:
        return f"{said} column of annotators. Is there one? Say --annotator with one of {', '.join(header)}"
    return (
        f"{said} annotators in this export. Export it with its annotators, or have a file of predicted probabilities"
        " delivered with it (`predictions: {source: delivered, file: …}`)"
    )
