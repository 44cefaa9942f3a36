"""What is wrong with a contract or a manifest is said in words, and never in pydantic's own."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from conftest import TERMS
from pydantic import ValidationError

from labelaudit.contracts.model import Contract
from labelaudit.contracts.model_errors import in_words
from labelaudit.run.steps import find, open_destination

RAW = re.compile(
    r"Input should|should be|should have|should match|valid (string|integer|number|boolean|tuple|list|dict)"
)
STRANGE: tuple[Any, ...] = (None, True, 7, -1, 1e400, 2.5, "", "x" * 300, [], ["x"], {}, {"x": 1})


def said(**changed: Any) -> str:
    try:
        Contract(customer="acme", dataset="pets", **{**TERMS, **changed})
    except ValidationError as error:
        return "; ".join(map(in_words, error.errors()))
    return ""


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"predictions": {"source": "tabular", "columns": []}}, "needs at least 1 entry, found none"),
        ({"classes": ["cat"]}, "needs at least 2 entries, found ['cat']"),
        ({"classes": "cat"}, "must be a list, found 'cat'"),
        ({"classes": [1, 2]}, "must be text; put it in quotes, found 1"),
        ({"vendors": {}}, "needs at least 1 entry, found none"),
        ({"task": "spans"}, "must be 'classification' or 'multi_label', found 'spans'"),
        ({"seed": 1.5}, "must be a whole number, found 1.5"),
        ({"seed": -1}, "must be at least 0, found -1"),
        ({"tolerance": {"rejected_rows_rate": 2}}, "must be at most 1, found 2"),
        ({"predictions": {"source": "guess"}}, "must be 'delivered', 'text'"),
        ({"predictions": {}}, "needs the key 'source'"),
        ({"limits": []}, "must be a mapping of keys to values, found none"),
    ],
)
def test_what_is_wrong_with_a_contract_is_in_words(changed: dict[str, Any], words: str):
    assert words in said(**changed)


@pytest.mark.parametrize("name", sorted(Contract.model_fields))
def test_no_strange_value_brings_up_a_raw_phrase(name: str):
    for value in STRANGE:
        if name not in ("customer", "dataset"):
            assert not RAW.search(said(**{name: value})), value
    if isinstance(TERMS.get(name), dict):
        for key in TERMS[name]:
            for value in STRANGE:
                assert not RAW.search(said(**{name: {**TERMS[name], key: value}})), (key, value)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"files": []}, "files: needs at least 1 entry, found none"),
        ({"files": "labels.csv"}, "files: must be a list, found 'labels.csv'"),
        ({"format": 2}, "format: must be 1, found 2"),
    ],
)
def test_a_manifest_is_explained_to_its_vendor(folder_store, make_contract, put, changed: dict[str, Any], words: str):
    contract = make_contract()
    put(folder_store, contract, "item,annotator,label\ni1,ann,cat\n")
    key = "inbox/alder/acme/pets/d1/manifest.json"
    manifest = json.loads(folder_store.read(key)) | changed
    folder_store.write(key, json.dumps(manifest).encode())
    (delivery,) = find(contract, folder_store, open_destination(contract, folder_store), "run").deliveries
    assert words in delivery.refusal.message
    assert not RAW.search(delivery.refusal.message)
