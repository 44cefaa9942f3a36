"""The arguments that a contract can give to Great Expectations' checks, by families that share them.

Plain numbers, texts, names of columns, and regexes of RE2's language; nothing that is evaluated.
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
    field_validator,
    model_validator,
)

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
