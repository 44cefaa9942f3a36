"""JSON is read as RFC 8259 has it, and what is wrong is said with its place."""

from __future__ import annotations

import json
from pathlib import Path

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from labelaudit.errors import DeliveryRejected
from labelaudit.readers.documents import json_blocks, json_documents, json_lines
from labelaudit.readers.documents.strict_json import BadJson, loads, strict
from labelaudit.readers.terms import Field, Terms
from labelaudit.rejects.records import Reject

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
FIELDS = (
    Field("item", "a"),
    Field("label", "b", required=False, nullable=True),
    Field("size", "c", "number", False, True),
    Field("count", "d", "integer", False, True),
)
TOKENS = ["{", "}", "[", "]", ":", ",", '"a"', '"b"', '"c"', '"d"', '"x"', "1", "-0", "1e400", "NaN", "1.5", "null"]
TOKENS += ["true", '"', "\\", "\\ud800", " ", "\n", "é", "01", "12345678901234567890", '{"a":"1"}', '{"a":"x","d":7}']


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b'{"item": "i1", "label": "cat"} more', "more text behind the value (column 32)"),
        (b'{"item":\n !}', "Expecting value (line 2 of the value, column 2)"),
    ],
)
def test_a_fault_within_a_value_names_no_line_of_the_file(text: bytes, said: str):
    """The reject says in which line the value begins; "line 1" beside it would be another line's."""
    with pytest.raises(BadJson) as caught:
        strict(text)
    assert said in caught.value.reason


def outcome(path: Path, content: bytes, block_bytes: int = 1 << 20):
    path.write_bytes(content)
    batches = list(json_lines.read(path, Terms("f", "jsonl", FIELDS), block_bytes))
    rows = [row for batch in batches for row in batch.rows.to_pylist()]
    return (
        rows,
        [reject for batch in batches for reject in batch.rejects],
        sum(batch.rows.num_rows + len(batch.rejects) if batch.records is None else batch.records for batch in batches),
    )


@settings(max_examples=400, deadline=None)
@given(text=st.lists(st.sampled_from(TOKENS), max_size=12).map("".join))
@example('{"a":1,"a":2}')
@example('{"a" :1,"a":2}')
@example('{"x":"\\":","x":1}')
@example('[{"a":12345678901234567890}]')
def test_the_quick_way_says_what_the_strict_way_says(text: str):
    content = text.encode()
    assert repr(value_or_code(loads, content)) == repr(value_or_code(strict, content))


def value_or_code(read, content: bytes):
    try:
        return read(content)
    except BadJson as error:
        return error.code


@settings(max_examples=300, deadline=None)
@given(body=st.lists(st.sampled_from(TOKENS), max_size=30).map("".join), block=st.integers(1, 40))
@example('{"a":"}\n{","b":"x"}\n{"a":"1"},{"a":"2"}', 40)
@example('{"a":"x","d":7}\n{"a":"x","d":7}\n{"a":"x","c":NaN}', 40)
def test_lines_by_blocks_are_as_lines_one_by_one(tmp_path_factory, body: str, block: int):
    path = tmp_path_factory.mktemp("json") / "f"
    body = f"\n{body}"  # an empty file is refused
    whole = outcome(path, body.encode())
    assert outcome(path, body.encode(), block) == whole
    parse, arrow = json_blocks.parse, json_blocks._by_arrow
    try:
        json_blocks._by_arrow = lambda *arguments: None
        assert outcome(path, body.encode()) == whole
        json_blocks.parse = lambda *arguments: None
        assert outcome(path, body.encode()) == whole
    finally:
        json_blocks.parse, json_blocks._by_arrow = parse, arrow
    assert len(whole[0]) + len(whole[1]) == whole[2] == sum(bool(line.strip()) for line in body.encode().split(b"\n"))


def test_each_kind_of_damage_to_a_line_is_one_reject(tmp_path: Path):
    lines = [
        '{"a": "x", "c": 1}',
        '{"a": "x", "a": "y"}',
        '{"a": "x", "c": Infinity}',
        '{"a": "x", "c": 1e999}',
        '{"a": "\\udc00"}',
        "[1]",
        '{"b": "x"}',
        '{"a": "x", "d": 1.0}',
        '{"a": "x", "d": 9223372036854775808}',
        '{"a": 1.5, "c": 1' + "0" * 400 + "}",
        '{"a": {"deep": 1}}',
        "[" * 100_000,
        '{"a": "x"} {"a": "y"}',
        "",
        '{"a": 7, "b": null, "z": []}',
    ]
    rows, rejects, records = outcome(tmp_path / "f", "\n".join(lines).encode() + b'\n{"a": "\xff"}\n')
    assert [(row["item"], row["line"]) for row in rows] == [("x", 1), ("7", 15)]
    assert [(reject.line, reject.column, reject.code) for reject in rejects] == [
        (2, None, "duplicate_key"),
        (3, None, "not_finite"),
        (4, None, "not_finite"),
        (5, "a", "bad_encoding"),
        (6, None, "wrong_nesting"),
        (7, "a", "missing_key"),
        (8, "d", "wrong_type"),
        (9, "d", "wrong_type"),
        (10, "a", "wrong_type"),
        (11, "a", "wrong_type"),
        (12, None, "malformed"),
        (13, None, "malformed"),
        (16, None, "bad_encoding"),
    ]
    assert records == 15


def documents(tmp_path: Path, content: str | bytes):
    path = tmp_path / "f"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    rows, rejects = [], []
    for batch in json_documents.read(path, Terms("f", "json", FIELDS)):
        rows += [(row["item"], row["line"], row["place"]) for row in batch.rows.to_pylist()]
        rejects += [(reject.line, reject.place, reject.code) for reject in batch.rejects]
    return rows, rejects


def test_elements_of_an_array_have_lines_and_paths(tmp_path: Path):
    content = '[\n {"a": "x"},\n {"a": "y", "a": "z"}, {"a": NaN},\n 7,\n\n {"a":\n "w"}\n]\n'
    rows, rejects = documents(tmp_path, content)
    assert rows == [("x", 2, "$[0]"), ("w", 6, "$[4]")]
    assert rejects == [(3, "$[1]", "duplicate_key"), (3, "$[2]", "not_finite"), (4, "$[3]", "wrong_nesting")]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('[{"a": "x"}', "line 1, column 12, $[1]: found the end of the file, expected `,` or `]`"),
        ('[{"a": "x"},\n]', "line 2, column 1, $[1]: found what is no JSON"),
        ('[{"a": "x"}\n{"a": "y"}]', "line 2, column 1, $[1]: found '{', expected `,` or `]`"),
        ('[{"a": "x"}] 1', "found '1' behind the document, expected the end of the file"),
        ('{"a": "x"}', "found an object, expected an array of objects"),
        ("null", "expected an array of objects"),
        ("[" * 100_000, "nested too deeply"),
        ("[{'a': 1}]", "$[0]: found what is no JSON (Expecting property name"),
        (b'[{"a": "\xff"}]', "it is not utf-8"),
        ('[{"a": 01}]', "found what is no JSON"),
        (" \n", "found the end of the file, expected a value"),
    ],
)
def test_where_a_documents_syntax_breaks_it_is_refused(tmp_path: Path, content: str | bytes, said: str):
    with pytest.raises(DeliveryRejected) as caught:
        documents(tmp_path, content)
    assert str(caught.value).startswith("f:")
    assert said in str(caught.value)


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.dictionaries(st.text(max_size=4), st.text(max_size=8) | st.integers() | FLOATS), max_size=8),
    indent=st.sampled_from([None, 1, "\t"]),
    size=st.integers(1, 30),
)  # fmt: skip
def test_documents_are_read_however_little_at_a_time(tmp_path_factory, values, indent, size: int):
    path = tmp_path_factory.mktemp("json") / "f"
    path.write_text(json.dumps(values, indent=indent), encoding="utf-8", errors="surrogatepass")
    was = json_documents.BLOCK_CHARACTERS
    try:
        json_documents.BLOCK_CHARACTERS = size
        elements = list(json_documents.elements(path, Terms("f", "json")))
    finally:
        json_documents.BLOCK_CHARACTERS = was
    assert [element.value for element in elements if not element.problem] == [
        value for value, element in zip(values, elements, strict=True) if not element.problem
    ]
    assert all(element.problem is None for element in elements)


def test_an_object_gives_the_elements_of_its_arrays(tmp_path: Path):
    path = tmp_path / "f"
    path.write_text('{"n": {"x": 1}, "rows": [{"a": 1}, 2], "empty": []}')
    elements = list(json_documents.elements(path, Terms("f", "json"), frozenset({"rows"})))
    assert [(element.key, element.index, element.value, element.place) for element in elements] == [
        ("n", None, {"x": 1}, "$.n"),
        ("rows", 0, {"a": 1}, "$.rows[0]"),
        ("rows", 1, 2, "$.rows[1]"),
        ("empty", None, [], "$.empty"),
    ]
    path.write_text('{"rows": [], "rows": [1]}')
    with pytest.raises(DeliveryRejected, match="'rows' is given twice"):
        list(json_documents.elements(path, Terms("f", "json"), frozenset({"rows"})))


def test_rows_are_as_the_file_has_them(tmp_path: Path):
    path = tmp_path / "f"
    path.write_bytes(orjson.dumps([{"a": 1, "b": [1, {"c": 2}]}, 3]))
    first, second = json_documents.rows(path, Terms("f", "json"))
    assert first.cells == {"a": 1, "b": [1, {"c": 2}]}
    assert isinstance(second, Reject)
