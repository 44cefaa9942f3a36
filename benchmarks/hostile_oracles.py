"""What the files of a corpus hold, by somebody else than our readers, and the verdict on what was read of them.

Where no such answer exists the verdict is "read, not verified": an oracle that repeats the reader proves nothing.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelaudit.errors import DeliveryRejected
from labelaudit.readers.terms import Terms
from labelaudit.rejects.records import Reject

RIGHT, UNVERIFIED, REFUSED, WRONG, CRASHED = "read right", "not verified", "refused", "silently wrong", "crashed"


@dataclass(frozen=True)
class Expected:
    """What must come out of a file.

    `rows` are all sound rows in order, as `key` has them (None: nobody knows). `sound`: True, all must be read; False,
    something must be refused. `records`: no fewer rows and rejects may come out. `words`: labels are among these.
    """

    rows: tuple[str, ...] | None = None
    sound: bool | None = None
    records: int = 0
    words: frozenset[str] | None = None


@dataclass(frozen=True)
class Found:
    """What a reader gave: rows as `key` has them, their labels, rejects; or why it gave up."""

    rows: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    rejects: tuple[Reject, ...] = ()
    refusal: DeliveryRejected | None = None
    crash: str = ""


@dataclass(frozen=True)
class Verdict:
    """One of the five words, why, and whether every refusal says where. `needless`: a sound file was refused."""

    word: str
    why: str = ""
    located: bool = True
    needless: bool = False


def key(cells: Any) -> str:
    """A row's cells in a form that compares: names sorted, types kept."""
    return json.dumps(cells, sort_keys=True, default=str, ensure_ascii=False)


def judged(found: Found, expected: Expected, name: str) -> Verdict:
    """The verdict on one file."""
    if found.crash:
        return Verdict(CRASHED, found.crash)
    if found.refusal:
        return Verdict(REFUSED, str(found.refusal), says_where(found.refusal, name), expected.sound is True)
    located = all(reject.line >= 1 and reject.reason and reject.file.startswith(name) for reject in found.rejects)
    refused = Verdict(REFUSED, _first(found.rejects), located, expected.sound is True)
    if expected.sound is False and not found.rejects:
        return Verdict(WRONG, f"accepted whole, {len(found.rows)} rows")
    if len(found.rows) + len(found.rejects) < expected.records:
        return Verdict(WRONG, f"{len(found.rows)} rows, {len(found.rejects)} rejects of {expected.records} records")
    strange = [] if expected.words is None else [label for label in found.labels if label not in expected.words]
    if strange:
        return Verdict(WRONG, f"labels that the file does not have: {strange[:3]}")
    if expected.rows is None:
        return refused if found.rejects else Verdict(UNVERIFIED)
    wanted, given = Counter(expected.rows), Counter(found.rows)
    if more := given - wanted:
        return Verdict(WRONG, f"rows that it does not hold: {next(iter(more))[:300]}")
    if (lost := (wanted - given).total()) > len(found.rejects):
        return Verdict(WRONG, f"{lost} rows lost, {len(found.rejects)} rejects")
    if not lost and found.rows != expected.rows:
        return Verdict(WRONG, "the rows are in another order")
    return refused if found.rejects else Verdict(RIGHT)


WHERE = re.compile(
    r"line \d+|row \d+|row group \d+|record batch \d+|column|header|footer|schema|\$|sheet|workbook|archive"
    r"|(gzip|zstd) data|no single place|it (is|looks|unpacks|holds)"
)


def says_where(refusal: DeliveryRejected, name: str) -> bool:
    """Whether a refusal begins with the file's name and says where, or that it is about the whole file."""
    said = str(refusal)
    return said.startswith(name) and bool(WHERE.search(said[len(name) :]) or refusal.code in ("too_large", "too_slow"))


def _first(rejects: tuple[Reject, ...]) -> str:
    return f"{len(rejects)} rejects; line {rejects[0].line}: {rejects[0].code}: {rejects[0].reason}" if rejects else ""


def expected(path: Path, terms: Terms) -> Expected:
    """The answer that the corpus has for one of its files, or an independent parser gives.

    csv-spectrum and csv-test-data: the JSON beside it. Pollock: the clean twin, by Python's csv. JSONTestSuite: the
    name's first letter and Python's json. Parquet: `_expect.csv`; what is known to be corrupt or encrypted must be
    refused. Exports: Python's json counts the records, COCO's labels are joined anew. All other files: nobody knows.
    """
    folder = path.parent
    if terms.format in ("csv", "tsv"):
        if (answer := folder.parent / "json" / f"{path.stem}.json").is_file():
            return _json_twin(json.loads(answer.read_text("utf-8")))
        if (answer := folder.parent / "clean" / path.name).is_file():
            return _clean_twin(answer, path, terms)
        return _plain_csv(path, terms)
    if terms.format in ("parquet", "arrow"):
        return _parquet(path)
    if terms.format == "excel" or terms.compression != "none":
        return Expected()
    if re.match(r"[yni]_", path.name):
        return _suite(path, terms)
    if terms.format in ("json", "jsonl"):
        return _flat(path, terms)
    return _coco(path) if terms.format == "coco" else _export(path, terms)


def _clean_twin(answer: Path, path: Path, terms: Terms) -> Expected:
    """The twin's rows; where it does not speak of what the contract can declare, only what must be refused.

    A second header line within the file begins a second table, which the twin leaves out: the line must be a reject,
    and the rows behind it are sound. An escape that is neither the quote nor a backslash can't be declared.
    """
    with answer.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    said = path.parent.parent / "parameters" / f"{path.name}_parameters.json"
    escape = json.loads(said.read_text("utf-8")).get("escapechar") if said.is_file() else ""
    if escape not in ("", None, "\\", terms.quote):
        return Expected(records=len(rows) - 1)
    if rows and _headers(path, terms, rows[0]) > 1:
        return Expected(None, False, len(rows) - 1)
    if not rows:  # an empty file has no table: whatever comes out of it is too much
        return Expected(())
    header = list(terms.header) or rows[0]
    body = rows[1:] if rows[0] == header else rows  # the twin of a file without a header has none either
    return Expected(tuple(key(dict(zip(header, row, strict=False))) for row in body))


def _headers(path: Path, terms: Terms, header: list[str]) -> int:
    """How often the header stands in a file, by Python's csv."""
    text = path.read_bytes().decode(terms.encoding, "replace")
    grammar = {"delimiter": terms.delimiter, "quotechar": terms.quote or '"'}
    return sum(row == header for row in csv.reader(text.splitlines(), **grammar))


def _json_twin(value: Any) -> Expected:
    """Of objects, each a row; or of lists, of which the first is the header. Rows of another width are no rows."""
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(value, list) for value in values):
        return Expected(tuple(map(key, values)))
    header, *body = values
    whole = [row for row in body if len(row) == len(header)]
    return Expected(tuple(key(dict(zip(header, row, strict=True))) for row in whole), None, len(body))


def _plain_csv(path: Path, terms: Terms) -> Expected:
    """By splitting, where the file has no quote at all; else nobody knows."""
    try:
        text = path.read_bytes().decode(terms.encoding).removeprefix("\ufeff")
    except UnicodeDecodeError:
        return Expected()
    if (terms.quote and terms.quote in text) or "\r" in text.replace("\r\n", ""):
        return Expected(records=1)
    rows = [line.split(terms.delimiter) for line in text.replace("\r\n", "\n").split("\n") if line]
    if not rows:
        return Expected(sound=False)
    same = [row for row in rows[1:] if len(row) == len(rows[0])]
    return Expected(tuple(key(dict(zip(rows[0], row, strict=True))) for row in same), None, len(rows) - 1)


LEGAL = ("ARROW-GH-43605.parquet", "ARROW-GH-41764-unknown-logical-type.parquet")
"""Files that broke a reader once, and are as the format has them: a bit width of 0, a type that came later. So are
those of `bad_data/variants`, whose columns of bytes hold bad variants: Parquet knows nothing of it."""


def _parquet(path: Path) -> Expected:
    bad = "bad_data" in path.parts and path.name not in LEGAL and "variants" not in path.parts
    if bad or "corrupt-checksum" in path.name or path.name.endswith(".encrypted"):
        return Expected(sound=False)
    answer = path.with_name(f"{path.stem}_expect.csv")
    if not answer.is_file():
        return Expected()
    with answer.open(encoding="utf-8", newline="") as file:
        return Expected(records=len(list(csv.DictReader(file))))


def _twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a key is given twice")
    return dict(pairs)


def _no_constant(name: str) -> None:
    raise ValueError(name)


def parsed(text: bytes) -> Any:
    """By Python's json, with its laxness taken away. Raises ValueError or RecursionError."""
    return json.loads(text.decode().removeprefix("\ufeff"), object_pairs_hook=_twice, parse_constant=_no_constant)


def _suite(path: Path, terms: Terms) -> Expected:
    """`y_` must be right if it is read, `n_` must not be read whole, `i_` may be either."""
    content = path.read_bytes()
    if path.name.startswith("n_"):
        blank = not content.removeprefix(b"\xef\xbb\xbf").strip(b" \t\r\n")
        return Expected(sound=None if blank and terms.format == "jsonl" else False)
    try:
        return _of_values(_values(content, terms))
    except (ValueError, RecursionError):
        return Expected()


def _values(content: bytes, terms: Terms) -> list[Any]:
    if terms.format == "jsonl" or terms.container == "jsonl":
        return [parsed(line) for line in content.removeprefix(b"\xef\xbb\xbf").split(b"\n") if line.strip()]
    value = parsed(content)
    return value if isinstance(value, list) else [value]


def _of_values(values: list[Any]) -> Expected:
    return Expected(tuple(key(value) for value in values if isinstance(value, dict)), None, len(values))


def _flat(path: Path, terms: Terms) -> Expected:
    try:
        return _of_values(_values(path.read_bytes(), terms))
    except (ValueError, RecursionError):
        return Expected(sound=False)


def _export(path: Path, terms: Terms) -> Expected:
    """No fewer rows and rejects than records, and no label that the file does not hold somewhere."""
    try:
        values = _values(path.read_bytes(), terms)
    except (ValueError, RecursionError):
        return Expected(sound=False)
    derived = {"true", "false", "a", "b"} if terms.format in ("preference", "kto", "rubric") else set()
    words = derived | {str(scalar) for value in values for scalar in _scalars(value)}
    return Expected(None, None, len(values), frozenset(words))


def _scalars(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from _scalars(part)
    else:
        yield value


def coco_label(annotation: Any, names: dict[str, str]) -> str | None:
    """The name of an annotation's category, joined by JSON's own text of its id, so that 1 is not "1"."""
    return names.get(json.dumps(annotation.get("category_id"))) if isinstance(annotation, dict) else None


def _coco(path: Path) -> Expected:
    """Each annotation comes out; labels are the names of categories."""
    try:
        document = parsed(path.read_bytes())
    except (ValueError, RecursionError):
        return Expected(sound=False)
    lists = document if isinstance(document, dict) else {}
    annotations, categories = lists.get("annotations"), lists.get("categories")
    if not isinstance(annotations, list) or not isinstance(categories, list):
        return Expected(sound=None if isinstance(document, list) else False)
    names = {
        json.dumps(category.get("id")): str(category.get("name"))
        for category in categories
        if isinstance(category, dict)
    }
    return Expected(None, None, len(annotations), frozenset(names.values()))
