"""Great Expectations: which expectations a contract means, and what they find. Only `regex_metrics` imports it, too.

Facts that shape it (1.24): a frame with a RangeIndex and COMPLETE without index columns gives exact row numbers fast; a
metric that crashes comes back as an unsuccessful result with `exception_info`, and is kept apart here.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from labelaudit.contracts.check_arguments import BOUNDS
from labelaudit.contracts.checks import Check
from labelaudit.contracts.model import Contract
from labelaudit.errors import ContractError
from labelaudit.tasks import task_of
from labelaudit.values.deliveries import CheckOutcome

os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read at import; it would report usage to a third party

import great_expectations as gx
import pandas as pd
from great_expectations.data_context.types.base import ProgressBarsConfig
from great_expectations.expectations.expectation import (
    ColumnMapExpectation,
    ColumnPairMapExpectation,
    MulticolumnMapExpectation,
)
from great_expectations.expectations.registry import get_expectation_impl

from labelaudit.check import regex_metrics  # noqa: F401 # its import is what counts: regexes are run by RE2

PROBABILITY_TOLERANCE = 0.01
"""Delivered probabilities may miss a sum of one by this much: five printed decimals, or half precision."""

KEYS = ("expect_column_values_to_be_unique", "expect_compound_columns_to_be_unique")
"""Row checks that look at other rows: they hold over the whole delivery, not row group by row group."""

_ROW_CHECKS = (ColumnMapExpectation, ColumnPairMapExpectation, MulticolumnMapExpectation)
_EXAMPLES = 5


@dataclass(frozen=True)
class Planned:
    """One expectation to run. `scope`: "rows" (a row group is enough), "keys" or "table" (the whole delivery)."""

    check: Check
    source: str
    scope: str
    columns: tuple[str, ...]

    @property
    def column(self) -> str | None:
        return ", ".join(self.columns) or None


@dataclass
class Finding:
    """What one expectation found so far; findings of row groups add up."""

    checked_rows: int = 0
    failed: list[int] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)
    success: bool = True
    detail: str = ""
    crashed: str = ""


def plan(contract: Contract) -> list[Planned]:
    """The expectations that follow from the contract, then its own, in its order."""
    implied = [Check(type="expect_column_values_to_not_be_null", kwargs={"column": name}) for name in _ids(contract)]
    implied += task_of(contract.task).checks(contract)
    if contract.probability_columns and not contract.predictions.file:
        implied += _distributions("warning")
    if "annotator" in contract.columns:
        keys = {"column_list": ["item", "annotator"]}
        implied.append(Check(type="expect_compound_columns_to_be_unique", kwargs=keys))
    else:
        implied.append(Check(type="expect_column_values_to_be_unique", kwargs={"column": "item"}))
    return [_planned(check, "implied") for check in implied] + [
        _planned(check, "contract") for check in contract.checks
    ]


def plan_predictions() -> list[Planned]:
    """The expectations of predictions that come in a file of their own; it must be sound as a whole."""
    once = Check(type="expect_column_values_to_be_unique", kwargs={"column": "item"}, severity="critical")
    return [_planned(check, "implied") for check in (*_distributions("critical"), once)]


def _distributions(severity: str) -> list[Check]:
    """Probabilities are not negative and sum to one."""
    around = {"min_value": 1 - PROBABILITY_TOLERANCE, "max_value": 1 + PROBABILITY_TOLERANCE}
    least = {"column": "pred_probs_min", "min_value": 0}
    kind = "expect_column_values_to_be_between"
    return [
        Check(type=kind, kwargs={"column": "pred_probs_sum", **around}, severity=severity),
        Check(type=kind, kwargs=least, severity=severity),
    ]


def validate_checks(contract: Contract) -> list[str]:
    """What Great Expectations itself finds wrong with the contract's checks, one line each."""
    problems = []
    for number, check in enumerate(contract.checks):
        try:
            _expectation(check, number)
        except ContractError as error:
            problems += error.problems
    return problems


class Runner:
    """Runs planned expectations on frames and adds up what they find."""

    def __init__(self, planned: Sequence[Planned]):
        self.planned = list(planned)
        self.findings = [Finding() for _ in planned]
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = ProgressBarsConfig(globally=False)
        asset = context.data_sources.add_pandas("delivery").add_dataframe_asset("rows")
        self._rows = asset.add_batch_definition_whole_dataframe("all")

    def run(self, frame: pd.DataFrame, scope: str, rows: Sequence[int]) -> None:
        """Run the expectations of a scope on a frame; `rows` are its rows' numbers within the delivery."""
        suite = gx.ExpectationSuite(name="contract")
        for number, planned in enumerate(self.planned):
            if planned.scope == scope:
                suite.add_expectation(_expectation(planned.check, number))
        if not suite.expectations or (frame.empty and scope != "table"):
            return
        numbered = frame.reset_index(drop=True)  # unexpected_index_list then holds row numbers
        batch = self._rows.get_batch({"dataframe": numbered})
        for result in batch.validate(suite, result_format={"result_format": "COMPLETE"}).results:
            self._add(result.expectation_config.meta["check"], result, numbered, rows)

    def _add(self, number: int, result: Any, frame: pd.DataFrame, rows: Sequence[int]) -> None:
        finding, observed = self.findings[number], result.result
        if crash := _crash(result.exception_info):
            finding.crashed, finding.success = crash, False
        elif self.planned[number].scope == "table":
            finding.success = bool(result.success)
            finding.detail = f"observed {observed.get('observed_value')}"
        else:
            finding.checked_rows += observed["element_count"] - (observed.get("missing_count") or 0)
            failed = observed["unexpected_index_list"]
            if self.planned[number].check.type in KEYS:
                # all but the first row of a key; Great Expectations lists the rows of all, but few of their values
                keys = frame.loc[sorted(failed), list(self.planned[number].columns)]
                failed = keys.index[keys.duplicated()]
            finding.failed += [int(rows[row]) for row in failed]
            shown = [str(value)[:80] for value in observed["partial_unexpected_list"]]
            finding.examples += [text for text in dict.fromkeys(shown) if text not in finding.examples]
            del finding.examples[_EXAMPLES:]
            mostly = self.planned[number].check.kwargs.get("mostly", 1)
            finding.success = len(finding.failed) <= (1 - mostly) * finding.checked_rows + 1e-9

    def outcomes(self) -> list[CheckOutcome]:
        return [
            CheckOutcome(
                type=planned.check.type,
                column=planned.column,
                arguments=arguments(planned.check),
                severity=planned.check.severity,
                source=planned.source,
                success=finding.success,
                checked_rows=finding.checked_rows,
                failed_rows=len(finding.failed),
                examples=tuple(finding.examples),
                detail=finding.crashed or finding.detail,
            )
            for planned, finding in zip(self.planned, self.findings, strict=True)
        ]


def arguments(check: Check) -> str:
    """The arguments that a person wants to see, e.g. `min_value=0, max_value=1`."""
    shown = []
    for name, value in check.kwargs.items():
        if name in ("column", "column_list"):
            continue
        text = f"{len(value)} values" if isinstance(value, list) and len(value) > 12 else str(value)
        shown.append(f"{name}={text}")
    return ", ".join(shown)[:300]


def _planned(check: Check, source: str) -> Planned:
    kind = get_expectation_impl(check.type)
    scope = "keys" if check.type in KEYS else "rows" if issubclass(kind, _ROW_CHECKS) else "table"
    return Planned(check, source, scope, check.columns)


def _expectation(check: Check, number: int) -> Any:
    try:
        given = {name: _moment(value) if name in BOUNDS else value for name, value in check.kwargs.items()}
        return get_expectation_impl(check.type)(**given, severity=check.severity, meta={"check": number})
    except ValueError as error:
        said = "; ".join(str(error).splitlines()[1:]) or str(error)
        raise ContractError("contract", [f"`checks.{number}`: {check.type}: {said}"]) from error


def _moment(bound: Any) -> Any:
    """A bound of timestamps as a moment with a time zone (UTC, if it says none), as the columns' are."""
    if not isinstance(bound, str):
        return bound
    moment = datetime.fromisoformat(bound)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _crash(exception_info: dict[Any, Any] | None) -> str:
    """The message of a metric that crashed, else empty."""
    for metric in (exception_info or {}).values():
        if isinstance(metric, dict) and metric.get("exception_message"):
            return str(metric["exception_message"])[:300]
    if exception_info and exception_info.get("raised_exception") is True:
        return str(exception_info.get("exception_message"))[:300]
    return ""


def _ids(contract: Contract) -> list[str]:
    return [name for name in ("item", "annotator", "label") if name in contract.columns]
