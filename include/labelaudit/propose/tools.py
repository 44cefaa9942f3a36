"""Which tool or dataset a record comes from, by its keys, and which questions it answers: each export's module says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType
from typing import Any

from labelaudit.contracts.formats import FORMATS

Record = dict[str, Any]


def tool_of(records: Sequence[Record]) -> str | None:
    """The format of nested records, as contracts call it, that most of them have; None: they are flat or unknown."""
    tools = {name: _module(name) for name, entry in FORMATS.items() if entry.kind == "records"}
    votes = Counter(next((name for name, tool in tools.items() if tool.recognises(record)), None) for record in records)
    known = len(records) - votes.pop(None, 0)
    tool, count = max(votes.items(), key=lambda vote: vote[1], default=(None, 0))
    return tool if known >= len(records) / 2 and count > known / 2 else None


def document_of(keys: set[str]) -> str | None:
    """The format of a document, one object with these keys; None: it is no known one's."""
    names = (name for name, entry in FORMATS.items() if entry.kind == "document")
    return next((name for name in names if _module(name).recognises(keys)), None)


def questions_in(tool: str, records: Sequence[Record]) -> tuple[str, ...]:
    """The questions that the records answer, in their order; empty where the format has no questions."""
    find = getattr(_module(tool), "questions", None)
    names = (name for record in records for name in find(record)) if find else ()
    return tuple(dict.fromkeys(name for name in names if isinstance(name, str)))


def _module(name: str) -> ModuleType:
    return import_module(f"labelaudit.readers.{FORMATS[name].module}")
