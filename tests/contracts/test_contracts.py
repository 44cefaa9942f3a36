"""Contracts: the project's own are sound, and every mistake is explained with its line and the nearest valid name."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from conftest import PROJECT, TERMS

from labelaudit.check.expectations import validate_checks
from labelaudit.contracts.reading import contract_paths, json_schema, read_contract, read_contracts
from labelaudit.errors import ContractError

FOLDER = PROJECT / "include" / "contracts"


@pytest.mark.parametrize("path", contract_paths(FOLDER), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_contract_of_the_project_is_sound(path: Path):
    """A broken contract fails here, named; its checks are known to Great Expectations."""
    assert validate_checks(read_contract(path)) == []


def test_the_schema_for_editors_is_up_to_date():
    """`make schema` writes it."""
    assert (FOLDER / "contract.schema.json").read_text() == json_schema()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"tolerance": {"rejected_row_rate": 0.1}}, "`rejected_rows_rate`"),
        ({"onbreach": "hold"}, "`on_breach`"),
        ({"classes": ["cat"]}, "`classes`"),
        ({"classes": [1, 2]}, "put it in quotes"),
        ({"columns": {"item": {}}}, "`columns` must declare `label`"),
        ({"predictions": {"source": "text", "column": "body"}}, "`body`, which `columns` does not declare"),
        ({"predictions": {"source": "magic"}}, "magic"),
        ({"schedule": "daily"}, "cron"),
        ({"schedule": "0 24 * * *"}, "line 10: `schedule`: not a cron expression"),
        ({"schedule": "61 25 * * *"}, "hour 0-23"),
        ({"schedule": "0 0 30 2 *"}, "never comes"),
        ({"schedule": "0 0 31 4,6 *"}, "never comes"),
        ({"schedule": "R 6 * * *"}, "another schedule each time"),
        ({"schedule": "* * * * * *"}, "five fields"),
        ({"schedule": "@once"}, "@daily"),
        ({"approval": {"timeout_hours": 1e300}}, "`approval.timeout_hours`"),
        ({"retention": {"runs_days": 10**30}}, "`retention.runs_days`"),
        ({"destination": {"uri": "s3://acme-labels/`x`"}}, "`destination.uri`"),
        ({"description": "x" * 10_001}, "`description`"),
        ({"vendors": {"Alder": {"format": "csv"}}}, "Alder"),
        ({"vendors": {"all": {"format": "csv"}}}, "can't be called `all`"),
        ({"predictions": {"source": "pixels", "column": "x", "shape": [-8, -8]}}, "`predictions.shape"),
        ({"destination": {"uri": "ftp://x"}}, "`destination.uri`"),
        ({"alerts": [{"via": "slack"}]}, "`connection`"),
        ({"customer": "someone"}, "comes from the path"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, changed: dict, said: str):
    """What was found, where, and what would be valid."""
    path = tmp_path / "acme" / "pets.yaml"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump({**TERMS, **changed}))
    with pytest.raises(ContractError) as caught:
        read_contract(path)
    assert said in str(caught.value)
    assert str(caught.value).startswith("acme/pets.yaml: ")


def test_no_dataset_is_the_place_of_our_own_alerts(make_contract):
    with pytest.raises(ContractError, match="our own alerts"):
        make_contract("labelaudit/all")


def test_a_broken_contract_hides_no_other(tmp_path: Path):
    for customer, text in (
        ("acme", yaml.safe_dump(TERMS)),
        ("broken", "classes: [cat\n"),
        ("twice", "task: a\ntask: b"),
    ):
        (tmp_path / customer).mkdir()
        (tmp_path / customer / "pets.yaml").write_text(text)
    contracts, errors = read_contracts(tmp_path)
    assert [contract.id for contract in contracts] == ["acme/pets"]
    assert [error.where for error in errors] == ["broken/pets.yaml", "twice/pets.yaml"]
    assert "given twice (line 1)" in str(errors[1])


def test_wrong_checks_are_named_before_a_delivery_meets_them(make_contract):
    with pytest.raises(ContractError) as caught:
        make_contract(
            checks=[
                {"type": "expect_column_values_to_be_betwen", "kwargs": {"column": "item"}},
                {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "item", "values": ["a"]}},
            ]
        )
    assert len(caught.value.problems) == 2
    assert "expect_column_values_to_be_between" in caught.value.problems[0]
    assert "`value_set`" in caught.value.problems[1]
    with pytest.raises(ContractError, match="`breed` is not declared in `columns`"):
        make_contract(
            checks=[{"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "breed", "value_set": ["a"]}}]
        )


CHECK = "expect_column_values_to_be_"


def check(kind: str, **kwargs) -> dict:
    return TERMS | {"checks": [{"type": CHECK + kind, "kwargs": {"column": "item", **kwargs}}]}


@pytest.mark.parametrize(
    ("terms", "sound"),
    [
        (TERMS, True),
        (check("between", min_value=1), True),
        (check("betwen"), False),
        (check("unique", row_condition="x"), False),
        (check("in_set"), False),
        (TERMS | {"tolerance": {"rejected_row_rate": 0.1}}, False),
        (TERMS | {"retention": {"runs_days": 10**30}}, False),
        (TERMS | {"alerts": [{"via": "log", "on": ["digest"]}]}, True),
        (TERMS | {"alerts": [{"via": "log", True: ["digest"]}]}, False),
    ],
)
def test_the_schema_for_editors_says_what_the_model_says(make_contract, terms: dict, sound: bool):
    schema = json.loads(json_schema())
    jsonschema.Draft202012Validator.check_schema(schema)
    assert jsonschema.Draft202012Validator(schema).is_valid({str(key): value for key, value in terms.items()}) == sound
    if sound:
        make_contract(**terms)
    else:
        with pytest.raises(ContractError):
            make_contract(**terms)
