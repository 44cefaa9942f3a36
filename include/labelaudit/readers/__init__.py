"""Foreign files, format by format: record batches in canonical types, and rejects with line, column and reason."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from labelaudit.readers import delimited, json_lines, parquet
from labelaudit.readers.records import Batch, Terms

READERS = {"csv": delimited.read, "tsv": delimited.read, "jsonl": json_lines.read, "parquet": parquet.read}


def read(path: Path, terms: Terms) -> Iterator[Batch]:
    """The file's rows and rejects, batch by batch, in the file's order.

    Raises DeliveryRejected (unreadable_file, missing_column, column_type) where the file can't be read to its end.
    """
    return READERS[terms.format](path, terms)
