"""Labels of several classes as a text, for people and for comparing, and back again."""

from __future__ import annotations

import pyarrow as pa

from labelaudit.contracts.kinds import JOINER, NO_CLASS

COLUMNS = ("label", "given_label", "suggested_label")


def texts(table: pa.Table) -> pa.Table:
    """The table with each column of labels that are lists as text: `cat|dog`; `∅` where no class applies."""
    for name in COLUMNS:
        if name in table.column_names and pa.types.is_list(table.schema.field(name).type):
            cells = [None if cell is None else JOINER.join(cell) or NO_CLASS for cell in table[name].to_pylist()]
            table = table.set_column(table.column_names.index(name), name, pa.array(cells, pa.string()))
    return table


def typed(table: pa.Table, label: pa.DataType) -> pa.Table:
    """The other way round: the columns of labels in the type that their kind has."""
    if pa.types.is_list(label):
        for name in COLUMNS:
            if name in table.column_names:
                cells = [None if cell is None else classes_in(cell) for cell in table[name].to_pylist()]
                table = table.set_column(table.column_names.index(name), name, pa.array(cells, label))
    return table


def classes_in(text: str) -> list[str]:
    return [] if text == NO_CLASS else text.split(JOINER)
