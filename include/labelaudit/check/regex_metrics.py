"""Great Expectations' regex metrics, run by RE2 (in pyarrow) and never by Python's `re`: linear in the text's length.

The meaning is Great Expectations' own: the regex is found anywhere in the text; `^` and `$` anchor it. Importing this
module replaces what Great Expectations registered for pandas.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations import registry
from great_expectations.expectations.metrics.map_metric_provider import (
    ColumnMapMetricProvider,
    column_condition_partial,
)


def matches(column: pd.Series, regex: str) -> pd.Series:
    """Whether the regex is found in each value, as text; null in none. `$` is the very end, also after a line break."""
    texts = pa.chunked_array(pa.array(column.astype(str), from_pandas=True))
    matched = pc.fill_null(pc.match_substring_regex(texts, regex), False)
    return pd.Series(matched.to_numpy(), index=column.index)


def _matching(column: pd.Series, regexes: Sequence[str], every: bool) -> pd.Series:
    matched = matches(column, regexes[0])
    for regex in regexes[1:]:
        matched = matched & matches(column, regex) if every else matched | matches(column, regex)
    return matched


logging.getLogger(registry.__name__).setLevel(logging.ERROR)  # it warns of each metric that is registered again


class MatchRegex(ColumnMapMetricProvider):
    condition_metric_name = "column_values.match_regex"
    condition_value_keys = ("regex",)

    @column_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column: pd.Series, regex: str, **_: Any) -> pd.Series:
        return matches(column, regex)


class NotMatchRegex(ColumnMapMetricProvider):
    condition_metric_name = "column_values.not_match_regex"
    condition_value_keys = ("regex",)

    @column_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column: pd.Series, regex: str, **_: Any) -> pd.Series:
        return ~matches(column, regex)


class MatchRegexList(ColumnMapMetricProvider):
    condition_metric_name = "column_values.match_regex_list"
    condition_value_keys = ("regex_list", "match_on")
    default_kwarg_values = {"match_on": "any"}  # noqa: RUF012 # Great Expectations' own way

    @column_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column: pd.Series, regex_list: Sequence[str], match_on: str, **_: Any) -> pd.Series:
        return _matching(column, regex_list, every=match_on == "all")


class NotMatchRegexList(ColumnMapMetricProvider):
    condition_metric_name = "column_values.not_match_regex_list"
    condition_value_keys = ("regex_list",)

    @column_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column: pd.Series, regex_list: Sequence[str], **_: Any) -> pd.Series:
        return ~_matching(column, regex_list, every=False)
