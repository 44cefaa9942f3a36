"""One object of ours without a person's name: Parquet by column, JSON by field, the rest as text.

What an item is (its id, its content), and what vendors call their deliveries and files, is never changed: runs find
things by it. Where the name stands there, it is left and told.
"""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from labelaudit.rendering.spreadsheet import read_rows, safe_cell, written_again
from labelaudit.storage.parquet import ROW_GROUP_ROWS
from labelaudit.upkeep.spelling import Person

ANNOTATOR = "annotator"
IDS = {"item", "items", "label", "labels", "given_label", "suggested_label", "given", "suggested", "vendor", "vendors"}
IDS |= {"delivery", "deliveries", "release", "releases", "digest", "lots", "file", "supersedes", "superseded", "look"}
IDS |= {"_copy_of", "id", "key", "cause", "content", "proof", "run", "table", "rejects", "report", "predictions"}
IDS |= {"to", "connection"}
"""Columns and fields by which things are found, or that hold what was labelled."""
WORDS = {"text", "message", "reason", "note", "detail", "examples", "error", "arguments", "advice"}
"""Fields of running text: the only ones that an ambiguous name is looked for in."""


@dataclass(frozen=True)
class Rewritten:
    """content: None where nothing is to be changed; values: names replaced, or texts; left: ids that hold the name."""

    content: bytes | None
    values: int = 0
    left: int = 0


def rewritten(key: str, path: Path, person: Person, protected: Collection[str]) -> Rewritten:
    """An object's content, which lies at `path`, without the name. protected: columns of what items hold.

    An HTML page that has a name which is also a word goes as a whole: its content is then empty.
    """
    if key.endswith(".parquet"):
        return _parquet(path, person, protected)
    content = path.read_bytes()
    if key.endswith((".json", ".failed")):
        return _json(content, person, protected)
    if key.endswith(".csv") and person.is_ambiguous:
        return _cells(content, person)
    return _text(content, person)


def rewritten_batch(
    batch: pa.RecordBatch | pa.Table, person: Person, protected: Collection[str] = ()
) -> tuple[pa.Table, int, int]:
    """The rows without the name; how many values were changed, and how many ids hold the name and were left."""
    table = _as_strings(pa.Table.from_batches([batch]) if isinstance(batch, pa.RecordBatch) else batch)
    rows = _rows_of(table, person)
    values = left = 0
    for place, field in enumerate(table.schema):
        column = table[field.name]
        if not pa.types.is_string(field.type) and not pa.types.is_large_string(field.type):
            left += any(person.is_in(text) for text in strings(column)) if not person.is_ambiguous else 0
            continue
        if field.name == ANNOTATOR or field.name == "subject":
            mask = pc.and_(pc.fill_null(pc.equal(column, person.name), False), rows)
            if field.name == "subject":
                mask = pc.and_(mask, pc.equal(table["of"], ANNOTATOR))
            made = pc.if_else(mask, pa.scalar(person.new, field.type), column)
        else:
            if person.is_ambiguous and field.name not in WORDS:
                continue
            mask = pc.and_(_mask(column, person), rows)
            if field.name in IDS or field.name in protected:
                left += pc.sum(mask).as_py() or 0
                continue
            taken = mask.to_pylist()
            texts = [person.renamed(text) if hit else text for text, hit in zip(column.to_pylist(), taken, strict=True)]
            made = pa.chunked_array([pa.array(texts, field.type)])
        changed = pc.sum(mask).as_py() or 0
        if changed:
            values += changed
            table = table.set_column(place, field, made)
    return table, values, left


def strings(column: pa.ChunkedArray | pa.Array) -> Iterator[str]:
    """Every text in a column, however deep it lies."""
    if isinstance(column, pa.ChunkedArray):
        for chunk in column.chunks:
            yield from strings(chunk)
        return
    kind = column.type
    if pa.types.is_string_view(kind):  # what a merge of deltalake's writes
        yield from strings(column.cast(pa.string()))
    elif pa.types.is_dictionary(kind):
        yield from strings(column.dictionary)
    elif pa.types.is_struct(kind):
        for part in column.flatten():
            yield from strings(part)
    elif pa.types.is_map(kind):
        yield from strings(column.keys)
        yield from strings(column.items)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        yield from strings(column.flatten())
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        yield from (text for text in pc.unique(column).to_pylist() if text is not None)


def _as_strings(table: pa.Table) -> pa.Table:
    """A query's answer has texts as views, of which Arrow computes little."""
    fields = [field.with_type(pa.string()) if pa.types.is_string_view(field.type) else field for field in table.schema]
    return table.cast(pa.schema(fields, table.schema.metadata))


def _rows_of(table: pa.Table, person: Person) -> pa.Array | pa.ChunkedArray:
    """Which rows are of the person's vendor; all, where the table does not say."""
    if person.vendor is None or "vendor" not in table.column_names:
        return pa.array([True] * table.num_rows)
    return pc.fill_null(pc.equal(table["vendor"], person.vendor), True)


def _mask(column: pa.ChunkedArray, person: Person) -> pa.Array:
    hits = {text for text in strings(column) if person.is_in(text)}
    if not hits:
        return pa.array([False] * len(column))
    return pc.fill_null(pc.is_in(column, pa.array(sorted(hits), column.type)), False)


def _parquet(path: Path, person: Person, protected: Collection[str]) -> Rewritten:
    with pq.ParquetFile(path) as file:

        def groups() -> Iterator[tuple[pa.Table, int, int]]:
            for number in range(file.num_row_groups):
                yield rewritten_batch(file.read_row_group(number), person, protected)

        counted = [(changed, kept) for _, changed, kept in groups()]
        values, left = sum(changed for changed, _ in counted), sum(kept for _, kept in counted)
        if not values:
            return Rewritten(None, 0, left)
        made = io.BytesIO()
        # as `TableWriter` has them: no statistics, or the footer would quote the least and the greatest name
        with pq.ParquetWriter(made, file.schema_arrow, compression="zstd", version="2.6", write_statistics=False) as to:
            for table, _, _ in groups():
                to.write_table(table, ROW_GROUP_ROWS)
    return Rewritten(made.getvalue(), values, left)


def _json(content: bytes, person: Person, protected: Collection[str]) -> Rewritten:
    try:
        said = json.loads(content)
    except ValueError:
        return _text(content, person)
    walk = _Walk(person, IDS | set(protected))
    made = walk.of(said, "", {})
    if not walk.values:
        return Rewritten(None, 0, walk.left)
    indent = 1 if b"\n " in content else None
    return Rewritten(json.dumps(made, ensure_ascii=False, indent=indent).encode(), walk.values, walk.left)


class _Walk:
    """Through a JSON value, counting."""

    def __init__(self, person: Person, ids: Collection[str]):
        self.person, self.ids, self.values, self.left = person, ids, 0, 0

    def of(self, value: Any, field: str, beside: dict[str, Any]) -> Any:
        """field: the name that it has; beside: the object in which it has that."""
        if isinstance(value, dict):
            return {name: self.of(inner, name, value) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.of(inner, field, beside) for inner in value]
        if not isinstance(value, str):
            return value
        if value == self.person.name and _is_person(field, beside):
            self.values += 1
            return self.person.new
        if (self.person.is_ambiguous and field not in WORDS) or not self.person.is_in(value):
            return value
        if field in self.ids or (field == "path" and "sha256" in beside):  # a delivered file is found by its path
            self.left += 1
            return value
        self.values += 1
        return self.person.renamed(value)


def _is_person(field: str, beside: dict[str, Any]) -> bool:
    """Whether a field holds an annotator's name, and never anything else."""
    if field in (ANNOTATOR, "annotators", "by"):
        return True
    if field == "subject":
        return beside.get("of") == ANNOTATOR or beside.get("clause") == "limits.annotator_quality"
    return (field == "name" and "judged" in beside) or (field == "source" and beside.get("source_kind") == ANNOTATOR)


def _cells(content: bytes, person: Person) -> Rewritten:
    """A spreadsheet of ours, of which the cells of running text are looked at."""
    rows = read_rows(content)
    places = [place for place, name in enumerate(rows[0]) if name in WORDS] if rows else []
    values = 0
    for row in rows[1:]:
        for place in places:
            if place < len(row) and person.is_in(row[place]):
                row[place], values = safe_cell(person.renamed(row[place])), values + 1
    return Rewritten(written_again(rows), values) if values else Rewritten(None)


def _text(content: bytes, person: Person) -> Rewritten:
    text = content.decode("utf-8", "surrogateescape")
    if not person.is_in(text):
        return Rewritten(None)
    if person.is_ambiguous:
        return Rewritten(b"", 1)
    return Rewritten(person.renamed(text).encode("utf-8", "surrogateescape"), 1)
