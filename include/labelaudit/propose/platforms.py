"""Tables that crowd platforms give back, and raters in columns: which columns of a sample are what.

Amazon Mechanical Turk's batch results (`Input.…`, `Answer.…`, `WorkerId`) and Toloka's assignments (`INPUT:…`,
`OUTPUT:…`, `ASSIGNMENT:worker_id`) hold dozens of columns of their own bookkeeping: what was asked and answered is
kept.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from labelaudit.errors import InvalidInput, Undecided
from labelaudit.readers.texts.label_texts import label_text

Cells = dict[str, Any]
LONG_CHARACTERS = 200
"""A text that long is what was labelled, not its name."""

_INDEX = r"(?:[ _.-]?\d{1,3}|[ _.-][A-Za-z]|(?<=[a-z])[A-Z])"
_PERSON = r"(?i:rater|annotator|coder|worker|judge|labell?er|reviewer|expert|assessor|grader|turker)"
_ANSWER = r"(?i:label|class|category|answer|rating|vote|choice|judge?ment|annotation)"
_OF_RATER = re.compile(rf"(?:{_ANSWER}[ _.-]?)?{_PERSON}{_INDEX}(?:[ _.-]{_ANSWER})?|{_ANSWER}{_INDEX}")
_NUMBER = re.compile(rf"{_INDEX}(?=[ _.-]{_ANSWER}$|$)")


@dataclass(frozen=True)
class Platform:
    """What the columns of a platform's table are: roles, those to keep, other names, checks, and notes for a person."""

    roles: dict[str, str]
    kept: tuple[str, ...]
    renamed: dict[str, str] = field(default_factory=dict)
    checks: tuple[dict[str, Any], ...] = ()
    notes: tuple[str, ...] = ()


def platform_of(rows: Sequence[Cells], header: Sequence[str], named: dict[str, str | None]) -> Platform | None:
    """The platform that the table comes from; `named` are the roles that a person said. None: no known one.

    Raises Undecided where several columns may hold the label.
    """
    if {"HITId", "AssignmentId", "WorkerId"} <= {*header}:
        return _mechanical_turk(rows, header, named)
    if any(name.startswith("OUTPUT:") for name in header) and any(name.startswith("INPUT:") for name in header):
        return _toloka(rows, header, named)
    return None


def _mechanical_turk(rows: Sequence[Cells], header: Sequence[str], named: dict[str, str | None]) -> Platform:
    asked = [name for name in header if name.startswith("Input.")]
    answers = [name for name in header if name.startswith("Answer.") and _values(rows, name)]
    _refuse_one_column_a_choice(rows, answers)
    label = named.get("label") or _the_one(answers, "label", "Answer")
    item = named.get("item") or _named_item(rows, asked, "HITId")
    roles = {"item": item, "annotator": named.get("annotator") or "WorkerId", "label": label}
    status = "AssignmentStatus"
    checks, notes = _rejected(rows, status, status, "Rejected") if status in header else ((), ())
    kept = (*asked, "WorkTimeInSeconds", status)
    return Platform(roles, kept, {"WorkTimeInSeconds": "seconds"}, checks, ("it is a batch of Mechanical Turk", *notes))


def _toloka(rows: Sequence[Cells], header: Sequence[str], named: dict[str, str | None]) -> Platform:
    asked = [name for name in header if name.startswith("INPUT:")]
    answers = [name for name in header if name.startswith("OUTPUT:") and _values(rows, name)]
    label = named.get("label") or _the_one(answers, "label", "OUTPUT")
    task, worker, status = (f"ASSIGNMENT:{name}" for name in ("task_id", "worker_id", "status"))
    item = named.get("item") or _named_item(rows, asked, task if task in header else None)
    roles = {"item": item, "label": label}
    if named.get("annotator") or worker in header:
        roles["annotator"] = named.get("annotator") or worker
    checks, notes = _rejected(rows, status, "ASSIGNMENT_status", "REJECTED") if status in header else ((), ())
    known = [name for name in header if name.startswith("GOLDEN:") and _values(rows, name)]
    if known:
        notes += (f"{', '.join(known)}: known labels are no column; put them into a file of item and label for `gold`",)
    return Platform(roles, (*asked, status), {}, checks, ("it is a file of Toloka", *notes))


def _the_one(columns: list[str], role: str, kind: str) -> str:
    if len(columns) != 1:
        raise Undecided(f"which {kind} column is the {role}?", role, columns)
    return columns[0]


def _named_item(rows: Sequence[Cells], asked: list[str], by_id: str | None) -> str:
    """The one column that was asked about, where it can name an item; else the platform's id of the task."""
    if len(asked) == 1 and (by_id is None or not _is_content(rows, asked[0])):
        return asked[0]
    if by_id is None:
        raise Undecided("which INPUT column is the item?", "item", asked)
    return by_id


def _is_content(rows: Sequence[Cells], name: str) -> bool:
    """Whether a column holds texts to be read, not names of something."""
    texts = [str(row.get(name) or "") for row in rows[:LONG_CHARACTERS]]
    return any(len(text) > LONG_CHARACTERS for text in texts) or sum(" " in text.strip() for text in texts) * 2 > len(
        texts
    )


def _refuse_one_column_a_choice(rows: Sequence[Cells], answers: list[str]) -> None:
    by_question: dict[str, list[str]] = {}
    for name in answers:
        by_question.setdefault(name.rpartition(".")[0], []).append(name)
    for question, names in by_question.items():
        if len(names) > 1 and all({*map(str.lower, _values(rows, name))} <= {"true", "false"} for name in names):
            raise InvalidInput(
                f"{question} is answered in one column for each choice ({', '.join(names[:5])}), each true or false."
                f" Write one column {question} with the choice's name, and deliver that"
            )


def _rejected(
    rows: Sequence[Cells], source: str, column: str, word: str
) -> tuple[tuple[dict[str, Any], ...], tuple[str, ...]]:
    """The check that sets rejected assignments aside, and how many there are."""
    arguments = {"column": column, "value_set": [word]}
    check = {"type": "expect_column_values_to_not_be_in_set", "kwargs": arguments, "severity": "warning"}
    count = sum(row.get(source) == word for row in rows)
    share = f" ({count / max(1, len(rows)):.0%})"
    said = (
        (f"{count} of {len(rows)} rows{share} are rejected assignments: a check makes them rejects",) if count else ()
    )
    return (check,), said


def raters_in(rows: Sequence[Cells], header: Sequence[str]) -> list[str]:
    """Columns that hold one rater's labels each: numbered alike, and of the same few values. Empty: there are none."""
    groups: dict[str, list[str]] = {}
    for name in header:
        if _OF_RATER.fullmatch(name):
            groups.setdefault(_NUMBER.sub("#", name, count=1).lower(), []).append(name)
    question_sets = [names for names in groups.values() if len(names) > 1 and _are_labels(rows, names)]
    return max(question_sets, key=len, default=[])


def _are_labels(rows: Sequence[Cells], names: list[str]) -> bool:
    """Whether each column shares a value with the others, and values come again."""
    values = [_values(rows, name) for name in names]
    every = [value for some in values for value in some]
    if len(every) < 4 or 2 * len({*every}) > len(every):
        return False
    return all({*some} & {value for other in values if other is not some for value in other} for some in values if some)


def _values(rows: Sequence[Cells], name: str) -> list[str]:
    texts = (label_text(row.get(name)) for row in rows)
    return [text for text in texts if text]


def in_rows(rows: Sequence[Cells], raters: Sequence[str]) -> list[Cells]:
    """Rows with one label each, as readers make them of rows with a column a rater."""
    return [
        {name: cell for name, cell in row.items() if name not in raters} | {"annotator": rater, "label": row[rater]}
        for row in rows
        for rater in raters
        if row.get(rater) not in (None, "")
    ]
