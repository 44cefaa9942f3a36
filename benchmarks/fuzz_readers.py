"""Coverage-guided fuzzing of our own parsers by atheris; whatever is raised but a refusal is a finding.

`python -m benchmarks.fuzz_readers [SECONDS each]`. Atheris ends its process, so each target has one of its own. A
finding is printed with the bytes that made it, and left as `crash-…` in the folder named; the exit code is then 1.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from labelaudit.errors import DeliveryRejected
from labelaudit.readers.formats import read_here
from labelaudit.readers.records import Batch
from labelaudit.readers.terms import Field
from tests.readers.valid_files import valid_files

INSTRUMENTED = (
    "labelaudit.readers.tables.delimited",
    "labelaudit.readers.tables.csv_records",
    "labelaudit.readers.tables.csv_blocks",
    "labelaudit.readers.documents.json_documents",
    "labelaudit.readers.documents.json_lines",
    "labelaudit.readers.documents.strict_json",
    "labelaudit.readers.conversion",
    "labelaudit.readers.documents.nested",
    "labelaudit.readers.exports",
)
_TYPED = (
    Field("item", "item"),
    Field("seconds", "annotator", "number", nullable=True),
    Field("when", "label", "timestamp", nullable=True),
    Field("pixels", "note", "vector", length=2, nullable=True),
)
TARGETS = ("strict_json", "conversion", "csv", "csv_backslash", "json", *sorted(set(valid_files()) - {"csv", "json"}))
BINARY = ("parquet", "arrow", "excel", "csv.gzip", "csv.zstd", "csv.zip")
"""Parsed by libraries, which may crash: their place is the subprocess (tests/readers/test_fuzz.py)."""


def accounted(batches: list[Batch]) -> None:
    """Raises AssertionError where a reject says no place, or a row stands on no line."""
    for batch in batches:
        assert all(reject.line >= 1 and reject.reason and reject.code for reject in batch.rejects)
        assert all(line >= 1 for line in batch.rows["line"].to_pylist())
        batch.rows.validate(full=True)


def _reading(name: str, folder: Path) -> Callable[[bytes], None]:
    packed = {"csv_backslash": "csv", "conversion": "csv"}
    terms = valid_files()[packed.get(name, name)].terms
    if name == "csv_backslash":
        terms = replace(terms, escape="backslash", decimal=",")
    if name == "conversion":
        terms = replace(terms, fields=_TYPED)
    path = folder / "fuzzed"

    def read(content: bytes) -> None:
        path.write_bytes(content)
        try:
            accounted(list(read_here(path, terms)))
        except DeliveryRejected as error:
            if not str(error).startswith(terms.name):
                raise AssertionError(f"no file's name: {error}") from error

    return read


def both_parsers(content: bytes) -> None:
    """The quick JSON parser and the strict one say the same of every text."""
    from labelaudit.readers.documents.strict_json import (  # not above: it is instrumented as it is imported
        BadJson,
        loads,
        strict,
    )

    said = []
    for parse in (loads, strict):
        try:
            said.append(json.dumps(parse(content)))
        except BadJson:
            said.append(None)
    assert said[0] == said[1], said


def fuzz(name: str, seconds: int, folder: Path) -> None:
    """Fuzz one target in this process, which atheris ends."""
    import atheris

    with atheris.instrument_imports(include=["labelaudit.readers"]):
        for module in INSTRUMENTED:
            __import__(module)
    seed = valid_files()[{"strict_json": "jsonl", "conversion": "csv", "csv_backslash": "csv"}.get(name, name)].content
    (folder / "seeds").mkdir()
    (folder / "seeds" / "valid").write_bytes(seed if name != "strict_json" else seed.split(b"\n")[0])
    target = both_parsers if name == "strict_json" else _reading(name, folder)
    limits = [f"-max_total_time={seconds}", "-max_len=4096", "-timeout=20", "-verbosity=0"]
    atheris.Setup([sys.argv[0], *limits, f"-artifact_prefix={folder}/", str(folder / "seeds")], target)
    atheris.Fuzz()


def main(seconds: int) -> int:
    failed = []
    for name in (target for target in TARGETS if target not in BINARY):
        folder = Path(tempfile.mkdtemp(prefix=f"labelaudit-fuzz-{name}-"))
        command = [sys.executable, "-m", "benchmarks.fuzz_readers", name, str(seconds), str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        found = sorted(folder.glob("crash-*")) + sorted(folder.glob("timeout-*"))
        print(f"{name:<20} {'finding in ' + str(folder) if found or done.returncode else 'nothing found'}", flush=True)
        if found or done.returncode:
            failed.append(name)
            print(done.stderr[-3_000:], *(path.read_bytes()[:500] for path in found), sep="\n")
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) == 4:
        fuzz(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 60))
