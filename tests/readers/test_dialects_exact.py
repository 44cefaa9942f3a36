"""What a dialect leaves open is never guessed: backslashes stay, and a header is one however it is quoted."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from labelaudit.propose.dialects import written
from labelaudit.readers.tables import csv_blocks, delimited
from labelaudit.readers.tables.csv_records import LOOSE_BACKSLASH
from labelaudit.readers.terms import Field, Terms

FIELDS = (Field("item", "a"), Field("label", "b", nullable=True))
CELL = st.text(st.sampled_from('\\"N,n0x\n'), max_size=6)


def read(path: Path, content: str, block_bytes: int = 1 << 20, **terms):
    path.write_text(content, encoding="utf-8", newline="")
    batches = list(delimited.read(path, Terms("f", "csv", **{"fields": FIELDS, **terms}), block_bytes))
    rows = [(row["item"], row["label"]) for batch in batches for row in batch.rows.to_pylist()]
    return rows, [reject for batch in batches for reject in batch.rejects]


def test_a_backslash_before_anything_else_is_a_backslash(tmp_path: Path):
    """Only a quote and a backslash are escaped: names of files, of Windows' folders and \\N stay what they are."""
    content = r"""a,b
"img\001.jpg",cat
C:\new,"C:\new\table"
"say \"x\"",\N
"\\",\\
x\"y,"p\,q"
p\,q,"\t\n"
"""
    rows, rejects = read(tmp_path / "f", content, escape="backslash")
    assert rejects == []
    assert rows == [
        (r"img\001.jpg", "cat"),
        (r"C:\new", r"C:\new\table"),
        ('say "x"', r"\N"),
        ("\\", "\\"),
        ('x"y', r"p\,q"),
        ("p,q", r"\t\n"),
    ]
    assert read(tmp_path / "f", 'a,b\nsay \\"x,1\n', escape="backslash", quote=None)[0] == [('say \\"x', "1")]


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
@pytest.mark.parametrize("line", ["x,C:\\", '"x",C:\\', 'x,"p"\\', "x,\\\\\\"])
def test_a_backslash_at_the_end_of_a_line_is_not_guessed_at(tmp_path: Path, line: str, end: str):
    """It may escape the line's end, as databases write it: one reject that says so, and the next line is read."""
    follows = "y,1\n" if end else ""
    rows, rejects = read(tmp_path / "f", f"a,b\n{line}{end}{follows}", escape="backslash")
    assert rows == ([("y", "1")] if end else [])
    assert [(reject.line, reject.code, reject.reason) for reject in rejects] == [(2, "malformed", LOOSE_BACKSLASH)]
    assert read(tmp_path / "f", 'a,b\n"x",C:\\\n')[0] == [("x", "C:\\")], "where nothing is escaped, it is one"


def quoted(cell: str) -> str:
    return '"' + cell.replace("\\", "\\\\").replace('"', '\\"') + '"'


def bare(cell: str) -> str:
    """A backslash is doubled only where it must be: before what it would escape, and at the end."""
    said = ""
    for place, letter in enumerate(cell):
        follows = cell[place + 1 : place + 2]
        if letter in '",' or (letter == "\\" and (not follows or follows in '\\",')):
            said += "\\"
        said += letter
    return said


@settings(max_examples=300, deadline=None)
@given(cells=st.lists(st.tuples(CELL, CELL, st.booleans()), min_size=1, max_size=6), block=st.integers(1, 40))
@example([("\\", "\\\\", False)], 3)
def test_what_is_written_with_backslashes_is_read_back(tmp_path_factory, cells, block: int):
    """Within quotes and outside, whatever the blocks are, and whether a backslash was doubled or did not have to be."""
    rows = [(f"i{first}", f"l{second}") for first, second, _ in cells]
    lines = []
    for (item, label), (_, _, quotes) in zip(rows, cells, strict=True):
        wrap = quoted if quotes or "\n" in item + label else bare
        lines.append(f"{wrap(item)},{wrap(label)}\n")
    path = tmp_path_factory.mktemp("csv") / "f"
    content = "a,b\n" + "".join(lines)
    assert read(path, content, block, escape="backslash") == (rows, [])


@settings(max_examples=200, deadline=None)
@given(
    body=st.lists(st.sampled_from(["\\", '"', ",", "\n", "\r\n", "a", "\\N", '\\"', '"a",b\n']), max_size=30),
    block=st.integers(1, 40),
    escape=st.sampled_from(["doubled", "backslash"]),
)
def test_blocks_and_records_agree_about_backslashes(tmp_path_factory, body: list[str], block: int, escape: str):
    path, content = tmp_path_factory.mktemp("csv") / "f", "a,b\n" + "".join(body)
    whole = read(path, content, escape=escape)
    assert read(path, content, block, escape=escape) == whole
    parse = csv_blocks.parse
    try:
        csv_blocks.parse = lambda *arguments: None
        assert read(path, content, escape=escape) == whole
    finally:
        csv_blocks.parse = parse


def test_backslashes_are_proposed_only_where_the_sample_needs_them():
    """Names with backslashes need nothing; a quote that only a backslash can have escaped does, and a note says so."""
    plain = written('a,b\n"img\\001.jpg",cat\n"C:\\new\\",dog\n"C:\\x\\","p"\n', True)
    assert "escape" not in plain.dialect
    doubled = written('a,b\n"say ""x\\""",cat\n"y",dog\n', True)
    assert "escape" not in doubled.dialect
    needed = written('a,b\n"say \\"x\\", twice",cat\n"img\\001.jpg",dog\n', True)
    assert needed.dialect["escape"] == "backslash"
    assert any(note.startswith("`escape`") for note in needed.notes)


@pytest.mark.parametrize("again", ["a,b", '"a","b"', '"a",b', "\ufeffa,b"])
@pytest.mark.parametrize("terms", [{}, {"header": ("a", "b")}])
def test_the_header_again_is_no_row_however_it_is_quoted(tmp_path: Path, again: str, terms: dict):
    """Of a file that was joined to this one: other quotes, or a mark of byte order before it."""
    first = "" if terms else 'a,"b"\n'
    for rest in ("y,2\n", '"y",2\nz",3\n'):
        rows, rejects = read(tmp_path / "f", f"{first}x,1\n{again}\n{rest}", **terms)
        assert rows == [("x", "1"), ("y", "2")]
        assert (rejects[0].line, rejects[0].code) == (2 if terms else 3, "repeated_header")


def test_a_row_that_shares_a_name_with_the_header_is_a_row(tmp_path: Path):
    assert read(tmp_path / "f", "a,b\na,1\nx,b\n")[0] == [("a", "1"), ("x", "b")]
