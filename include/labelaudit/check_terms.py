"""The part of a contract that says which Great Expectations hold: an allow-list, for contracts may come from anyone.

Nothing in a contract is evaluated. Of Great Expectations' arguments those are taken that are plain numbers, texts, and
names of columns; not `row_condition` (pandas runs it as code), `result_format`, `$PARAMETER`s, queries, JSON schemas
(they load addresses and run any regex), and XML. A regex is RE2's: it has no expression that takes exponential time.
"""

from __future__ import annotations

import difflib
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from labelaudit.delivery_terms import Model
from labelaudit.quality_terms import Severity

LARGEST_PROGRAM = 20_000
"""Instructions of a compiled regex: the time for a text is at most its length times these."""

Text = Annotated[str, StringConstraints(max_length=1000, strict=True)]
Number = StrictInt | StrictFloat
Count = Annotated[int, Field(ge=0, strict=True)]
Scalar = StrictBool | StrictInt | StrictFloat | Text
Bound = Annotated[Number | Text, Field(description="a number; of timestamps, ISO 8601")]
Regex = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
BOUNDS = ("min_value", "max_value")
ColumnPlace = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Mostly = Annotated[float, Field(ge=0, le=1)]
Values = Annotated[list[Scalar], Field(min_length=1, max_length=20_000)]


class Arguments(BaseModel):
    """Of one family of expectations; by Great Expectations' own names."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known(cls, given: Any) -> Any:
        for name in given if isinstance(given, dict) else ():
            if name not in cls.model_fields:
                (near,) = difflib.get_close_matches(str(name), cls.model_fields, n=1, cutoff=0)
                every = ", ".join(cls.model_fields)
                raise ValueError(f"the argument `{name}` is not taken; the nearest is `{near}` (all: {every})")
        return given


class OfColumn(Arguments):
    column: ColumnPlace


class OfRows(OfColumn):
    mostly: Mostly = 1


class Range(Arguments):
    """At least one bound."""

    min_value: Bound | None = None
    max_value: Bound | None = None

    @model_validator(mode="after")
    def _bounded(self):
        if self.min_value is None and self.max_value is None:
            raise ValueError("needs `min_value` or `max_value`")
        return self


class Between(Range):
    strict_min: bool = False
    strict_max: bool = False


class NumbersBetween(Between):
    min_value: Number | None = None
    max_value: Number | None = None


class CountRange(Range):
    min_value: Count | None = None
    max_value: Count | None = None


class CountBetween(CountRange, Between):
    pass


class ColumnBetween(OfColumn, Between):
    pass


class ColumnNumbersBetween(OfColumn, NumbersBetween):
    pass


class ColumnCountBetween(OfColumn, CountBetween):
    pass


class RowsBetween(OfRows, Between):
    pass


class LengthsBetween(OfRows, CountBetween):
    pass


class LengthsEqual(OfRows):
    value: Count


class RowsInSet(OfRows):
    value_set: Values


class ColumnInSet(OfColumn):
    value_set: Values


class MostCommon(ColumnInSet):
    ties_okay: bool | None = None


class Rising(OfRows):
    strictly: bool | None = None


class ZScores(OfRows):
    threshold: Number
    double_sided: bool


class Outliers(OfRows):
    method: Literal["iqr", "std"] = "iqr"
    multiplier: Annotated[float, Field(gt=0)] = 1.5


class Matching(OfRows):
    regex: Regex

    @field_validator("regex")
    @classmethod
    def _is_re2(cls, regex: str) -> str:
        return _compiled(regex)


class NotMatchingAny(OfRows):
    regex_list: Annotated[list[Regex], Field(min_length=1, max_length=100)]

    @field_validator("regex_list")
    @classmethod
    def _are_re2(cls, regexes: list[str]) -> list[str]:
        return [_compiled(regex) for regex in regexes]


class MatchingSome(NotMatchingAny):
    match_on: Literal["any", "all"] = "any"


class Moments(OfRows):
    strftime_format: Annotated[str, StringConstraints(min_length=2, max_length=60)]


class Pair(Arguments):
    column_A: ColumnPlace
    column_B: ColumnPlace
    mostly: Mostly = 1
    ignore_row_if: Literal["both_values_are_missing", "either_value_is_missing", "neither"] = "both_values_are_missing"


class PairGreater(Pair):
    or_equal: bool | None = None


class PairInSet(Pair):
    value_pairs_set: Annotated[list[tuple[Scalar, Scalar]], Field(min_length=1, max_length=20_000)]


class Several(Arguments):
    column_list: Annotated[list[ColumnPlace], Field(min_length=2, max_length=1000)]
    mostly: Mostly = 1
    ignore_row_if: Literal["all_values_are_missing", "any_value_is_missing", "never"] = "all_values_are_missing"


class SumEqual(Several):
    sum_total: Number


class QuantileRanges(Arguments):
    quantiles: Annotated[list[Annotated[float, Field(ge=0, le=1)]], Field(min_length=1, max_length=100)]
    value_ranges: Annotated[list[tuple[Number | None, Number | None]], Field(min_length=1, max_length=100)]

    @model_validator(mode="after")
    def _paired(self):
        if len(self.quantiles) != len(self.value_ranges):
            raise ValueError("needs as many `value_ranges` as `quantiles`")
        return self


class Quantiles(OfColumn):
    quantile_ranges: QuantileRanges


class Existing(OfColumn):
    column_index: Count | None = None


class Equal(Arguments):
    value: Count


class OrderedColumns(Arguments):
    column_list: Annotated[list[ColumnPlace], Field(min_length=1, max_length=1000)]


class ColumnSet(Arguments):
    column_set: Annotated[list[ColumnPlace], Field(min_length=1, max_length=1000)]
    exact_match: bool | None = None


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
            found = known[part["$ref"].rpartition("/")[2]] if "$ref" in part else part
            return {name: inline(value) for name, value in found.items()}
        return [inline(one) for one in part] if isinstance(part, list) else part

    return inline(schema)


class Check(Model):
    """A Great Expectations expectation by its own name and arguments."""

    model_config = ConfigDict(json_schema_extra=_editors)

    type: str = Field(description="e.g. expect_column_values_to_be_between")
    kwargs: dict[str, Any] = Field(default_factory=dict, validate_default=True)
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
        one = [self.kwargs.get(name) for name in ("column", "column_A", "column_B")]
        return tuple(name for name in one if name) + tuple(self.kwargs.get("column_list") or ())


def _compiled(regex: str) -> str:
    """The regex, if RE2 takes it."""
    import re2  # most contracts have none

    options = re2.Options()
    options.log_errors = False
    try:
        size = re2.compile(regex, options).programsize
    except re2.error as error:
        said = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else str(error)
        raise ValueError(
            f"{regex!r} is no regex of RE2's language: {said}. It has no lookaround and no back-references; see"
            " github.com/google/re2/wiki/Syntax"
        ) from error
    if size > LARGEST_PROGRAM:
        raise ValueError(f"{regex!r} is too large: {size} instructions, at most {LARGEST_PROGRAM} are taken")
    return regex
