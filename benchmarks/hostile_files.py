"""Read every hostile file there is, and say what came of it: read right, refused, silently wrong, crashed.

`python -m benchmarks.hostile_files [--only WORD] [FOLDER ...]`: the public corpora (public_data.FOLDER / "corpora"),
the folders given, and corpora made here; `--only` takes those with the word in their name. The exit code is 1 where a
file is silently wrong or crashed, or a refusal says no place.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from benchmarks import hostile_bombs, hostile_cases, hostile_exports, public_data
from benchmarks.hostile_oracles import (
    CRASHED,
    REFUSED,
    RIGHT,
    UNVERIFIED,
    WRONG,
    Expected,
    Found,
    Verdict,
    expected,
    judged,
    key,
)
from labelaudit import readers
from labelaudit.errors import DeliveryRejected
from labelaudit.readers.terms import Terms
from labelaudit.rejects.records import Reject

ROWS_COMPARED = 100_000
COLUMNS = ("files", RIGHT, UNVERIFIED, REFUSED, "of them sound", WRONG, CRASHED)
_PACKED = {".gz": "gzip", ".zst": "zstd", ".zip": "zip"}
_SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".xlsx": "excel",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".encrypted": "parquet",
}
_TOOLS = ("label_studio", "labelbox", "prodigy", "doccano", "coco", "scale")
_NO_DELIVERY = ("parameters", "clean", "json", "node_modules")
"""Folders beside the files of a corpus, with answers or dialects."""


@dataclass(frozen=True)
class Case:
    """A file of a corpus, how it is read, and what must come out."""

    corpus: str
    path: Path
    terms: Terms
    expected: Expected


def plan(path: Path) -> tuple[Terms, ...]:
    """How a contract for this corpus would have the file read; empty where it is no delivery.

    * The suffix says the format; .gz, .zst and .zip before it the packing.
    * JSON of a tool is known by the tool's name in its path; `json_min` is Label Studio's short form; what lies in
      `label_types` or is called `label_config` is no export.
    * A name of JSONTestSuite (`y_`, `n_`, `i_`) is read as a document and as lines.
    * A CSV with `../parameters/NAME_parameters.json` has the dialect that is declared there (Pollock).
    """
    name, compression = path.name.lower(), "none"
    for suffix, packed in _PACKED.items():
        if name.endswith(suffix):
            name, compression = name.removesuffix(suffix), packed
    kind = _SUFFIXES.get(Path(name).suffix, "")
    if not kind or path.parent.name in _NO_DELIVERY or name.endswith("_expect.csv") or name == "package.json":
        return ()
    terms = Terms(path.name, kind, compression=compression)
    if kind in ("csv", "tsv"):
        return (_dialect(path, terms),)
    if kind not in ("json", "jsonl"):
        return (terms,)
    if re.match(r"[yni]_", name):
        return replace(terms, format="json"), replace(terms, format="jsonl")
    place = str(path).lower().replace("-", "_")
    tool = next((tool for tool in _TOOLS if tool in place), "")
    if not tool or "label_types" in place or "label_config" in place:
        return (terms,)
    if tool == "label_studio" and "json_min" in place:
        tool = "label_studio_min"
    return (replace(terms, format=tool, container=kind),)


def _dialect(path: Path, terms: Terms) -> Terms:
    tabs = replace(terms, delimiter="\t") if terms.format == "tsv" else terms
    said = path.parent.parent / "parameters" / f"{path.name}_parameters.json"
    if not said.is_file():
        return replace(tabs, encoding="utf-16") if "utf16" in path.name else tabs
    dialect = json.loads(said.read_text("utf-8"))
    lines, names = int(dialect.get("header_lines", 1)), tuple(dialect.get("column_names") or ())
    skip = int(dialect.get("preamble_lines", 0))
    encoding = {"ascii": "utf-8", "utf_8": "utf-8", "iso-8859-1": "latin-1"}.get(str(dialect["encoding"]).lower())
    declared = replace(
        tabs,
        delimiter=(dialect.get("delimiter") or ",")[0],
        quote=(dialect.get("quotechar") or None),
        escape="backslash" if dialect.get("escapechar") == "\\" else "doubled",
        encoding=encoding or str(dialect["encoding"]).lower(),
        skip_lines=skip,
    )
    return declared if lines == 1 else replace(declared, skip_lines=skip + lines, header=names)


def of_folder(folder: Path) -> Iterator[Case]:
    """The files of a folder of corpora, or of one corpus."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        within = path.relative_to(folder).parts
        corpus = within[0] if len(within) > 2 and folder.name == "corpora" else folder.name
        for terms in plan(path):
            yield Case(corpus, path, terms, expected(path, terms))


def made_here(folder: Path, only: str = "") -> Iterator[Case]:
    """The corpora that are made here, each file written when its turn comes."""
    for number, one in enumerate(chain(hostile_cases.cases(), hostile_exports.cases(), hostile_bombs.cases())):
        if only not in one.corpus:
            continue
        path = folder / f"{number}{one.suffix}"
        one.write(path)
        yield Case(one.corpus, path, replace(one.terms, name=one.name), one.expected)
        path.unlink()


def read(case: Case) -> Found:
    """The file's rows by the contract's fields, or, where there are none, as the file has them."""
    rows: list[str] = []
    labels: list[str] = []
    rejects: list[Reject] = []
    try:
        for cells, reject in _everything(case):
            if reject is None:
                rows.append(key(cells))
                labels.append(str(cells.get("label")))
            else:
                rejects.append(reject)
    except DeliveryRejected as error:
        return Found(refusal=error)
    except Exception as error:  # whatever else escapes is what this benchmark looks for
        return Found(crash=f"{type(error).__name__}: {error}"[:300])
    return Found(tuple(rows), tuple(labels), tuple(rejects))


def _everything(case: Case) -> Iterator[tuple[dict[str, Any], Reject | None]]:
    if not case.terms.fields:
        for record in readers.rows(case.path, case.terms):
            yield ({}, record) if isinstance(record, Reject) else (record.cells, None)
        return
    names, compared = [field.name for field in case.terms.fields], 0
    for batch in readers.read(case.path, case.terms):
        compared += batch.rows.num_rows
        if compared > ROWS_COMPARED:
            continue  # a bomb of rows: only its end is of interest
        yield from ((row, None) for row in batch.rows.select(names).to_pylist())
        yield from (({}, reject) for reject in batch.rejects)


def main(folders: list[str], only: str) -> int:
    counts: dict[str, Counter[str]] = {}
    bad: list[str] = []
    codes: Counter[str] = Counter()
    needless: list[str] = []
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="labelaudit-hostile-") as scratch:
        public = public_data.FOLDER / "corpora"
        chosen = [*([public] if public.is_dir() else []), *map(Path, folders)]
        given = (one for folder in chosen for one in of_folder(folder))
        for case in chain(given, made_here(Path(scratch), only)):
            if only not in case.corpus:
                continue
            found = read(case)
            verdict = judged(found, case.expected, case.terms.name)
            counted = counts.setdefault(case.corpus, Counter())
            counted.update(["files", verdict.word, *(["of them sound"] if verdict.needless else [])])
            codes.update(_codes(found))
            where = f"{case.corpus}: {case.terms.name} as {case.terms.format}: {verdict.why}"
            if verdict.needless:
                needless.append(where)
            bad += _complaints(verdict, where)
    _print_table(counts)
    print("\nrefused, by code:", ", ".join(f"{code} {count}" for code, count in codes.most_common()))
    for title, listed in (("sound, and refused", needless), ("SILENTLY WRONG, CRASHED, NOT LOCATED", bad)):
        print(f"\n{title}: {len(listed)}", *listed, sep="\n  ")
    print(f"\n{time.monotonic() - begun:.0f} s")
    return 1 if bad else 0


def _codes(found: Found) -> set[str]:
    return {found.refusal.code} if found.refusal else {reject.code for reject in found.rejects}


def _complaints(verdict: Verdict, where: str) -> list[str]:
    if verdict.word in (WRONG, CRASHED):
        return [f"{verdict.word}: {where}"]
    return [] if verdict.located else [f"not located: {where}"]


def _print_table(counts: dict[str, Counter[str]]) -> None:
    total = Counter()
    print(f"{'corpus':<28}" + "".join(f"{name:>16}" for name in COLUMNS))
    for corpus, counted in [*sorted(counts.items()), ("all", total)]:
        print(f"{corpus:<28}" + "".join(f"{counted[name]:>16}" for name in COLUMNS))
        total.update(counted)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*")
    parser.add_argument("--only", default="", help="a word in the names of the corpora to read")
    arguments = parser.parse_args()
    sys.exit(main(arguments.folders, arguments.only))
