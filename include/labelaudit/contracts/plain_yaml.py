"""A contract's text as plain values, each with its line: YAML 1.2's core schema, and of YAML nothing that surprises.

Text stays text: `on`, `yes`, `2026-02-30`, `010` and `1:30` are what they look like, and every key is text as written.
Refused, with the line: tags, merge keys, keys given twice, aliases that lead back to themselves or unfold without end,
numbers that are no finite ones, and text that no database takes (NUL, halves of surrogate pairs).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from labelaudit.errors import ContractError

LARGEST_BYTES = 2**20
DEEPEST = 24
MOST_VALUES = 50_000
"""After aliases are unfolded; ten thousand classes with a synonym each are far below."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml, 10 times faster, is in every wheel
_WORDS = {word: value for value in (True, False) for word in (f"{value}", f"{value}".lower(), f"{value}".upper())}
_WORDS |= dict.fromkeys(("", "~", "null", "Null", "NULL"))
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+")
_NUMBER = re.compile(
    r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_BASES = {"0o": 8, "0x": 16}
_LONGEST_NUMBER = 400


@dataclass(frozen=True)
class Document:
    """`lines`: where each value stands, by its path of keys and positions; a key's line is its value's."""

    value: Any
    lines: dict[tuple[str | int, ...], int]


def parse(text: str, where: str) -> Document:
    """The one document of `text`. Raises ContractError with the line of what is not taken."""
    builder = _Builder(where)
    line = 1
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            line = event.start_mark.line + 1
            builder.take(event, line)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ContractError(where, [_not_yaml(mark.line + 1, error.problem or error.context, mark.column)]) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ContractError(where, [_not_yaml(line, error.reason)]) from error
    except yaml.YAMLError as error:
        raise ContractError(where, [_not_yaml(line, str(error))]) from error
    return Document(builder.root, builder.lines)


def dump(terms: dict[str, Any]) -> str:
    """Terms as YAML that `parse` reads back as they are; texts that would be something else unquoted are quoted."""
    return yaml.dump(terms, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None)


class _Dumper(yaml.SafeDumper):
    """PyYAML quotes what YAML 1.1 would not read as text; `1e5` and `0o7` are numbers in 1.2 only."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represented(dumper: _Dumper, text: str) -> yaml.Node:
    # PyYAML writes line breaks of Unicode (U+0085) raw, and reads them as spaces; between double quotes it escapes them
    style = '"' if not text.isprintable() else "'" if _is_no_text(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represented)


def _is_no_text(plain: str) -> bool:
    return plain in _WORDS or bool(_INTEGER.fullmatch(plain) or _NUMBER.fullmatch(plain))


@dataclass
class _Open:
    """A mapping or sequence under way. `keys`: of a mapping, its keys so far and their lines."""

    value: dict | list
    path: tuple[str | int, ...]
    anchor: str | None
    key: str | None = None
    keys: dict[str, int] = field(default_factory=dict)


class _Builder:
    """Puts values together event by event, without recursion: depth and size are bounded while the text is read."""

    def __init__(self, where: str):
        self.where = where
        self.root: Any = None
        self.lines: dict[tuple[str | int, ...], int] = {}
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int, int]] = {}  # value, how many values, how deep
        self._values = 0
        self._documents = 0

    def take(self, event: yaml.Event, line: int) -> None:
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self._refuse(line, "a second document (`---`); a contract is one")
        elif isinstance(event, yaml.AliasEvent):
            self._put(self._unfolded(event.anchor, line), line)
        elif isinstance(event, yaml.ScalarEvent):
            self._take_scalar(event, line)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._begin({} if isinstance(event, yaml.MappingStartEvent) else [], event, line)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            done = self._open.pop()
            if done.anchor:
                self._anchors[done.anchor] = (done.value, *_extent(done.value))

    def _take_scalar(self, event: yaml.ScalarEvent, line: int) -> None:
        text = event.value
        if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
            self._refuse(line, f"{text[:40]!r} holds a character that no text may (NUL, or half of a surrogate pair)")
        self._refuse_tag(event, line)
        if self._wants_key():
            self._take_key(text, event.implicit[0], line)
            return
        value = self._plain(text, line) if event.implicit[0] else text
        if event.anchor:
            self._anchors[event.anchor] = (value, 1, 0)
        self._put(value, line)

    def _take_key(self, text: str, plain: bool, line: int) -> None:
        mapping = self._open[-1]
        if text == "<<" and plain:
            self._refuse(line, "merge keys (`<<`) are not taken; write the fields out")
        if text in mapping.keys:
            self._refuse(line, f"`{text}` is given twice (line {mapping.keys[text]})")
        mapping.key = text
        mapping.keys[text] = line
        self.lines[(*mapping.path, text)] = line

    def _begin(self, value: dict | list, event: Any, line: int) -> None:
        self._refuse_tag(event, line)
        if self._wants_key():
            self._refuse(line, "a key must be text")
        self._limit_depth(1, line)
        path = self._put(value, line)
        if event.anchor:
            self._anchors.pop(event.anchor, None)
        self._open.append(_Open(value, path, event.anchor))

    def _put(self, value: Any, line: int) -> tuple[str | int, ...]:
        """Put a value in its place; gives its path."""
        self._count(1, line)
        if not self._open:
            self.root, path = value, ()
        elif isinstance((parent := self._open[-1]).value, dict):
            path = (*parent.path, parent.key)
            parent.value[parent.key], parent.key = value, None
        else:
            path = (*parent.path, len(parent.value))
            parent.value.append(value)
        self.lines.setdefault(path, line)
        return path

    def _unfolded(self, anchor: str, line: int) -> Any:
        if self._wants_key():
            self._refuse(line, "a key must be text, not an alias")
        if any(opened.anchor == anchor for opened in self._open):
            self._refuse(line, f"the alias `*{anchor}` leads back to itself")
        if anchor not in self._anchors:
            self._refuse(line, f"the alias `*{anchor}` has no anchor `&{anchor}` before it")
        value, size, depth = self._anchors[anchor]
        self._limit_depth(depth, line)
        self._count(size, line)
        return value

    def _limit_depth(self, more: int, line: int) -> None:
        if len(self._open) + more > DEEPEST:
            self._refuse(line, f"is nested deeper than {DEEPEST} levels")

    def _count(self, size: int, line: int) -> None:
        self._values += size
        if self._values > MOST_VALUES:
            self._refuse(line, f"holds more than {MOST_VALUES} values (aliases unfolded)")

    def _wants_key(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1].value, dict) and self._open[-1].key is None

    def _plain(self, text: str, line: int) -> Any:
        """What unquoted text means."""
        if text in _WORDS:
            return _WORDS[text]
        if not _is_no_text(text):
            return text
        if len(text) > _LONGEST_NUMBER:
            self._refuse(line, f"a number of {len(text)} characters; put it in quotes if it is text")
        if _INTEGER.fullmatch(text):
            return int(text, _BASES.get(text[:2], 10))
        number = math.inf if text.lower().endswith(("inf", "nan")) else float(text)
        if not math.isfinite(number):
            self._refuse(line, f"{text} is no finite number; put it in quotes if it is text")
        return number

    def _refuse_tag(self, event: Any, line: int) -> None:
        if event.tag is not None:
            self._refuse(line, f"the tag {event.tag!r} is not taken; text goes in quotes, all else is plain YAML")

    def _refuse(self, line: int, problem: str) -> None:
        raise ContractError(self.where, [f"line {line}: {problem}"])


def _extent(value: Any) -> tuple[int, int]:
    """How many values an alias of this one stands for, and how deep they are nested."""
    if not isinstance(value, dict | list):
        return 1, 0
    within = [_extent(inner) for inner in (value.values() if isinstance(value, dict) else value)]
    return 1 + sum(size for size, _ in within), 1 + max((depth for _, depth in within), default=0)


def _not_yaml(line: int, problem: str, column: int | None = None) -> str:
    place = f"line {line}" if column is None else f"line {line}, column {column + 1}"
    return f"{place}: not YAML: {problem}"
