"""The part of a contract that says which Great Expectations hold: an allow-list, for contracts may come from anyone.

Nothing in a contract is evaluated. Not taken are `row_condition` (pandas runs it as code), `result_format`,
`$PARAMETER`s, queries, JSON schemas (they load addresses and run any regex), and XML.
"""

from __future__ import annotations

import difflib
from typing import Any

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from labelaudit.contracts.check_arguments import (
    Arguments,
    ColumnBetween,
    ColumnCountBetween,
    ColumnInSet,
    ColumnNumbersBetween,
    ColumnSet,
    CountBetween,
    CountRange,
    Equal,
    Existing,
    LengthsBetween,
    LengthsEqual,
    Matching,
    MatchingSome,
    Moments,
    MostCommon,
    NotMatchingAny,
    OfRows,
    OrderedColumns,
    Outliers,
    Pair,
    PairGreater,
    PairInSet,
    Quantiles,
    Rising,
    RowsBetween,
    RowsInSet,
    Several,
    SumEqual,
    ZScores,
)
from labelaudit.contracts.delivery import Model
from labelaudit.contracts.quality import Severity

FAMILIES: dict[type[Arguments], tuple[str, ...]] = {
    OfRows: (
        "expect_column_values_to_be_null",
        "expect_column_values_to_not_be_null",
        "expect_column_values_to_be_unique",
        "expect_column_values_to_be_dateutil_parseable",
        "expect_column_values_to_be_json_parseable",
    ),
    RowsBetween: ("expect_column_values_to_be_between",),
    LengthsBetween: ("expect_column_value_lengths_to_be_between",),
    LengthsEqual: ("expect_column_value_lengths_to_equal",),
    RowsInSet: ("expect_column_values_to_be_in_set", "expect_column_values_to_not_be_in_set"),
    Rising: ("expect_column_values_to_be_increasing", "expect_column_values_to_be_decreasing"),
    ZScores: ("expect_column_value_z_scores_to_be_less_than",),
    Outliers: ("expect_column_values_to_not_be_outliers",),
    Matching: ("expect_column_values_to_match_regex", "expect_column_values_to_not_match_regex"),
    MatchingSome: ("expect_column_values_to_match_regex_list",),
    NotMatchingAny: ("expect_column_values_to_not_match_regex_list",),
    Moments: ("expect_column_values_to_match_strftime_format",),
    Pair: ("expect_column_pair_values_to_be_equal",),
    PairGreater: ("expect_column_pair_values_a_to_be_greater_than_b",),
    PairInSet: ("expect_column_pair_values_to_be_in_set",),
    Several: (
        "expect_compound_columns_to_be_unique",
        "expect_multicolumn_values_to_be_equal",
        "expect_select_column_values_to_be_unique_within_record",
    ),
    SumEqual: ("expect_multicolumn_sum_to_equal",),
    ColumnBetween: ("expect_column_max_to_be_between", "expect_column_min_to_be_between"),
    ColumnNumbersBetween: (
        "expect_column_mean_to_be_between",
        "expect_column_median_to_be_between",
        "expect_column_stdev_to_be_between",
        "expect_column_sum_to_be_between",
        "expect_column_proportion_of_non_null_values_to_be_between",
        "expect_column_proportion_of_unique_values_to_be_between",
    ),
    ColumnCountBetween: ("expect_column_unique_value_count_to_be_between",),
    ColumnInSet: (
        "expect_column_distinct_values_to_be_in_set",
        "expect_column_distinct_values_to_contain_set",
        "expect_column_distinct_values_to_equal_set",
    ),
    MostCommon: ("expect_column_most_common_value_to_be_in_set",),
    Quantiles: ("expect_column_quantile_values_to_be_between",),
    Existing: ("expect_column_to_exist",),
    CountBetween: ("expect_table_row_count_to_be_between",),
    CountRange: ("expect_table_column_count_to_be_between",),
    Equal: ("expect_table_row_count_to_equal", "expect_table_column_count_to_equal"),
    OrderedColumns: ("expect_table_columns_to_match_ordered_list",),
    ColumnSet: ("expect_table_columns_to_match_set",),
}
"""Which expectations a contract can name, and the arguments of each."""

ARGUMENTS = {name: family for family, names in FAMILIES.items() for name in names}


def _editors(schema: dict[str, Any]) -> None:
    """For editors: each expectation with its own arguments."""
    schema["properties"]["type"]["enum"] = sorted(ARGUMENTS)
    schema["allOf"] = [
        {
            "if": {"properties": {"type": {"enum": list(names)}}},
            "then": {"properties": {"kwargs": _inlined(family.model_json_schema())}},
        }
        for family, names in FAMILIES.items()
    ]
    schema["required"] = ["type", "kwargs"]


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without `$defs`, whose places would be those of another document."""
    known = schema.pop("$defs", {})

    def inline(part: Any) -> Any:
        if isinstance(part, dict):
            schema = known[part["$ref"].rpartition("/")[2]] if "$ref" in part else part
            return {name: inline(value) for name, value in schema.items()}
        return [inline(inner) for inner in part] if isinstance(part, list) else part

    return inline(schema)


class Check(Model):
    """A Great Expectations expectation by its own name and arguments."""

    model_config = ConfigDict(json_schema_extra=_editors)

    type: str = Field(description="e.g. expect_column_values_to_be_between")
    kwargs: dict[str, Any] = Field(
        default_factory=dict, validate_default=True, description="the expectation's own arguments"
    )
    severity: Severity = Field(
        "warning",
        description="of a row check: critical rejects the delivery, warning rejects the row, info only reports;"
        " of a table check: critical rejects the delivery, the others report",
    )

    @field_validator("type")
    @classmethod
    def _taken(cls, name: str) -> str:
        if name not in ARGUMENTS:
            (near,) = difflib.get_close_matches(name, ARGUMENTS, n=1, cutoff=0)
            raise ValueError(f"{name[:100]!r} is no expectation that contracts can name; the nearest is {near}")
        return name

    @field_validator("kwargs", mode="before")
    @classmethod
    def _of_its_type(cls, given: Any, info: ValidationInfo) -> Any:
        if (family := ARGUMENTS.get(info.data.get("type", ""))) is None:
            return {}  # the type's own error says all
        return family.model_validate(given).model_dump(exclude_unset=True)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it looks at, in the order of its arguments; empty: it looks at the table."""
        named = [self.kwargs.get(name) for name in ("column", "column_A", "column_B")]
        return tuple(name for name in named if name) + tuple(self.kwargs.get("column_list") or ())
