"""Parquet's old int96 times, exactly: Arrow alone lets them overflow or cuts digits off, and says nothing.

They are read twice, as seconds (coarse, never overflowing) and as nanoseconds (fine, modulo 2**64).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from labelaudit.readers.records import BATCH_ROWS
from labelaudit.readers.sources import Source, mapped

SECOND = 1_000_000_000
MOST_NANOSECONDS, MOST_MICROSECONDS = 2**63 // SECOND - 1, 2**63 // 1_000_000 - 1


def int96_columns(file: pq.ParquetFile) -> list[str]:
    """The paths of the columns of int96."""
    columns = (file.schema.column(place) for place in range(file.metadata.num_columns))
    return [column.path for column in columns if column.physical_type == "INT96"]


def with_exact_times(
    path: Source, batches: Iterator[pa.RecordBatch], group: int, columns: Sequence[str] | None, times: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """`batches` of row group `group`, read as nanoseconds, with the columns `times` as what the file has.

    Raises ValueError where Arrow has no unit for a time.
    """
    # the same columns again, so that both readings are cut into the same batches
    with pq.ParquetFile(
        mapped(path), pre_buffer=False, page_checksum_verification=True, coerce_int96_timestamp_unit="s"
    ) as coarse:
        again = coarse.iter_batches(BATCH_ROWS, row_groups=[group], columns=columns, use_threads=False)
        for batch, seconds in zip(batches, again, strict=True):
            for name in times:
                if name not in batch.schema.names:
                    raise ValueError(f"{name}: int96 times within lists or structs are not read")
                place = batch.schema.get_field_index(name)
                batch = batch.set_column(place, name, exact_times(seconds.column(name), batch.column(name)))
            yield batch


def exact_times(seconds: pa.Array, nanoseconds: pa.Array) -> pa.Array:
    """One column from its two readings, in microseconds, or in nanoseconds where it has them."""
    empty = seconds.is_null().to_numpy(zero_copy_only=False)
    coarse, fine = (
        np.where(empty, 0, part.cast(pa.int64()).fill_null(0).to_numpy()) for part in (seconds, nanoseconds)
    )
    with np.errstate(over="ignore"):
        rest = fine - coarse * SECOND
    odd = (rest < 0) | (rest >= SECOND) | (np.abs(coarse) > MOST_MICROSECONDS)
    precise = bool((rest % 1_000)[~odd].any())
    if precise:
        odd |= np.abs(coarse) > MOST_NANOSECONDS
    if odd.any():
        raise ValueError(
            f"{int(odd.sum())} int96 times that no column can hold, the first in row {int(odd.argmax()) + 1} from there"
        )
    if precise:
        return nanoseconds
    return pa.array(coarse * 1_000_000 + rest // 1_000, pa.timestamp("us"), mask=empty)
