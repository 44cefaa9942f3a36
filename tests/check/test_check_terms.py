"""What a contract may ask of Great Expectations: an allow-list, of which nothing is evaluated and everything ends."""

from __future__ import annotations

import json
import time
from typing import Any

import pandas as pd
import pytest
from conftest import TERMS
from great_expectations.expectations.registry import get_expectation_impl, list_registered_expectation_implementations
from hypothesis import given
from hypothesis import strategies as st

from labelaudit.check.expectations import Runner, plan
from labelaudit.check.regex_metrics import matches
from labelaudit.contracts.checks import ARGUMENTS, Check
from labelaudit.errors import ContractError
from labelaudit.run import steps
from labelaudit.storage.store import Store

ROWS = 60
FRAME = pd.DataFrame(
    {
        "word": [f"abc{row}" for row in range(ROWS)],
        "same": ["x"] * ROWS,
        "count": list(range(ROWS)),
        "number": [float(row) if row % 7 else None for row in range(ROWS)],
        "day": [f"2026-01-{row % 28 + 1:02}" for row in range(ROWS)],
        "moment": pd.date_range("2026-01-01", periods=ROWS, freq="h", tz="UTC"),
    }
)
ONE = {"column": "word"}
EXAMPLES: dict[str, dict[str, Any]] = {
    "pair_values_to_be_in_set": {"column_A": "word", "column_B": "same", "value_pairs_set": [["abc1", "x"]]},
    "quantile": {"column": "number", "quantile_ranges": {"quantiles": [0.5], "value_ranges": [[None, 5]]}},
    "values_to_be_between": {"column": "number", "min_value": 3, "strict_min": True},
    "lengths_to_be_between": ONE | {"min_value": 5},
    "lengths_to_equal": ONE | {"value": 4},
    "values_to_be_in_set": ONE | {"value_set": ["abc1", 2, True]},
    "values_to_not_be_in_set": ONE | {"value_set": ["abc1"]},
    "creasing": {"column": "count", "strictly": True},
    "z_scores": {"column": "number", "threshold": 1, "double_sided": True},
    "outliers": {"column": "number", "method": "iqr", "multiplier": 1},
    "match_regex_list": ONE | {"regex_list": ["^a", "c1$"]},
    "match_regex": ONE | {"regex": "c1$", "mostly": 0.1},
    "strftime": {"column": "day", "strftime_format": "%Y-%m-%d"},
    "pair_values_to_be_equal": {"column_A": "word", "column_B": "same"},
    "greater_than_b": {"column_A": "count", "column_B": "number", "or_equal": True},
    "compound": {"column_list": ["word", "same"]},
    "select_column": {"column_list": ["word", "same"]},
    "multicolumn_values": {"column_list": ["word", "same"]},
    "multicolumn_sum": {"column_list": ["count", "number"], "sum_total": 4},
    "distinct_values": ONE | {"value_set": ["abc1"]},
    "most_common": {"column": "same", "value_set": ["x"], "ties_okay": True},
    "to_exist": ONE | {"column_index": 0},
    "table_row_count_to_be": {"min_value": 3},
    "table_column_count_to_be": {"min_value": 3},
    "table_row_count_to_equal": {"value": 3},
    "table_column_count_to_equal": {"value": 3},
    "ordered_list": {"column_list": ["word"]},
    "match_set": {"column_set": ["word"], "exact_match": False},
    "unique_value_count": ONE | {"max_value": 3},
    "_to_be_between": {"column": "number", "max_value": 0.5},
    "_to_": ONE,
}
"""Arguments by a part of the expectation's name; the first part that fits."""


def arguments_of(name: str) -> dict[str, Any]:
    return next(given for part, given in EXAMPLES.items() if part in name)


def run_one(check: dict[str, Any], make_contract) -> Runner:
    columns = TERMS["columns"] | {name: {} for name in FRAME} | {"count": {"type": "integer"}}
    columns |= {"number": {"type": "number", "nullable": True}, "moment": {"type": "timestamp"}}
    planned = plan(make_contract(columns=columns, checks=[check]))[-1:]
    runner = Runner(planned)
    runner.run(FRAME, planned[0].scope, range(ROWS))
    return runner


@pytest.mark.parametrize("name", sorted(ARGUMENTS))
def test_what_a_contract_can_name_runs_with_all_its_arguments(name: str, make_contract):
    """Each is known to Great Expectations, by these arguments, and runs on pandas."""
    assert set(ARGUMENTS[name].model_fields) <= set(get_expectation_impl(name).__fields__)
    (finding,) = run_one({"type": name, "kwargs": arguments_of(name)}, make_contract).findings
    assert not finding.crashed


def test_what_runs_code_queries_addresses_or_any_regex_can_not_be_named():
    """An expectation that Great Expectations adds is not taken before someone has looked at it."""
    assert set(list_registered_expectation_implementations()) - set(ARGUMENTS) == {
        "expect_column_kl_divergence_to_be_less_than",  # a distribution as an argument: nobody asked for it
        "expect_column_type_to_be",  # the contract's `columns` say it, and rows of another type are rejects
        "expect_column_values_to_be_in_type_list",
        "expect_column_values_to_be_of_type",
        "expect_column_values_to_match_json_schema",  # loads `$ref`s, and runs `pattern`s
        "expect_column_values_to_match_like_pattern",  # of SQL
        "expect_column_values_to_match_like_pattern_list",
        "expect_column_values_to_not_match_like_pattern",
        "expect_column_values_to_not_match_like_pattern_list",
        "expect_query_results_to_match_comparison",
        "expect_table_row_count_to_equal_other_table",
        "unexpected_rows_expectation",
    }


HARM = "@pd.io.common.os.system('touch {file}') == 0 or item == item"


@pytest.mark.parametrize(
    ("name", "argument", "value"),
    [
        ("expect_column_values_to_not_be_null", "row_condition", HARM),
        ("expect_column_values_to_not_be_null", "condition_parser", "pandas"),
        ("expect_column_values_to_be_between", "min_value", {"$PARAMETER": "now()"}),
        ("expect_column_values_to_be_between", "min_value", "now()"),
        ("expect_column_values_to_be_between", "result_format", {"result_format": "BASIC"}),
        ("expect_column_values_to_be_between", "min_value", True),
        ("expect_column_values_to_be_in_set", "value_set", {"$PARAMETER": "x"}),
        ("expect_column_values_to_be_in_set", "value_set", [{"$PARAMETER": "x"}]),
        ("expect_column_values_to_be_in_set", "value_set", [["a"]]),
        ("expect_column_values_to_be_unique", "windows", []),
        ("expect_column_values_to_be_unique", "meta", {"check": 7}),
        ("expect_column_values_to_be_unique", "mostly", {"$PARAMETER": "x"}),
        ("expect_column_values_to_be_unique", "severity", "info"),
        ("unexpected_rows_expectation", "unexpected_rows_query", "select 1"),
        ("expect_column_values_to_match_json_schema", "json_schema", {"$ref": "http://127.0.0.1/x"}),
    ],
)
def test_nothing_of_a_contract_is_evaluated(make_contract, tmp_path, name: str, argument: str, value: Any):
    """pandas runs a `row_condition` as code: a customer's contract wrote a file as the task's user."""
    harm = value.format(file=tmp_path / "harm") if value == HARM else value
    given = (arguments_of(name) | {"column": "item"} if name in ARGUMENTS else {}) | {argument: harm}
    with pytest.raises(ContractError) as caught:
        make_contract(checks=[{"type": name, "kwargs": given}])
    assert argument in str(caught.value) or "is no expectation that contracts can name" in str(caught.value)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    ("regex", "said"),
    [
        ("(?=a)", "invalid perl operator"),
        ("(?<!a)b", "RE2's language"),
        (r"(a)\1", "invalid escape sequence"),
        ("(", "missing )"),
        ("a{1001}", "invalid repetition size"),
        (r"\w{500}" * 100, "too large"),
        ("a" * 1001, "at most 1000 characters"),
        ("", "at least 1 character"),
    ],
)
def test_a_regex_is_of_re2s_language(make_contract, regex: str, said: str):
    for kind, given_regex in (("match_regex", regex), ("not_match_regex_list", [regex])):
        kwargs = {"column": "item", "regex" if kind == "match_regex" else "regex_list": given_regex}
        with pytest.raises(ContractError) as caught:
            make_contract(checks=[{"type": f"expect_column_values_to_{kind}", "kwargs": kwargs}])
        assert said in str(caught.value)


@pytest.mark.parametrize("kind", ["match_regex", "not_match_regex", "match_regex_list", "not_match_regex_list"])
def test_no_regex_takes_longer_than_the_text_is_long(kind: str, make_contract, folder_store: Store, put):
    """Python's `re` would need 2**70 steps for the first text; a lookahead made pandas use it."""
    kwargs = {"regex": "^(a+)+$"} if "list" not in kind else {"regex_list": ["^(a+)+$", "(x*)*y"]}
    contract = make_contract(
        checks=[{"type": f"expect_column_values_to_{kind}", "kwargs": {"column": "item"} | kwargs, "severity": "info"}]
    )
    put(folder_store, contract, "item,annotator,label\n" + "a" * 70 + "!,ann,cat\n" + "a" * 70 + ",ann,cat\n")
    began = time.process_time()
    (delivery,) = steps.find(contract, folder_store, steps.open_destination(contract, folder_store), "run").deliveries
    staged = steps.stage(contract, delivery, folder_store, "run")
    found = steps.check(contract, staged, folder_store, "run")
    assert time.process_time() - began < 60
    assert found.outcomes[-1].failed_rows == 1


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), max_size=8), min_size=1),
    st.sampled_from(
        [r"^a", "b$", r"^[a-c]+$", "a|b", r"[0-9]{2,3}", "(?i)A", r"a\.b", ".", "^$", "é", "(?:ab)+", "x*"]
    ),
)
def test_a_regex_means_what_great_expectations_means(texts: list[str], regex: str):
    """Found anywhere in the text, as `str.contains` of pandas has it."""
    column = pd.Series(texts, index=range(5, 5 + len(texts)))
    pd.testing.assert_series_equal(matches(column, regex), column.str.contains(regex).astype(bool), check_names=False)


def test_the_end_of_a_text_is_its_end():
    """Python's `$` also matches before a line break at the end: `^[a-c]$` would take a label with one for sound."""
    assert matches(pd.Series(["a", "a\n", "\n"]), "^[a-c]?$").tolist() == [True, False, False]


def test_a_bound_of_timestamps_is_a_moment(make_contract):
    """Text in YAML, since a date that does not exist is no date; without a zone it is UTC."""
    between = {"type": "expect_column_values_to_be_between"}
    for low, failed in (("2026-01-02", 24), ("2026-01-01T02:00:00+01:00", 1), ("2026-01-01 02:00", 2)):
        runner = run_one(between | {"kwargs": {"column": "moment", "min_value": low}}, make_contract)
        assert (runner.findings[0].crashed, len(runner.findings[0].failed)) == ("", failed)
    for column, low, said in (("moment", "2026-02-30", "nor ISO 8601"), ("number", "2026-01-02", "of type timestamp")):
        with pytest.raises(ContractError, match=said):
            run_one(between | {"kwargs": {"column": column, "min_value": low}}, make_contract)


def test_checks_are_values_of_json(make_contract):
    """They cross Airflow's XCom and stand in reports."""
    for name in ARGUMENTS:
        check = Check(type=name, kwargs=arguments_of(name))
        assert Check.model_validate(json.loads(json.dumps(check.model_dump()))) == check
