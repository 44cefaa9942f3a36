"""Labels that are no texts as texts, for people and for comparing, and back again."""

from __future__ import annotations

import pyarrow as pa

from labelaudit.contracts.kinds import JOINER, NO_CLASS
from labelaudit.storage.schemas import is_value

COLUMNS = ("label", "given_label", "suggested_label")


def texts(table: pa.Table) -> pa.Table:
    """The table with each column of labels as text: lists as `cat|dog`, or `∅` where no class applies; numbers as they
    are read back."""
    for name in COLUMNS:
        if name in table.column_names and is_value(table.schema.field(name).type):
            cells = [None if cell is None else _text(cell) for cell in table[name].to_pylist()]
            table = table.set_column(table.column_names.index(name), name, pa.array(cells, pa.string()))
    return table


def typed(table: pa.Table, label: pa.DataType) -> pa.Table:
    """The other way round: the columns of labels in the type that their kind has."""
    if not is_value(label):
        return table
    read = classes_in if pa.types.is_list(label) else float
    for name in COLUMNS:
        if name in table.column_names:
            cells = [None if cell is None else read(cell) for cell in table[name].to_pylist()]
            table = table.set_column(table.column_names.index(name), name, pa.array(cells, label))
    return table


def classes_in(text: str) -> list[str]:
    return [] if text == NO_CLASS else text.split(JOINER)


def _text(label: list[str] | float) -> str:
    return (JOINER.join(label) or NO_CLASS) if isinstance(label, list) else repr(label)
