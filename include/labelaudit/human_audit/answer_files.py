"""Reads a file of audit answers as it comes back: our CSV, also as Excel saves it again, or Label Studio's JSON."""

from __future__ import annotations

import codecs
import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelaudit.errors import InvalidInput

NEEDED = ("release", "item", "content", "answer", "proof")
MOST_BYTES = 1 << 30
MOST_CELL_CHARACTERS = 16 << 20


@dataclass(frozen=True)
class AnswerRow:
    """One task as it came back. line: of the file where it begins, or the task's number in an export; from 1. Several
    answers: of several people."""

    line: int
    release: str
    item: str
    content: str
    proof: str
    answers: tuple[str, ...]


def read_rows(path: Path) -> list[AnswerRow]:
    """All rows of a file of answers. Raises InvalidInput where it is neither of the two formats."""
    if path.stat().st_size > MOST_BYTES:
        raise InvalidInput(f"{shown_name(path)} is larger than any file of answers: {MOST_BYTES >> 20} MiB at most")
    text = _text(path)
    if text.lstrip()[:1] in ("[", "{"):
        return _exported(text, path)
    return _filled(text, path)


def shown_name(path: Path) -> str:
    """The file's name for messages and records."""
    return printable(path.name)


def printable(text: str) -> str:
    """A text of the command line or a file system: of one that is no UTF-8, the odd bytes are escaped."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _text(path: Path) -> str:
    """UTF-8 (with a byte order mark or without), UTF-16 with one, else Windows' Western European: Excel writes all."""
    content = path.read_bytes()
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ("utf-16",) if wide else ("utf-8-sig", "cp1252"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise InvalidInput(f"{shown_name(path)} is no text: save it as CSV in UTF-8")


def _filled(text: str, path: Path) -> list[AnswerRow]:
    skipped = 0
    if text[:4].lower() == "sep=":
        text, skipped = text.partition("\n")[2], 1
    csv.field_size_limit(MOST_CELL_CHARACTERS)
    places, delimiter = _columns(text.splitlines()[0] if text else "", path)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[AnswerRow] = []
    begins = 1
    try:
        for cells in reader:
            line, begins = begins + skipped, reader.line_num + 1
            if line == 1 + skipped or not any(cell.strip() for cell in cells):
                continue
            if len(cells) <= max(places.values()):
                told = f"{len(cells)} cells, fewer than the header has columns"
                raise InvalidInput(f"{shown_name(path)}, line {line}: {told}")
            told = {name: cells[place] for name, place in places.items()}
            answer = told.pop("answer")
            rows.append(AnswerRow(line, answers=(answer,) if answer.strip() else (), **told))
    except csv.Error as error:
        raise InvalidInput(
            f"{shown_name(path)}, line {reader.line_num + skipped}: can't be read as CSV: {error}"
        ) from None
    return rows


def _columns(header: str, path: Path) -> tuple[dict[str, int], str]:
    for delimiter in (",", ";", "\t"):
        try:
            names = [name.strip().casefold() for name in next(csv.reader([header], delimiter=delimiter), [])]
        except csv.Error:
            continue
        if all(names.count(name) == 1 for name in NEEDED):
            return {name: names.index(name) for name in NEEDED}, delimiter
    raise InvalidInput(
        f"{shown_name(path)}: the header must have the columns {', '.join(NEEDED)}, each once; it is {header[:200]!r}."
        " Hand in tasks.csv with its answer column filled, or a JSON export of Label Studio"
    )


def _exported(text: str, path: Path) -> list[AnswerRow]:
    try:
        tasks = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{shown_name(path)} can't be read as JSON: {str(error)[:200]}") from None
    if not isinstance(tasks, list):
        raise InvalidInput(f"{shown_name(path)} is no list of tasks: export from Label Studio as JSON (not JSON-MIN)")
    return [_exported_task(number, task, path) for number, task in enumerate(tasks, 1)]


def _exported_task(number: int, task: Any, path: Path) -> AnswerRow:
    data = task.get("data") if isinstance(task, dict) else None
    names = ("release", "item", "content", "proof")
    if not isinstance(data, dict) or not all(isinstance(data.get(name), str) for name in names):
        raise InvalidInput(
            f"{shown_name(path)}, task {number}: no `data` with {', '.join(names)} as texts: export from Label"
            " Studio as JSON (not JSON-MIN), from a project into which tasks.json was imported"
        )
    annotations = task.get("annotations", [])
    answers = []
    for annotation in annotations if isinstance(annotations, list) else []:
        if isinstance(annotation, dict) and not annotation.get("was_cancelled"):
            answers += _chosen(annotation.get("result"), f"{shown_name(path)}, task {number}")
    return AnswerRow(number, answers=tuple(answers), **{name: data[name] for name in names})


def _chosen(result: Any, where: str) -> list[str]:
    answers = []
    for entry in result if isinstance(result, list) else []:
        if isinstance(entry, dict) and entry.get("type") == "choices" and entry.get("from_name") == "answer":
            value = entry.get("value")
            choices = value.get("choices") if isinstance(value, dict) else None
            if not isinstance(choices, list) or len(choices) != 1 or not isinstance(choices[0], str):
                raise InvalidInput(f"{where}: an answer is one choice, not {str(choices)[:100]}")
            answers.append(choices[0])
    return answers
