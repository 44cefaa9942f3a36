"""KTO data as TRL has it: `prompt`, `completion` and a `label` that is true or false: each completion is an item."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labelaudit.readers.exports import digest_id, field, guarded, rest
from labelaudit.readers.exports.preference import annotator_of, as_text, conversation, own_id
from labelaudit.readers.records import Part, Unfit
from labelaudit.readers.terms import Terms


@guarded
def labels(record: Any, terms: Terms) -> Iterator[Part | Unfit]:
    prompt, completion = (field(record, key, (str, list)) for key in ("prompt", "completion"))
    for key, value in (("prompt", prompt), ("completion", completion)):
        if isinstance(value, list):
            conversation(value, f".{key}")
    desirable = field(record, "label", bool)
    cells = {
        **rest(record, "prompt", "completion", "label"),
        "item": own_id(record) or digest_id(prompt, completion),
        "annotator": annotator_of(record),
        "prompt": as_text(prompt),
        "completion": as_text(completion),
        "label": "true" if desirable else "false",
    }
    yield Part(cells)


def recognises(record: dict[str, Any]) -> bool:
    return {"prompt", "completion"} <= record.keys() and isinstance(record.get("label"), bool)
