"""Random damage to valid files of every format: nothing is lost, nothing escapes, no refusal is without a place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.hostile_oracles import says_where
from labelaudit import readers
from labelaudit.errors import DeliveryRejected
from labelaudit.readers.formats import read_here
from labelaudit.readers.records import Batch
from tests.readers.valid_files import LABELS, LINES, RECORDS, ValidFile, valid_files

pytestmark = pytest.mark.parsers

IN_PROCESS = sorted(set(valid_files()) - {"parquet", "arrow", "excel", "csv.gzip", "csv.zstd", "csv.zip"})
CHECKED = ("parquet", "excel", "csv.gzip", "csv.zip")
"""Formats with checksums: a changed value can't pass for another."""
BYTES = st.sampled_from(
    [b'"', b",", b"\n", b"\r", b"\0", b"\xff", b"{", b"}", b"[", b"]", b":", b"\\", b"1", b"-", b"\t"]
)
fuzzed = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """The content with one to three damages."""
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(len(content) - 1, 0)))
        to = min(len(content), at + draw(st.integers(1, 30)))
        kind = draw(st.sampled_from(["flip", "cut", "insert", "double", "drop", "splice"]))
        if kind == "flip" and content:
            content = content[:at] + bytes([content[at] ^ (1 << draw(st.integers(0, 7)))]) + content[at + 1 :]
        elif kind == "cut":
            content = content[:at]
        elif kind == "insert":
            content = content[:at] + draw(BYTES) + content[at:]
        elif kind == "double":
            content = content[:to] + content[at:]
        elif kind == "drop":
            content = content[:at] + content[to:]
        else:
            other = draw(st.integers(0, len(content)))
            content = content[:at] + content[other : other + to - at] + content[to:]
    return content


def sound(read: Callable[[], list[Batch]], valid: ValidFile) -> list[Batch]:
    """What is read, where all rejects and a refusal say which file and where; nothing where it is refused."""
    refused, batches = "", []
    try:
        batches = read()
    except DeliveryRejected as error:
        refused = str(error)
    if refused:
        assert says_where(DeliveryRejected("unreadable_file", refused), valid.terms.name), refused
    for reject in (reject for batch in batches for reject in batch.rejects):
        assert reject.line >= 1
        assert reject.reason
        assert reject.code
        assert reject.file.startswith(valid.terms.name)
    return batches


@pytest.mark.parametrize("name", sorted(valid_files()))
def test_a_valid_file_is_read_whole(tmp_path: Path, name: str):
    valid = valid_files()[name]
    path = tmp_path / "file.xlsx"
    path.write_bytes(valid.content)
    batches = list(read_here(path, valid.terms))
    assert tuple(label for batch in batches for label in batch.rows["label"].to_pylist()) == valid.labels
    assert [batch.rejects for batch in batches] == [[]] * len(batches)


@pytest.mark.parametrize("name", IN_PROCESS)
@fuzzed
@given(data=st.data())
def test_damage_is_a_reject_or_a_refusal_and_never_an_error(tmp_path: Path, name: str, data: st.DataObject):
    """A reader of ours raises nothing but DeliveryRejected; each reject and refusal says which file and where."""
    valid = valid_files()[name]
    path = tmp_path / "file"
    path.write_bytes(data.draw(damaged(valid.content)))
    sound(lambda: list(read_here(path, valid.terms)), valid)


@pytest.mark.parametrize("name", LINES)
@fuzzed
@given(data=st.data())
def test_damage_to_one_line_is_no_other_lines(tmp_path: Path, name: str, data: st.DataObject):
    """Bytes put into one line change its own rows only: each other line's label comes out on its own line."""
    valid = valid_files()[name]
    lines = valid.content.split(b"\n")[:-1]
    first = len(lines) - RECORDS
    hit = data.draw(st.integers(first, len(lines) - 1))
    at = data.draw(st.integers(0, len(lines[hit])))
    lines[hit] = lines[hit][:at] + data.draw(BYTES.filter(lambda sign: sign not in b"\n\r")) + lines[hit][at:]
    path = tmp_path / "file"
    path.write_bytes(b"\n".join(lines) + b"\n")
    batches = list(read_here(path, valid.terms))
    rows = {row["line"]: row["label"] for batch in batches for row in batch.rows.to_pylist()}
    rejected = {reject.line for batch in batches for reject in batch.rejects}
    every = valid.labels if len(valid.labels) == RECORDS else LABELS
    for record, label in enumerate(every):
        line = first + record + 1
        if line == hit + 1:
            assert line in rows or line in rejected
        else:
            assert rows[line] == label


@pytest.mark.parametrize("name", ["parquet", "arrow", "excel", "csv.gzip", "csv.zstd", "csv.zip"])
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_nothing_escapes_the_process_that_parses(tmp_path: Path, name: str, data: st.DataObject):
    """What libraries parse is damaged, too: rows of the file, rejects, or a refusal; with checksums, no other value."""
    valid = valid_files()[name]
    path = tmp_path / "file.xlsx"
    path.write_bytes(data.draw(damaged(valid.content)))
    batches = sound(lambda: list(readers.read(path, valid.terms)), valid)
    if name in CHECKED and batches and not any(batch.rejects for batch in batches):
        assert tuple(label for batch in batches for label in batch.rows["label"].to_pylist()) == valid.labels
