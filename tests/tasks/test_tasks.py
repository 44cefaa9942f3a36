"""A kind of label is one module and one line in KINDS; everything else is made of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import GOOD, audit

from labelaudit import tasks
from labelaudit.contracts import kinds
from labelaudit.contracts.reading import json_schema
from labelaudit.errors import InternalError

ANSWERS = (
    "DETECTOR",
    "IS_DISTRIBUTION",
    "LABEL",
    "SECTION",
    "TABLES",
    "by_class",
    "canonical",
    "checked",
    "checks",
    "fields",
    "judge",
    "pairs",
    "parts",
)


def test_contracts_can_name_the_kinds_that_have_a_module_and_no_others():
    rooms = {path.stem for path in Path(tasks.__file__).parent.glob("*.py")} - {"__init__", "judged", "texts"}
    assert rooms == set(kinds.NAMES)
    named = json.loads(json_schema())["properties"]["task"]
    assert tuple(named.get("enum") or [named["const"]]) == kinds.NAMES


@pytest.mark.parametrize("name", kinds.NAMES)
def test_a_kind_answers_all_that_is_asked_of_it(name):
    assert [answer for answer in ANSWERS if not hasattr(tasks.task_of(name), answer)] == []


def test_a_kind_without_a_module_is_our_error_and_never_a_rejection(make_contract, folder_store, put, monkeypatch):
    """A contract that may name what no module knows is a mistake of this project; no vendor hears of it."""
    contract = make_contract()
    put(folder_store, contract, GOOD)
    monkeypatch.setattr(tasks, "find_spec", lambda path: None)
    with pytest.raises(InternalError, match="'classification' has no module"):
        audit(contract, folder_store)
    assert not [key for key in folder_store.list("runs/") if "rejection" in key]
