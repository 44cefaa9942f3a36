"""JSON Lines: one object a line, as RFC 8259 has it (no NaN, no key twice)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from labelaudit.readers.conversion import to_batch
from labelaudit.readers.opening import is_text, lines, shown
from labelaudit.readers.records import BATCH_ROWS, TEXT_CHARACTERS, Batch, Reject, Terms, places


def read(path: Path, terms: Terms) -> Iterator[Batch]:
    sources = [one.source for one in terms.fields] + list(terms.probabilities)
    optional = {one.source for one in terms.fields if not one.required}
    seen: set[str] = set()
    numbers: list[int] = []
    texts: list[str] = []
    rows: list[dict[str, Any]] = []
    rejects: list[Reject] = []

    def batch() -> Batch:
        columns = {source: [row.get(source) for row in rows] for source in sources}
        made = to_batch(terms, columns, numbers, lambda row: shown(texts[row]), typed=True)
        made.rejects.extend(rejects)
        made.rejects.sort(key=lambda reject: reject.line)
        return made

    for number, line in enumerate(lines(path, terms), 1):
        if not line.strip():
            continue
        try:
            record = _record(line, terms)
        except ValueError as error:
            code = "malformed" if is_text(line) else "bad_encoding"
            rejects.append(Reject(terms.name, number, None, code, str(error), shown(line)[:TEXT_CHARACTERS]))
        else:
            missing = [source for source in sources if source not in record and source not in optional]
            if missing and not seen:
                places(terms, list(record))  # the first record shows whether the columns are called something else
            if missing:
                reason = f"no key {missing[0]!r}"
                rejects.append(Reject(terms.name, number, missing[0], "empty", reason, shown(line)[:TEXT_CHARACTERS]))
            else:
                seen.update(record)
                numbers.append(number)
                texts.append(line)
                rows.append(record)
        if len(rows) + len(rejects) >= BATCH_ROWS:
            yield batch()
            numbers, texts, rows, rejects = [], [], [], []
    if rows or rejects:
        yield batch()


def _record(line: str, terms: Terms) -> dict[str, Any]:
    if not is_text(line):
        raise ValueError(f"bytes that are not {terms.encoding}")
    try:
        record = json.loads(line, object_pairs_hook=_object, parse_constant=_no_constant)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} (column {error.colno})") from error
    if not isinstance(record, dict):
        raise ValueError(f"not a JSON object but {type(record).__name__}")
    return record


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        raise ValueError("a key is given twice")
    return record


def _no_constant(name: str) -> None:
    raise ValueError(f"not JSON: {name}")
