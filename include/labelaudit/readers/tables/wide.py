"""Raters in columns: a file with one row an item and one column a rater, read as one row a label.

The annotator is the column's name; an empty cell is no label. The file's own reader reads the wide rows; what it can't
take is one reject a row of the file, with all that its raters said. A row that nobody labelled is a reject, too, and no
fault of the delivery.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labelaudit.contracts.formats import FORMATS
from labelaudit.readers.records import BATCH_ROWS, Batch, schema_of
from labelaudit.readers.sources import Source
from labelaudit.readers.terms import Field, Terms
from labelaudit.rejects.records import TEXT_CHARACTERS, Reject

LONG = ("annotator", "label")
"""What the columns of raters become."""


def read(path: Source, terms: Terms, reader: Callable[[Source, Terms], Iterator[Batch]]) -> Iterator[Batch]:
    """The file's labels. `reader` reads the format; `Batch.records` are rows of the file."""
    always = not FORMATS[terms.format].keyed  # an object may leave a key out: that rater gave no label
    columns = [
        Field(_name(number), source, required=always, nullable=True, is_label=True)
        for number, source in enumerate(terms.raters)
    ]
    others = [field for field in terms.fields if field.name not in LONG]
    for batch in reader(path, replace(terms, fields=(*others, *columns), raters=())):
        yield from _long(batch, terms)


def _long(batch: Batch, terms: Terms) -> Iterator[Batch]:
    """The batch's labels, a part of its rows at a time: there are as many labels a row as raters."""
    rejected, size = batch.rejects, max(1, BATCH_ROWS // len(terms.raters))
    seen = batch.rows.num_rows + len(rejected) if batch.records is None else batch.records
    for start in range(0, max(1, batch.rows.num_rows), size):
        rows = batch.rows.slice(start, size)
        records = rows.num_rows if start else rows.num_rows + seen - batch.rows.num_rows
        labels, unlabelled = _labels(rows, terms)
        rejects = sorted([*unlabelled, *([] if start else rejected)], key=lambda reject: reject.line)
        untaken = {} if start else batch.untaken
        yield Batch(labels, rejects, records, batch.undeclared, untaken)


def _labels(rows: pa.Table, terms: Terms) -> tuple[pa.Table, list[Reject]]:
    columns = [rows[_name(number)].combine_chunks() for number in range(len(terms.raters))]
    given = np.column_stack([column.is_valid().to_numpy(zero_copy_only=False) for column in columns])
    row, rater = np.nonzero(given)
    values = pa.concat_arrays(columns).take(pa.array(rater * rows.num_rows + row))
    taken = rows.take(pa.array(row))
    names = pa.array([f"column {name!r}" for name in terms.raters]).take(pa.array(rater))
    made = {
        "label": values,
        "annotator": pa.array(terms.raters, pa.string()).take(pa.array(rater)),
        "place": pc.binary_join_element_wise(taken["place"], names, ", ", null_handling="skip"),
    }
    schema = schema_of(terms)
    arrays = [made[name] if name in made else taken[name] for name in schema.names]
    table = pa.Table.from_arrays(arrays, schema=schema)
    silent = np.flatnonzero(~given.any(axis=1))
    return table, [_unlabelled(rows.slice(int(at), 1), terms) for at in silent]


def _unlabelled(row: pa.Table, terms: Terms) -> Reject:
    said = row.to_pylist()[0]
    text = str({name: value for name, value in said.items() if value is not None})[:TEXT_CHARACTERS]
    reason = f"none of the {len(terms.raters)} raters' columns holds a label"
    return Reject(terms.name, said["line"], None, "unlabelled", reason, text, said["place"] or "")


def _name(number: int) -> str:
    """A name that no column of a contract can have."""
    return f"rater {number}"
