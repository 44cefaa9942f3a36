"""Parquet, row group by row group; its types must fit the contract's, and nothing is cast with a loss."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from labelaudit.errors import DeliveryRejected
from labelaudit.readers.conversion import vectors
from labelaudit.readers.opening import opened
from labelaudit.readers.records import ARROW_TYPES, BATCH_ROWS, Batch, Field, Reject, Terms, places, schema_of
from labelaudit.store import scratch


def read(path: Path, terms: Terms) -> Iterator[Batch]:
    with _plain(path, terms) as plain:
        try:
            file = pq.ParquetFile(plain)
        except (pa.ArrowException, OSError) as error:
            raise DeliveryRejected("unreadable_file", f"{terms.name}: not Parquet: {str(error)[:300]}") from error
        where = places(terms, file.schema_arrow.names)
        columns = [source for source, place in where.items() if place is not None]
        for one in terms.fields:
            if where[one.source] is not None:
                _require_type(one, file.schema_arrow.field(one.source).type, terms)
        start = 1
        try:
            for rows in file.iter_batches(BATCH_ROWS, columns=columns):
                yield _batch(rows, terms, where, start)
                start += rows.num_rows
        except (pa.ArrowException, OSError) as error:
            raise DeliveryRejected(
                "unreadable_file", f"{terms.name}, from row {start}: can't be read: {str(error)[:300]}"
            ) from error


@contextmanager
def _plain(path: Path, terms: Terms) -> Iterator[Path]:
    """The file itself, or decompressed."""
    with scratch() as folder, opened(path, terms) as stream:
        if not isinstance(stream, gzip.GzipFile):
            yield path
            return
        plain = folder / "plain.parquet"
        with plain.open("wb") as target:
            shutil.copyfileobj(stream, target, 1 << 20)
        yield plain


def _require_type(one: Field, found: pa.DataType, terms: Terms) -> None:
    inner = found.value_type if pa.types.is_dictionary(found) else found
    fits = {
        "string": pa.types.is_string(inner) or pa.types.is_large_string(inner) or pa.types.is_integer(inner),
        "integer": pa.types.is_integer(inner),
        "number": pa.types.is_integer(inner) or pa.types.is_floating(inner),
        "boolean": pa.types.is_boolean(inner),
        "timestamp": pa.types.is_timestamp(inner),
        "vector": pa.types.is_list(inner) or pa.types.is_large_list(inner) or pa.types.is_fixed_size_list(inner),
    }
    if not fits[one.type]:
        raise DeliveryRejected(
            "column_type",
            f"{terms.name}: column {one.source!r} is of type {found}, the contract says {one.type}. Write it as"
            f" {one.type}, or change the contract.",
        )


def _batch(rows: pa.RecordBatch, terms: Terms, where: dict[str, int | None], start: int) -> Batch:
    count = rows.num_rows
    bad: dict[int, tuple[str, str, str]] = {}
    arrays: list[pa.Array] = []
    for one in terms.fields:
        if where[one.source] is None:
            arrays.append(pa.nulls(count, ARROW_TYPES[one.type]))
            continue
        array = rows.column(one.source)
        array = array.dictionary_decode() if pa.types.is_dictionary(array.type) else array
        arrays.append(array := array.cast(ARROW_TYPES[one.type]))
        for row, (code, reason) in _failures(one, array).items():
            bad.setdefault(row, (one.source, code, reason))
    if terms.probabilities:
        matrix = np.zeros((count, len(terms.probabilities)), np.float32)
        for position, source in enumerate(terms.probabilities):
            array = rows.column(source).cast(pa.float64())
            matrix[:, position] = array.fill_null(0).to_numpy(zero_copy_only=False)
            for row, (code, reason) in _failures(Field(source, source, "number"), array).items():
                bad.setdefault(row, (source, code, reason))
        arrays.append(vectors(matrix))
    arrays += [pa.array([terms.name] * count, pa.string()), pa.array(np.arange(start, start + count))]
    arrays.append(pa.nulls(count, pa.string()))
    table = pa.Table.from_arrays(arrays, schema=schema_of(terms))
    if not bad:
        return Batch(table)
    keep = np.ones(count, bool)
    keep[list(bad)] = False
    rejects = [
        Reject(terms.name, start + row, column, code, reason, str(rows.slice(row, 1).to_pylist()[0])[:2_000])
        for row, (column, code, reason) in sorted(bad.items())
    ]
    return Batch(table.filter(pa.array(keep)), rejects)


def _failures(one: Field, array: pa.Array) -> dict[int, tuple[str, str]]:
    found: dict[int, tuple[str, str]] = {}
    if not one.nullable:
        empty = pc.or_(pc.is_null(array), pc.equal(array, "")) if one.type == "string" else pc.is_null(array)
        found |= dict.fromkeys(_rows(empty.fill_null(True)), ("empty", f"`{one.source}` is empty"))
    if one.type == "number":
        unfit = pc.invert(pc.is_finite(array)).fill_null(False)
        found |= dict.fromkeys(_rows(unfit), ("wrong_type", f"`{one.source}` is not a finite number"))
    if one.type == "vector":
        unfit = pc.not_equal(pc.list_value_length(array), one.length).fill_null(False)
        reason = f"`{one.source}` does not have the {one.length} numbers of the contract"
        found |= dict.fromkeys(_rows(unfit), ("wrong_length", reason))
        parents = pc.list_parent_indices(array)
        inside = pc.invert(pc.is_finite(pc.list_flatten(array)).fill_null(False))
        broken = np.unique(parents.filter(inside).to_numpy())
        found |= dict.fromkeys(map(int, broken), ("wrong_type", f"`{one.source}` holds what is not a finite number"))
    return found


def _rows(mask: pa.Array) -> list[int]:
    return [int(row) for row in np.flatnonzero(mask.to_numpy(zero_copy_only=False))]
