"""HelpSteer's preferences: two responses and `individual_preference`, one object for each annotator.

One row an annotator. The label is the score as text, from -3 (the first is much better) to 3. Where no annotator is
named, the position names one: `1`, `2`, …: then nothing is known of a person over several items. HelpSteer3 calls the
score `score`; HelpSteer2 calls it `strength`, and writes -100 where neither response can be taken: it stays `-100`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labelaudit.readers.exports import digest_id, field, guarded, listed, misfit, rest
from labelaudit.readers.exports.preference import annotator_of, as_text, conversation, own_id
from labelaudit.readers.records import Part, Unfit
from labelaudit.readers.terms import Terms

INDIVIDUAL = ("individual_preference", "all_preferences_unprocessed")


@guarded
def labels(record: Any, terms: Terms) -> Iterator[Part | Unfit]:
    question = "context" if isinstance(record, dict) and "context" in record else "prompt"
    prompt = field(record, question, (str, list))
    if isinstance(prompt, list):
        conversation(prompt, f".{question}")
    names = [
        next((key for key in (f"response{side}", f"response_{side}") if key in record), f"response{side}")
        for side in (1, 2)
    ]
    first, second = (field(record, name, str) for name in names)
    key = next((key for key in INDIVIDUAL if key in record), INDIVIDUAL[0])
    preferences = field(record, key, list)
    if not preferences:
        raise misfit(f".{key}", None, "unlabelled", "no annotator gave a preference")
    cells = {
        **rest(record, question, *names, *INDIVIDUAL),
        "item": own_id(record) or digest_id(prompt, first, second),
        "prompt": as_text(prompt),
        "response_a": first,
        "response_b": second,
    }
    for number, preference in enumerate(preferences):
        yield from _preference(preference, number, cells, f".{key}[{number}]")


@guarded
def _preference(preference: Any, number: int, cells: dict[str, Any], path: str) -> Iterator[Part | Unfit]:
    key = (
        "strength"
        if isinstance(preference, dict) and "strength" in preference and "score" not in preference
        else "score"
    )
    score = field(preference, key, int, path)
    yield Part(
        {
            **rest(preference, key),
            **cells,
            "annotator": annotator_of(preference) or str(number + 1),
            "label": str(score),
        },
        path,
    )


def recognises(record: dict[str, Any]) -> bool:
    return any(listed(record, key) is not None for key in ("individual_preference", "all_preferences_unprocessed"))
