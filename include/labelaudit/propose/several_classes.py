"""Whether a sample's items have several classes each: their names in one column, or a column for each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labelaudit.readers.cells import BOOLEANS

SEPARATORS = ("|", ";", ",")
LEAST_SHARE = 0.05
"""Of the cells, so many must name several classes."""
MOST_CLASSES = 100
NOTHING = {"none", "no class", "no label", "nothing", "n/a", "na", "null", "-", "\u2205", "[]"}
LEAST_COLUMNS = 3
"""One or two columns of yes and no are as likely something else."""


def separator_of(rows: Sequence[Mapping[str, Any]], source: str) -> str | None:
    """What stands between the classes of a label column; None where its texts are the classes.

    Where it separates, the names between come again, in other company or alone, and are fewer than the texts they make.
    """
    texts = [cell for row in rows if isinstance(cell := row.get(source), str) and cell]
    for separator in SEPARATORS:
        lists = [[name.strip() for name in text.split(separator)] for text in texts]
        several = [names for names in lists if len(names) > 1]
        known = {name for names in lists for name in names}
        sound = all(len({*names}) == len(names) and all(names) for names in several)
        if not sound or not 2 <= len(known) <= MOST_CLASSES or len(several) < max(2, LEAST_SHARE * len(lists)):
            continue
        company = {name: {tuple(names) for names in lists if name in names} for name in known}
        if all(len(company[name]) > 1 for names in several for name in names) and 2 * len(known) <= sum(
            map(len, lists)
        ):
            return separator
    return None


def classes_in(texts: Sequence[str], separator: str) -> tuple[list[str], str | None]:
    """The classes that a label column's texts name, and what it says where none applies: a word for nothing that never
    stands beside a class."""
    names = {name.strip() for text in texts for name in text.split(separator)} - {""}
    beside = {name.strip() for text in texts if separator in text for name in text.split(separator)}
    nothing = min((name for name in names - beside if name.casefold() in NOTHING), default=None)
    return sorted(names - {nothing}), nothing


def one_hot_of(rows: Sequence[Mapping[str, Any]], header: Sequence[str]) -> list[str]:
    """The columns that say of one class each whether it applies; empty where there are too few to be sure."""
    columns = [name for name in header if _is_yes_or_no([row.get(name) for row in rows])]
    return columns if len(columns) >= LEAST_COLUMNS else []


def _is_yes_or_no(cells: Sequence[Any]) -> bool:
    texts = {str(cell) for cell in cells}
    return texts <= BOOLEANS.keys() and len({BOOLEANS[text] for text in texts}) == 2
