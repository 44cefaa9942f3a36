"""Characters that nobody sees, in what is compared by its characters: ids of items and annotators, labels, headers.

Two files that were joined, a page that was copied from, a spreadsheet: each leaves marks of byte order, no-break
spaces or characters without width at the ends of texts, and the same id is another one. At the ends all of them are
found; within a text only those that mean nothing there: joiners make emoji and Persian, and marks of direction Hebrew.
ASCII's own white space stays what it is: a text with spaces is another text, and is seen to be.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labelaudit.readers.terms import Field

COMPARED = ("item", "annotator", "label")
"""The canonical columns whose texts are compared by their characters."""

_CONTROLS = "\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x{9f}"
_WITHIN = _CONTROLS + "\\x{ad}\\x{180e}\\x{200b}\\x{2028}\\x{2029}\\x{2060}\\x{feff}\\x{fff9}-\\x{fffb}"
_ENDS = _WITHIN + "\\x{a0}\\x{61c}\\x{115f}\\x{1160}\\x{1680}\\x{2000}-\\x{200f}\\x{202a}-\\x{202f}\\x{205f}"
_ENDS += "\\x{2061}-\\x{2064}\\x{2066}-\\x{206f}\\x{2800}\\x{3000}\\x{3164}\\x{ffa0}"
_SPACE = "\\t\\n\\r "
ANY, AT_ENDS = f"[{_ENDS}]", f"\\A[{_ENDS}]|[{_ENDS}]\\z|[{_WITHIN}]"
AFTER_TRIM = f"(?s)[^{_ENDS}{_SPACE}].*[{_WITHIN}].*[^{_ENDS}{_SPACE}]"
TRIMMED = "".join(map(chr, (0x1680, 0x180E, 0x205F, *range(0x2000, 0x2010), *range(0x2028, 0x2030))))
TRIMMED += "".join(map(chr, (*range(0x21), *range(0x7F, 0xA1), 0xAD, 0x61C, 0x115F, 0x1160, *range(0x2060, 0x2070))))
TRIMMED += "\u2800\u3000\u3164\ufeff\uffa0\ufff9\ufffa\ufffb"
"""What `trim` takes off: white space, and every character that nobody sees."""

_FOUND = re.compile(re.sub(r"\\x\{(\w+)\}", lambda escape: f"\\u{escape[1]:0>4}", AT_ENDS).replace("\\z", "\\Z"))
_KNOWN = {
    0xFEFF: "a byte order mark: were two files joined?",
    0x200B: "a space without width",
    0xA0: "a no-break space",
    0xAD: "a soft hyphen",
}


def failures(field: Field, array: pa.Array) -> dict[int, tuple[str, str]]:
    """Code and reason of the rows of a text column whose value holds what nobody sees."""
    if field.name not in COMPARED or field.type != "string" or not _may_hold_any(array):
        return {}
    held = pc.match_substring_regex(array, AFTER_TRIM if field.trim else AT_ENDS).fill_null(False)
    rows = np.flatnonzero(held.to_numpy(zero_copy_only=False))
    return {int(row): ("invisible_character", _reason(field, array[int(row)].as_py())) for row in rows}


def named(text: str) -> str:
    """The character of a text that nobody sees, and where it is: at an end, or within; empty where there is none."""
    match = _FOUND.search(text)
    if not match:
        return ""
    number, place = ord(match[0]), match.start()
    known = _KNOWN.get(number) or unicodedata.name(match[0], "a control character").lower()
    where = "at its start" if place == 0 else "at its end" if place == len(text) - 1 else f"after {text[:place]!r}"
    return f"U+{number:04X} ({known}) {where}"


def bare(text: str) -> str:
    """The text without white space and invisible characters at its ends."""
    return text.strip(TRIMMED)


def twins_of(sources: Iterable[str], names: Iterable[str]) -> dict[str, str]:
    """The names that are a source but for white space and invisible characters at their ends, and that source."""
    wanted = set(sources)
    return {name: bare(name) for name in names if name not in wanted and bare(name) in wanted}


def misnamed(source: str, name: str) -> str:
    """What is wrong with a column's or a key's name that is another's twin."""
    return f"`{source}` is written {name[:80]!r}, with {named(name) or 'white space at an end'}. Rename it"


def _reason(field: Field, text: str) -> str:
    return f"`{field.source}` is {text[:80]!r}, with {named(bare(text) if field.trim else text)}. Write it without"


def _may_hold_any(array: pa.Array) -> bool:
    """Whether any text may: of plain ASCII none does, and all texts of a column as one are searched in a moment."""
    if not len(array):
        return False
    _, offsets, content = array.buffers()
    places = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1]
    start, end = int(places[0]), int(places[-1])
    if start == end:
        return False
    texts = np.frombuffer(content, np.uint8)[start:end]
    if texts.min() >= 0x20 and texts.max() < 0x7F:
        return False
    whole = pa.py_buffer(np.array([start, end], np.int32))
    return pc.match_substring_regex(pa.StringArray.from_buffers(1, whole, content), ANY)[0].as_py()
