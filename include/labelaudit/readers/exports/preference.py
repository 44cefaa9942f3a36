"""Preference pairs as Hugging Face and TRL have them: `prompt`, `chosen`, `rejected`; texts, or lists of messages.

The prompt may be left out where both conversations begin with it. The item is the pair, whichever was chosen, so that
several annotators' judgements of it meet; the two responses stand in an order that only their content decides, and the
label says which was chosen: `a` or `b`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import takewhile
from typing import Any

from labelaudit.readers.documents.noting import take
from labelaudit.readers.exports import as_json, digest_id, field, guarded, misfit, rest, shown, typed
from labelaudit.readers.records import Part, Unfit
from labelaudit.readers.terms import Terms

IDS = ("id", "prompt_id", "item", "item_id", "uid", "uuid")
ANNOTATORS = ("annotator", "annotator_id", "worker", "worker_id", "user", "user_id", "rater", "rater_id")


@guarded
def labels(record: Any, terms: Terms) -> Iterator[Part | Unfit]:
    chosen, rejected = (_response(field(record, key, (str, list)), f".{key}") for key in ("chosen", "rejected"))
    if type(chosen) is not type(rejected):
        raise misfit("", "rejected", "wrong_nesting", "one response is a text, the other a list of messages")
    if record.get("prompt") is not None:
        prompt = _response(field(record, "prompt", (str, list)), ".prompt")
    else:
        prompt, chosen, rejected = _without_prompt(chosen, rejected)
    if chosen == rejected:
        raise misfit("", None, "several_labels", "chosen and rejected are the same: neither was preferred")
    first, second = sorted((chosen, rejected), key=_order)
    cells = {
        **rest(record, "prompt", "chosen", "rejected"),
        "item": own_id(record) or digest_id(prompt, first, second),
        "annotator": annotator_of(record),
        "prompt": as_text(prompt),
        "response_a": as_text(first),
        "response_b": as_text(second),
        "label": "a" if chosen == first else "b",
    }
    take(record["rejected"])  # what it shares with the other was its prompt
    yield Part(cells)


def own_id(record: dict[str, Any]) -> str | None:
    """The id that the record gives itself."""
    return next((str(record[key]) for key in IDS if _is_name(record.get(key))), None)


def annotator_of(record: dict[str, Any]) -> str | None:
    return next((str(record[key]) for key in ANNOTATORS if _is_name(record.get(key))), None)


def as_text(value: str | list[Any]) -> str:
    """A text as it is, a conversation as JSON."""
    return value if isinstance(value, str) else as_json(value)


def conversation(value: Any, path: str) -> list[dict[str, Any]]:
    """A list of messages `{role, content}`. Raises Misfit."""
    if not typed(value, list, path):
        raise misfit(path, None, "wrong_nesting", "found an empty list, expected messages")
    for number, message in enumerate(value):
        where = f"{path}[{number}]"
        field(message, "role", str, where)
        if not isinstance(message.get("content"), str | list):
            raise misfit(where, "content", "wrong_nesting", f"found {shown(message.get('content'))}, expected text")
    return value


def _response(value: str | list[Any], path: str) -> str | list[Any]:
    return value if isinstance(value, str) else conversation(value, path)


def _without_prompt(chosen: Any, rejected: Any) -> tuple[Any, Any, Any]:
    """The prompt that both conversations begin with, and what is different; texts keep their common beginning."""
    if isinstance(chosen, str):
        return "", chosen, rejected
    same = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(chosen, rejected, strict=False))))
    same = min(same, len(chosen) - 1, len(rejected) - 1) if chosen != rejected else same
    return chosen[:same], chosen[same:], rejected[same:]


def _order(response: Any) -> bytes:
    return hashlib.sha256(as_json(response).encode("utf-8", "surrogatepass")).digest()


def _is_name(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool) and value != ""


def recognises(record: dict[str, Any]) -> bool:
    return all(isinstance(record.get(key), str | list) for key in ("chosen", "rejected"))
