"""Writes a first contract from a sample file: what can be read off it, for a person to correct.

What file it is says `recognising`; what is proposed is tried on the sample before it is given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from labelaudit import readers
from labelaudit.contracts import plain_yaml
from labelaudit.contracts.formats import EXPORTS
from labelaudit.contracts.model import Contract
from labelaudit.contracts.model_errors import in_words
from labelaudit.errors import DeliveryRejected, InvalidInput, Undecided
from labelaudit.propose import prediction_sources
from labelaudit.propose.columns import columns_of, with_columns
from labelaudit.propose.dialects import NAMES
from labelaudit.propose.platforms import Platform, in_rows, platform_of, raters_in
from labelaudit.propose.recognising import Recognised, recognise
from labelaudit.propose.several_classes import classes_in, one_hot_of, separator_of
from labelaudit.propose.trials import notes_on, tried
from labelaudit.readers.records import Row
from labelaudit.readers.texts.label_texts import label_text

ROWS = 50_000
MAX_CLASSES = 1_000
Said = Mapping[str, str | None]
"""What a person says: columns by role (item, annotator, label), raters (with commas), question, format, encoding."""


@dataclass(frozen=True)
class Proposal:
    """A contract as YAML, and what a person should check or decide before it is agreed."""

    text: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Understood:
    """The first rows of a sample, one a label, and what its columns are."""

    rows: list[dict[str, Any]]
    header: list[str]
    roles: dict[str, str]
    raters: tuple[str, ...] = ()
    platform: Platform | None = None
    one_hot: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def contract_from(file: Path, customer: str, dataset: str, vendor: str, said: Said) -> Proposal:
    """A contract for deliveries like `file`, a file in any format that contracts can name.

    Raises Undecided where a person must choose a column or a question, and InvalidInput where the file can't be read,
    has no such column, or holds nothing to judge its labels by.
    """
    recognised = recognise(file, said.get("format"), said.get("question"), said.get("encoding"))
    _require_one_question(file, recognised)
    rows, rejects = _rows(file, recognised)
    if not rows:
        raise InvalidInput(_no_rows(file, recognised, rejects))
    tool = recognised.vendor["format"] if recognised.vendor["format"] in EXPORTS else None
    understood = _understood(file, rows, said, tool)
    separator = (
        None
        if tool or understood.raters or understood.platform or understood.one_hot
        else separator_of(understood.rows, understood.roles["label"])
    )
    nothing = None
    if separator:
        classes, nothing = classes_in(_texts(understood), separator)
    else:
        classes = list(understood.one_hot) or _classes(file, understood, tool)
    probabilities = prediction_sources.are_probabilities(understood.rows, classes, understood.header)
    left = {*classes} if probabilities else set()
    if understood.platform:
        left |= {*understood.header} - {*understood.platform.kept}
    columns = columns_of(understood.rows, understood.header, understood.roles, recognised, left)
    if understood.platform:
        columns = {understood.platform.renamed.get(name, name): column for name, column in columns.items()}
    predictions = {"source": "delivered"}
    if not probabilities:
        predictions = prediction_sources.predictions_of(columns, understood.rows, understood.roles, tool)
    if predictions["source"] == "none" and "annotator" not in understood.roles:
        raise _nothing_to_judge_by(file, _scalars(rows), tool)
    while True:
        terms = with_columns(recognised.vendor, columns) | (
            {"raters": list(understood.raters)} if understood.raters else {}
        )
        if understood.one_hot:
            terms["labels"] = {"one_hot": {name: name for name in understood.one_hot}}
        elif separator:
            terms["labels"] = {"separator": separator} | ({"none": nothing} if nothing else {})
        contract = {
            "description": f"Labels of {dataset}, from {file.name}.",
            "task": "multi_label" if separator or understood.one_hot else "classification",
            "classes": classes,
            "columns": {name: column.declared for name, column in columns.items()},
            "vendors": {vendor: terms},
            "predictions": predictions,
            **(
                {"checks": list(understood.platform.checks)}
                if understood.platform and understood.platform.checks
                else {}
            ),
            "limits": {"issue_rate": 0.2, "rejected_rows_rate": 0.05},
            "on_breach": "alert",
            "alerts": [{"via": "log"}],
        }
        made = _validated(file, customer, dataset, contract)
        trial = tried(file, made, vendor, ROWS)
        if trial.unfit is None:
            break
        if trial.unfit not in columns or trial.unfit in (*understood.roles, *made.feature_columns):
            raise InvalidInput(
                f"{file}: column {trial.unfit!r} is of a type that contracts can't name. Write it as text"
            )
        del columns[trial.unfit]
    notes = [*recognised.notes, *understood.notes, *notes_on(trial, made)]
    if separator:
        notes.append(f"`labels`: an item seems to have several classes, with {separator!r} between them")
    notes += prediction_sources.doubts(predictions, columns, understood.rows, understood.roles, tool)
    if len(rows) + len(rejects) == ROWS:
        notes.append(f"the types and classes: only the first {ROWS} rows were looked at")
    notes = [" ".join(note.split()) for note in notes]
    head = "# yaml-language-server: $schema=../contract.schema.json\n# Guessed from a sample: correct it.\n"
    head += "".join(f"# Check {note}\n" for note in notes)
    return Proposal(head + plain_yaml.dump(contract), tuple(notes))


def _require_one_question(file: Path, recognised: Recognised) -> None:
    asked, there = recognised.vendor.get("question"), recognised.questions
    if asked is None and len(there) > 1:
        raise Undecided(f"{file}: it answers several questions.", "question", there)
    known = set(there) | (set(recognised.keys) if recognised.vendor["format"] == "label_studio_min" else set())
    if asked is not None and known and asked not in known:
        raise Undecided(f"{file}: no answers to {asked!r}.", "question", sorted(known))
    if asked is None and not there and recognised.vendor["format"] == "label_studio_min":
        own = ("id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time")
        keys = [key for key in recognised.keys if key not in own]
        raise Undecided(f"{file}: which key holds the label?", "question", keys)


def _rows(file: Path, recognised: Recognised) -> tuple[list[dict[str, Any]], list[readers.Reject]]:
    rows, rejects = [], []
    try:
        for record in readers.rows(file, recognised.terms, ROWS):
            if isinstance(record, Row):
                rows.append(record.cells)
            else:
                rejects.append(record)
    except DeliveryRejected as error:
        raise InvalidInput(f"{file}: can't be read as {recognised.vendor['format']}: {error}") from error
    return rows, rejects


def _understood(file: Path, rows: list[dict[str, Any]], said: Said, tool: str | None) -> _Understood:
    """Which column is what, and of raters in columns one row a label."""
    header = list(dict.fromkeys(name for row in rows for name in row))
    for option in ("item", "annotator", "label"):
        if said.get(option) and said[option] not in header:
            raise Undecided(f"{file}: no column {said[option]!r} for --{option}.", option, header)
    platform = None if tool else platform_of(rows, header, said)
    if platform:
        return _Understood(rows, header, platform.roles, platform=platform, notes=platform.notes)
    raters = _raters(file, rows, header, said) if tool is None else ()
    if not raters and tool is None and (columns := _one_hot(rows, header, said)):
        inner = [name for name in header if name not in columns]
        roles = _roles(file, rows, inner, {**said, "label": None}, None, ("item", "annotator"))
        notes = [f"`labels`: {', '.join(columns)} seem to say of a class each whether it applies"]
        notes += _empty_roles(rows, roles)
        roles |= {"label": "label"}
        return _Understood(rows, inner, roles, notes=tuple(notes), one_hot=columns)
    if not raters:
        roles = _roles(file, rows, header, said, tool)
        return _Understood(rows, header, roles, notes=tuple(_empty_roles(rows, roles)))
    notes = [f"`raters`: {', '.join(raters)} seem to hold one rater's labels each; the annotator is the column's name"]
    notes += [f"`{name}`: not taken beside the raters' own" for name in ("annotator", "label") if name in header]
    inner = [name for name in header if name not in (*raters, "annotator", "label")]
    roles = _roles(file, rows, inner, {"item": said.get("item")}, None, ("item",))
    notes += _empty_roles(rows, roles)
    roles |= {"annotator": "annotator", "label": "label"}
    return _Understood(in_rows(rows, raters), [*inner, "annotator", "label"], roles, raters, notes=tuple(notes))


def _one_hot(rows: list[dict[str, Any]], header: list[str], said: Said) -> tuple[str, ...]:
    """The columns of a class each, of a sample without a column of labels."""
    if said.get("label") or {name.lower() for name in header} & {*NAMES["label"]}:
        return ()
    return tuple(one_hot_of(rows, header))


def _texts(understood: _Understood) -> list[str]:
    return [str(row.get(understood.roles["label"]) or "") for row in understood.rows]


def _raters(file: Path, rows: list[dict[str, Any]], header: list[str], said: Said) -> tuple[str, ...]:
    if not said.get("raters"):
        return () if said.get("label") else tuple(raters_in(rows, header))
    named = tuple(name.strip() for name in said["raters"].split(","))
    if missing := [name for name in named if name not in header]:
        raise InvalidInput(f"{file}: no column {missing[0]!r} for --raters; it has {', '.join(header)}")
    return named


def _roles(
    file: Path,
    rows: Sequence[dict[str, Any]],
    header: list[str],
    said: Said,
    tool: str | None,
    wanted: Sequence[str] = tuple(NAMES),
) -> dict[str, str]:
    """Which source column is the item, the label and the annotator, where there is one."""
    roles: dict[str, str] = {}
    for role in wanted:
        guesses = [role] if tool else NAMES[role]
        column = said.get(role) or next((name for guess in guesses for name in header if name.lower() == guess), None)
        if column is None and role != "annotator":
            choices = _scalars(rows)
            if len(choices) < 2:
                raise InvalidInput(_nested(file, rows[0]))
            raise Undecided(f"{file}: which column is the {role}?", role, choices)
        named = said.get(role) is not None
        if column is not None and (role != "annotator" or named or any(row.get(column) is not None for row in rows)):
            roles[role] = column
    return roles


def _scalars(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The columns that hold texts, numbers or truths."""
    names = dict.fromkeys(name for row in rows for name, cell in row.items() if isinstance(cell, str | int | float))
    return list(names)


def _nested(file: Path, row: dict[str, Any]) -> str:
    kinds = {dict: "an object", list: "a list"}
    cells = ", ".join(f"{name!r} is {kinds.get(type(cell), 'a value')}" for name, cell in list(row.items())[:12])
    return (
        f"{file}: its records are nested as in no format that is known ({cells}). Export flat rows, one a label, with"
        f" an item, an annotator and a label; or one of {', '.join(EXPORTS)}"
    )


def _no_rows(file: Path, recognised: Recognised, rejects: Sequence[readers.Reject]) -> str:
    counts = Counter(reject.code for reject in rejects)
    first = {reject.code: reject for reject in reversed(rejects)}
    why = "; ".join(
        f"{count} x {code}: {first[code].reason} (line {first[code].line})" for code, count in counts.most_common(3)
    )
    return f"{file}: no rows with named columns to learn a contract from{': ' if why else ''}{why}"


def _classes(file: Path, understood: _Understood, tool: str | None) -> list[str]:
    source = understood.roles["label"]
    texts = {label_text(row.get(source)) for row in understood.rows}
    classes = sorted(text for text in texts if text)
    if 2 <= len(classes) <= MAX_CLASSES:
        return classes
    if len(classes) == 1 and (tool == "coco" or "#" in str(understood.rows[0].get(understood.roles["item"]))):
        raise InvalidInput(
            f"{file}: all {len(understood.rows)} regions have the class {classes[0]!r}: there are no classes to"
            " audit, and where a region lies is not audited. Choose a question whose answers differ, if there is one"
        )
    others = sorted(
        {type(row.get(source)).__name__ for row in understood.rows} - {"str", "int", "float", "bool", "NoneType"}
    )
    unfit = f" (and values of type {', '.join(others)}, which are no labels: write them as text)" if others else ""
    raise InvalidInput(f"{file}: column {source!r} holds {len(classes)} labels{unfit}; 2 to {MAX_CLASSES} are classes")


def _empty_roles(rows: Sequence[dict[str, Any]], roles: dict[str, str]) -> list[str]:
    counts = {role: sum(row.get(source) in (None, "") for row in rows) for role, source in roles.items()}
    return [
        f"`{role}`: it is empty in {count} of the first {len(rows)} rows, which will be rejects"
        for role, count in counts.items()
        if count
    ]


def _validated(file: Path, customer: str, dataset: str, contract: dict[str, Any]) -> Contract:
    try:
        return Contract(customer=customer, dataset=dataset, **contract)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, problem['loc']))}: {in_words(problem)}" for problem in error.errors())
        raise InvalidInput(f"{file}: no contract {customer}/{dataset} can be made of it: {problems}") from error


def _nothing_to_judge_by(file: Path, columns: list[str], tool: str | None) -> InvalidInput:
    said = f"{file}: nothing to judge the labels by: no text, numbers or vectors to make predictions from, and no"
    if tool is None:
        return Undecided(f"{said} column of annotators. Is there one?", "annotator", columns)
    return InvalidInput(
        f"{said} annotators in this export. Export it with its annotators, or have a file of predicted probabilities"
        " delivered with it (`predictions: {source: delivered, file: …}`)"
    )
