"""A Parquet file's row groups as shards for the detectors, decoded ahead."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from labelaudit.errors import InvalidInput

READ_AHEAD = 4
"""Row groups that parquet_shards decodes ahead, on no more threads than there are cores."""


def parquet_shards(
    path: Path, label: str = "label", pred_probs: str = "pred_probs"
) -> Callable[[], Iterator[tuple[np.ndarray, np.ndarray]]]:
    """The row groups of a Parquet file as shards of labels int (n,) and pred_probs float (n, K).

    pred_probs holds lists of K floats; or, decoded ten times as fast, fixed-size binary of K little-endian float32.
    READ_AHEAD threads decode the next row groups while one is worked on: as many are in memory, and one more. Raises
    InvalidInput where a list is missing, or is not as long as the others.
    """

    def read(number: int, metadata: pq.FileMetaData) -> tuple[np.ndarray, np.ndarray]:
        with pq.ParquetFile(path, metadata=metadata) as file:  # one each: a reader is not made for several threads
            rows = file.read_row_group(number, columns=[label, pred_probs], use_threads=False)
        try:
            return rows[label].to_numpy(), _matrix(rows[pred_probs])
        except InvalidInput as error:
            raise InvalidInput(f"{path}, row group {number}: column {pred_probs!r} {error}") from None

    def shards() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        metadata = pq.read_metadata(path)
        threads = max(1, min(os.cpu_count() or 1, READ_AHEAD))
        with ThreadPoolExecutor(threads, "parquet_shards") as pool:
            coming: deque[Future] = deque()
            try:
                for number in range(metadata.num_row_groups):
                    coming.append(pool.submit(read, number, metadata))
                    if len(coming) > threads:
                        yield coming.popleft().result()
                while coming:
                    yield coming.popleft().result()
            finally:
                for one in coming:
                    one.cancel()

    return shards


def _matrix(column: pa.ChunkedArray) -> np.ndarray:
    """A column of lists, or of fixed-size binary, as (n, K): a view where it is in one piece."""
    vectors = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    if vectors.null_count:
        raise InvalidInput(f"has {vectors.null_count} rows without a value")
    rows, kind = len(vectors), vectors.type
    if pa.types.is_fixed_size_binary(kind):
        if kind.byte_width % 4:
            raise InvalidInput(f"has {kind.byte_width} bytes a row: no whole number of float32")
        flat = np.frombuffer(vectors.buffers()[1] or b"", "<f4")
        width = kind.byte_width // 4
        return flat[vectors.offset * width : (vectors.offset + rows) * width].reshape(rows, width)
    if not (_is_list(kind) and pa.types.is_floating(kind.value_type)):
        raise InvalidInput(f"is {kind}: neither lists of floats nor fixed-size binary")
    values = vectors.flatten()
    if values.null_count:
        raise InvalidInput(f"has {values.null_count} lists with a missing number")
    width = len(values) // max(rows, 1)
    if not pa.types.is_fixed_size_list(kind) and not (np.diff(vectors.offsets.to_numpy()) == width).all():
        raise InvalidInput("has lists of several lengths")
    return values.to_numpy().reshape(rows, width)


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
