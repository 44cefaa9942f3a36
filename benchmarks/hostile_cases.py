"""CSV polluted in every way of Pollock's list, and JSON texts that keep and break each rule of RFC 8259.

Each file is one clean table with one thing wrong: what is accepted must be a part of the clean table, and what is
missing must be a reject.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.hostile_oracles import Expected, key
from labelaudit.readers.terms import Field, Terms

COLUMNS = ("item", "annotator", "label", "note")
FIELDS = tuple(Field(name, name, nullable=name == "note") for name in COLUMNS)
TABLE = [
    ("i1", "ann", "cat", "plain"),
    ("007", "NA", "1e5", "a, comma"),
    ("i3", "None", " yes", 'a "word" quoted'),
    ("i4", "bob", "dog", "two\nlines"),
    ("i5", "bob", "café", "naïve, ü"),
    ("i6", "cyd", "null", "-"),
    ("i7", "cyd", "0x1F", "=1+1"),
    ("i8", "dan", "inf", "'single'"),
]
CSV = Terms("labels.csv", "csv", FIELDS)


@dataclass(frozen=True)
class Made:
    """A file to be made: how it is written and read, and what must come out of it."""

    corpus: str
    name: str
    suffix: str
    terms: Terms
    write: Callable[[Path], Any]
    expected: Expected


def holding(corpus: str, name: str, terms: Terms, content: bytes, expected: Expected) -> Made:
    """A file of these bytes."""
    suffix = ".xlsx" if terms.format == "excel" else f".{terms.format}"
    return Made(corpus, name, suffix, terms, lambda path: path.write_bytes(content), expected)


def cases() -> Iterator[Made]:
    yield from _whole_files()
    yield from _cells()
    yield from _texts()


def quoted(cell: str, quote: str = '"', escape: str = '""', delimiter: str = ",") -> str:
    needs = any(mark in cell for mark in (quote, delimiter, "\n", "\r")) or cell == ""
    return quote + cell.replace(quote, escape) + quote if needs else cell


def lines(delimiter: str = ",", quote: str = '"', escape: str = '""') -> list[str]:
    """The clean table's records without line ends, the header first."""
    return [delimiter.join(quoted(cell, quote, escape, delimiter) for cell in row) for row in (COLUMNS, *TABLE)]


def rows(table: list[tuple[str, ...]] = TABLE) -> tuple[str, ...]:
    return tuple(key(dict(zip(COLUMNS, row, strict=True))) for row in table)


CLEAN = Expected(rows(), True)
PART = Expected(rows(), None)
"""Whatever is accepted is of the clean table; what is not is a reject, or the file is refused."""
NOTHING = Expected((), False)


def _csv(name: str, text: str | bytes, expected: Expected, **terms: Any) -> Made:
    content = text.encode() if isinstance(text, str) else text
    return holding("made: polluted CSV", name, replace(CSV, **terms), content, expected)


def _whole_files() -> Iterator[Made]:
    """What is wrong (or only different) with the file as a whole; declared, and not declared."""
    clean = lines()
    text = "\n".join(clean) + "\n"
    body = "\n".join(clean[1:]) + "\n"
    yield _csv("clean", text, CLEAN)
    yield _csv("no newline at the end", text[:-1], CLEAN)
    yield _csv("two newlines at the end", text + "\n", CLEAN)
    yield _csv("blank lines within", text.replace("\ni6", "\n\n\ni6"), CLEAN)
    yield _csv("byte order mark", "\ufeff" + text, CLEAN)
    yield _csv("records end with CRLF", "\r\n".join(clean) + "\r\n", CLEAN)
    yield _csv("records end with CR", "\r".join(clean) + "\r", replace(CLEAN, sound=None))
    yield _csv("records end with CRLF and LF", text.replace("\ni6", "\r\ni6"), CLEAN)
    yield _csv("empty", "", NOTHING)
    yield _csv("only newlines", "\n\n\n", NOTHING)
    yield _csv("header only", clean[0] + "\n", Expected((), None))
    yield _csv("one data row", "\n".join(clean[:2]) + "\n", Expected(rows(TABLE[:1]), True))
    yield _csv("no header", body, NOTHING)
    yield _csv("no header, declared", body, CLEAN, header=COLUMNS)
    yield _csv("header of two rows", clean[0] + "\n" + text, PART)
    yield _csv("header of three rows", "a,b,c,d\ne,f,g,h\n" + text, NOTHING)
    yield _csv("header again in the middle", text.replace("\ni6", f"\n{clean[0]}\ni6"), PART)
    yield _csv(
        "columns in another order", "label,item,note,annotator\ncat,i1,plain,ann\n", Expected(rows(TABLE[:1]), True)
    )
    yield _csv("a column twice", "item,item,annotator,label,note\n", NOTHING)
    yield _csv("a column missing", "item,annotator,note\ni1,ann,plain\n", NOTHING)
    yield _csv("preamble", "Export of today\nby,us,all\n" + text, NOTHING)
    yield _csv("preamble, declared", "Export of today\nby,us,all\n" + text, CLEAN, skip_lines=2)
    yield _csv("footer", text + "total,8\n", PART)
    yield _csv("a narrower table behind", text + "\nvendor,score\nalder,3\n", PART)
    yield _csv("a wider table behind", text + "\na,b,c,d,e\n1,2,3,4,5\n", PART)
    yield _csv("the same table behind", text + "\n" + clean[0] + "\n", PART)
    yield _csv("NUL at the end", text + "\0\0\0\0", PART)
    yield _csv("UTF-16, not declared", text.encode("utf-16"), NOTHING)
    yield _csv("UTF-16 without a mark, not declared", text.encode("utf-16-le"), NOTHING)
    yield _csv("UTF-32, not declared", text.encode("utf-32"), NOTHING)
    yield _csv("latin-1, not declared", text.encode("latin-1"), PART)
    for encoding in ("latin-1", "cp1252", "utf-16", "utf-8-sig"):
        yield _csv(f"{encoding}, declared", text.encode(encoding), CLEAN, encoding=encoding)
    kana = str.maketrans("éïü", "アイウ")
    japanese = Expected(rows([tuple(cell.translate(kana) for cell in row) for row in TABLE]), True)
    yield _csv("shift_jis, declared", text.translate(kana).encode("shift_jis"), japanese, encoding="shift_jis")
    for delimiter, called in (
        (";", "semicolon"),
        ("\t", "tab"),
        ("|", "bar"),
        (" ", "space"),
        (", ", "comma and space"),
    ):
        other = "\n".join(lines(delimiter)) + "\n"
        yield _csv(f"delimiter {called}, not declared", other, NOTHING)
        if len(delimiter) == 1:
            yield _csv(f"delimiter {called}, declared", other, CLEAN, delimiter=delimiter)
    single = "\n".join(lines(quote="'", escape="''")) + "\n"
    # where `"` is declared, an apostrophe is text; fields that it was to hold together fall apart
    yield _csv("single quotes, not declared", single, Expected(sound=False, records=len(TABLE)))
    yield _csv("single quotes, declared", single, CLEAN, quote="'")
    backslash = "\n".join(lines(escape='\\"')) + "\n"
    yield _csv("backslash escapes, not declared", backslash, PART)
    yield _csv("backslash escapes, declared", backslash, CLEAN, escape="backslash")
    yield _csv("NUL escapes", "\n".join(lines(escape='\0"')) + "\n", PART)
    yield _csv("typographic quotes", text.replace('"', "\u201d"), Expected(records=len(TABLE)))
    every = "\n".join(",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in (COLUMNS, *TABLE))
    yield _csv("everything quoted", every + "\n", CLEAN)
    yield _csv(
        "a delimiter at each line's end", "\n".join(line + "," for line in clean) + "\n", replace(PART, sound=None)
    )
    yield _csv("a delimiter at each row's end", clean[0] + "\n" + "\n".join(line + "," for line in clean[1:]), PART)
    for cut in range(len(text.encode()) - 12, 40, -9):
        yield from _cut_off(clean, text.encode()[:cut])


def _cut_off(clean: list[str], part: bytes) -> Iterator[Made]:
    """A file cut off within a record, but for the last cell: there, no CSV can show it."""
    whole, left = -1, len(part)
    while left > 0 and (size := len(clean[whole + 1].encode()) + 1) <= left:
        whole, left = whole + 1, left - size
    if left and part[-left:].count(b",") < 3:
        yield _csv(f"cut off at byte {len(part)}", part, Expected(rows(TABLE[:whole]), False))


def _cells() -> Iterator[Made]:
    """One cell or separator of one record wrong, for every record and column."""
    table = [[quoted(cell) for cell in row] for row in (COLUMNS, *TABLE)]
    for number, row in enumerate(table):
        for column, cell in enumerate(row):
            middle = max(1, len(cell) // 2)
            swaps = {
                "an extra quote before": '"' + cell,
                "an extra quote within": cell[:middle] + '"' + cell[middle:],
                "an extra quote behind": cell + '"',
                "a NUL within": cell[:middle] + "\0" + cell[middle:],
                "a carriage return behind": cell + "\r",
                "an extra separator": cell + ",",
                "an extra newline": cell + "\n",
            }
            if cell.startswith('"'):
                swaps |= {"no opening quote": cell[1:], "no closing quote": cell[:-1], "no quotes": cell[1:-1]}
            for what, damaged in swaps.items():
                new = [*row[:column], damaged, *row[column + 1 :]]
                joined = [",".join(new) if at == number else ",".join(other) for at, other in enumerate(table)]
                yield _csv(f"{what}: record {number}, column {column}", "\n".join(joined) + "\n", PART)
            if column:
                new = ",".join([*row[: column - 1], row[column - 1] + cell, *row[column + 1 :]])
                joined = [new if at == number else ",".join(other) for at, other in enumerate(table)]
                yield _csv(f"no separator: record {number}, column {column}", "\n".join(joined) + "\n", PART)
        bad = "\n".join(",".join(other) for other in table).encode().split(b"\n")
        bad[number] = bad[number][:2] + b"\xff\xfe" + bad[number][2:]
        yield _csv(f"bytes that are no text: line {number}", b"\n".join(bad) + b"\n", PART)


TASTE = ('"\\ud800"', '"\\udc00\\ud800"')
"""Half characters: RFC 8259 has them in its grammar and warns of them (8.2)."""
GOOD_VALUES = (
    '"cat"', '""', '"\\u0041\\n\\"\\\\\\/\\b\\f\\r\\t"', '"\\ud83d\\ude00"', '"é"', '"\u2028"', '"\x7f"', "0", "-0",
    "1e5", "1E+2", "-1.5e-3", "123456789012345678901234567890", "1.7976931348623157e308", "5e-324", "true", "false",
    "null", "[]", "{}", "[[]]", '{"":0}', '{"a":{"b":[1,2,{"c":null}]}}', "[1 , 2]", ' "spaced" ', "\t1\r",
    "[" * 400 + "]" * 400,
)  # fmt: skip
BAD_VALUES = (
    "", "01", "-01", "+1", ".5", "1.", "1.e2", "1e", "1e+", "-", "--1", "0x1F", "1_000", "1 000", "NaN", "nan",
    "Infinity", "-Infinity", "1e999", "-1e999", "tru", "True", "TRUE", "nul", "None", "undefined", "'cat'", "cat",
    '"cat', 'cat"', '"a\tb"', '"a\x00b"', '"a\x1fb"', '"\\x41"', '"\\u12"', '"\\u12G4"', '"\\', '"\\a"', '"\\\n"',
    "[1,]", "[,1]", "[1,,2]", "[1 2]", "[1", "1]", "[1}", "{", "}", '{"a":1,}', '{,"a":1}', '{"a" 1}', '{"a"::1}',
    '{"a"}', '{a:1}', "{'a':1}", '{1:1}', '{"a":1 "b":2}', '{"a":1,"a":1}', '{"a":1,"a":2}', '{"a":{"b":1,"b":2}}',
    '{"a":1,"\\u0061":2}', "1 // no", "/* no */ 1", "1 # no", "\u00a01", "\ufeff1", "\x0b1", "\x0c1", "1;", "1 2",
    "(1)", "`1`", '"\\ud800"', '"\\udc00\\ud800"', "b'\\xff'", '"\udcff"', '"\udcc0\udcaf"', '"\udced\udca0\udc80"',
    "\x001", "[" * 100_000, "[" * 5_000 + "]" * 5_000, '{"a":' * 5_000 + "1" + "}" * 5_000, "9" * 5_000, "\u0661",
    "\uff11", "$", "<b>1</b>", "=1", "1e5.5", "0b1", "1L", "1f",
)  # fmt: skip


def _texts() -> Iterator[Made]:
    """Each value between two good records, as lines, as a document, and within an export."""
    for sound, texts in ((True, GOOD_VALUES), (False, BAD_VALUES)):
        for number, text in enumerate(texts):
            name = f"{'good' if sound else 'bad'} value {number}: {text[:24]!r}"
            before, after = '{"item": "a", "extra": "x"}', '{"item": "z", "extra": "y"}'
            objects = [before, f'{{"item": "m", "extra": {text}}}', after]
            good = [json.loads(text) for text in (objects if sound else (before, after))]
            terms = Terms("labels.json", "jsonl")
            fine = None if text in TASTE or (sound and text.count("[") >= 100) else sound
            wanted = Expected(None if text in TASTE else tuple(map(key, good)), fine, 2)
            for kind, content in (("jsonl", "\n".join(objects)), ("json", "[" + ",\n".join(objects) + "]")):
                if sound or kind == "json" or "\n" not in text:
                    made = content.encode("utf-8", "surrogateescape")
                    yield holding(f"made: JSON texts ({kind})", name, replace(terms, format=kind), made, wanted)
            export = ",\n".join(_task(at, value) for at, value in enumerate(('"x"', text, '"y"'))).join("[]")
            labels = tuple(key({"item": str(at), "label": "cat"}) for at in range(3))
            wanted = Expected(labels, fine)
            studio = Terms(
                "tasks.json", "label_studio", (Field("item", "item"), Field("label", "label")), container="json"
            )
            yield holding("made: JSON texts (export)", name, studio, export.encode("utf-8", "surrogateescape"), wanted)


def _task(number: int, value: str) -> str:
    result = '[{"from_name": "k", "to_name": "t", "type": "choices", "value": {"choices": ["cat"]}}]'
    return f'{{"id": {number}, "data": {{"x": {value}}}, "annotations": [{{"completed_by": 1, "result": {result}}}]}}'
