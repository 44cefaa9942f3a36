"""What the labels of a sample can be judged by: delivered probabilities, a text, a vector, numbers, the annotators.

What would be judged badly is said, before a contract is agreed on it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from labelaudit.propose.columns import Columns
from labelaudit.propose.dialects import NAMES

Cells = dict[str, Any]
Predictions = dict[str, Any]
PAIRS = ("preference", "helpsteer", "rubric")
"""Datasets whose label compares texts: one text alone says little of it, several annotators say more."""
TEXTS = ("span", "text", "data_text", "source", "data", "completion", "criterion", "response_a", "prompt")
"""Columns of exports that hold what was labelled, the best to judge a label by first."""
GEOMETRY = ("x", "y", "left", "top", "width", "height", "area")
SEVERAL = 1.5
"""Labels an item: from here on the annotators' agreement says something of most items."""

_SIDES = re.compile(r"(?i)(?:^|[ _.:-])(?:[ab12]|left|right|first|second)$|(?<=[a-z])[12]$")
_OPPOSITES = (("premise", "hypothesis"), ("question", "answer"), ("prompt", "response"), ("query", "document"))
_OPPOSITES += (("source", "target"), ("source", "translation"), ("prompt", "completion"))


def predictions_of(columns: Columns, rows: Sequence[Cells], roles: dict[str, str], tool: str | None) -> Predictions:
    """The best that the columns allow: a vector, a text, numbers, else the annotators alone."""
    others = {name: column for name, column in columns.items() if name not in NAMES}
    several = "annotator" in roles and labels_an_item(rows, roles) >= SEVERAL
    if several and (tool in PAIRS or pair_of(columns)):
        return {"source": "none"}
    for name, column in others.items():
        if column.type == "vector":
            return {"source": "embedding", "column": name}
    usual = sorted(others, key=lambda name: TEXTS.index(name) if tool and name in TEXTS else len(TEXTS))
    for name in usual:
        said = others[name].is_prose and _differs(rows, others[name].source)
        if others[name].type == "string" and (said or (tool and name in TEXTS)):
            return {"source": "text", "column": name}
    numbers = [name for name, column in others.items() if column.type in ("integer", "number")]
    numbers = [name for name in numbers if not tool or name in GEOMETRY]
    if "annotator" in roles or not numbers:
        return {"source": "none"}
    return {"source": "tabular", "columns": numbers}


def are_probabilities(rows: Sequence[Cells], classes: Sequence[str], header: Sequence[str]) -> bool:
    """Whether there is a column for each class, with numbers from 0 to 1: not the texts of a pair called a and b."""
    if not {*classes} <= {*header}:
        return False
    cells = [row.get(name) for row in rows for name in classes]
    return all(_is_share(cell) for cell in cells if cell not in (None, ""))


def labels_an_item(rows: Sequence[Cells], roles: dict[str, str]) -> float:
    items = {row.get(roles["item"]) for row in rows if isinstance(row.get(roles["item"]), str | int)}
    return len(rows) / max(1, len(items))


def pair_of(columns: Columns) -> tuple[str, str] | None:
    """Two columns of text of which each is half of what was judged."""
    texts = {name: column for name, column in columns.items() if name not in NAMES and column.is_prose}
    by_stem: dict[str, list[str]] = {}
    for name in texts:
        stem = _SIDES.sub("", name)
        if stem != name:
            by_stem.setdefault(stem, []).append(name)
    halves = next((names for names in by_stem.values() if len(names) == 2), None)
    if halves:
        return halves[0], halves[1]
    lower = {name.lower().rpartition("_")[2]: name for name in texts}
    return next(((lower[one], lower[other]) for one, other in _OPPOSITES if {one, other} <= lower.keys()), None)


def doubts(
    predictions: Predictions, columns: Columns, rows: Sequence[Cells], roles: dict[str, str], tool: str | None
) -> list[str]:
    """What a person should decide before deliveries are judged so."""
    pair = pair_of(columns)
    sources = []
    if predictions["source"] == "text" and pair and predictions["column"] in pair:
        sources.append(
            f"`predictions`: the label may be about {pair[0]!r} and {pair[1]!r} together; predictions from"
            f" {predictions['column']!r} alone know half of it. Deliver both as one column, or deliver probabilities,"
            " or let several annotators label each item (`source: none`)"
        )
    if predictions["source"] == "none" and labels_an_item(rows, roles) < SEVERAL:
        sources.append(
            f"`predictions`: most items have one label ({labels_an_item(rows, roles):.1f} on average), and there is no"
            " text, vector or probability to judge them by: nothing can be said of those. Let several annotators label"
            " each item, or have predicted probabilities delivered"
        )
    if tool and predictions["source"] == "tabular":
        sources.append(
            "`predictions`: there is nothing but the place of each region to judge its class by. Better: deliver an"
            " embedding or probabilities of each, or let several annotators label each"
        )
    if any(name in columns for name in ("x", "left", "bounding_box_left")):
        sources.append(
            "boxes: each is an item, and its class is audited; whether it lies right, and which are missing, is not"
        )
    return sources


def _differs(rows: Sequence[Cells], source: str) -> bool:
    """A text that is the same in all rows tells no label from another."""
    first = rows[0].get(source) if rows else None
    return any(row.get(source) != first for row in rows)


def _is_share(cell: Any) -> bool:
    try:
        return not isinstance(cell, bool) and 0 <= float(str(cell).replace(",", ".")) <= 1
    except ValueError:
        return False
