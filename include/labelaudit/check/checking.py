"""Holds a staged delivery against the contract: which rows are accepted, and whether the delivery is.

A row is rejected once, for the first check that it fails. What a check's severity does: critical rejects the delivery,
warning rejects the row, info only reports. More rejects than the contract tolerates reject the delivery.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence, Set
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from labelaudit.check import expectations
from labelaudit.check.expectations import Planned, Runner
from labelaudit.check.sentences import sentence
from labelaudit.contracts.model import DERIVED, Contract
from labelaudit.rejects import report
from labelaudit.rejects.records import REJECT_SCHEMA, TEXT_CHARACTERS, Reject, rejects_table
from labelaudit.rejects.words import SET_ASIDE
from labelaudit.storage import layout
from labelaudit.storage.parquet import TableWriter, read_table, row_count, row_groups
from labelaudit.storage.store import Store
from labelaudit.tasks import task_of
from labelaudit.values import text_forms
from labelaudit.values.deliveries import CheckedDelivery, CheckOutcome, Refusal, RejectCount, StagedDelivery

Why = Callable[[int, dict[str, Any]], tuple[str | None, str, str]]
"""Column, code and reason of the reject that a row is, by its number and values."""


def check(
    contract: Contract,
    staged: StagedDelivery,
    store: Store,
    run: str,
    progress: Callable[[int, int], None] | None = None,
) -> CheckedDelivery:
    """Check every row; writes the accepted rows and the rejects, or the vendor's rejection report.

    delivered_rows = accepted_rows + rejected_rows always; in a rejected delivery all rows seen are rejected.
    """
    delivery = staged.delivery
    prefix = layout.run_delivery(contract.customer, contract.dataset, run, delivery.vendor, delivery.id)
    counts = Counter({(count.code, count.column): count.rows for count in staged.reject_counts})
    outcomes: list[CheckOutcome] = []
    refusal = staged.refusal
    rejects = _unreadable(store, staged)
    if refusal is None:
        runner = _run(contract, expectations.plan(contract), store, staged.table, progress)
        outcomes = runner.outcomes()
        reasons = _reasons(runner)
        twins = {row: twin for row, twin in _twins(contract, store, staged).items() if row not in reasons}

        def why(row: int, values: dict[str, Any]) -> tuple[str | None, str, str]:
            return _two_forms(twins[row], values) if row in twins else _failed(runner.planned[reasons[row]], values)

        failed = _rejects(store, staged, {*reasons, *twins}, why)
        counts.update(zip(failed["code"].to_pylist(), failed["column"].to_pylist(), strict=True))
        rejects = pa.concat_tables([rejects, failed])
        refusal = _refusal(contract, staged, runner, rejects.num_rows)
    if refusal is None and staged.predictions:
        apart = _run(contract, expectations.plan_predictions(), store, staged.predictions)
        outcomes += apart.outcomes()
        refusal = _failed_check(apart, "bad_predictions")
    rejected_rows = rejects.num_rows
    table = None
    if refusal is None:
        table = prefix + "accepted.parquet"
        _write_accepted(store, staged, table, {*reasons, *twins})
    if rejected_rows:
        with TableWriter(store, prefix + "rejects.parquet", REJECT_SCHEMA) as writer:
            writer.write(rejects)
    checked = CheckedDelivery(
        delivery=delivery,
        accepted=refusal is None,
        delivered_rows=staged.delivered_rows,
        accepted_rows=staged.delivered_rows - rejected_rows if refusal is None else 0,
        rejected_rows=rejected_rows if refusal is None else staged.delivered_rows,
        table=table,
        predictions=staged.predictions if refusal is None else None,
        rejects=prefix + "rejects.parquet" if rejected_rows else None,
        reject_counts=tuple(
            RejectCount(code=code, column=column, rows=rows)
            for (code, column), rows in sorted(counts.items(), key=lambda count: (-count[1], str(count[0])))
        ),
        records=staged.records,
        undeclared=staged.undeclared,
        untaken=staged.untaken,
        cleanups=staged.cleanups,
        outcomes=tuple(outcomes),
        refusal=refusal,
        report=prefix + "rejection.html" if refusal else None,
    )
    if refusal:
        report.write(contract, checked, rejects, store, prefix)
    return checked


def _run(
    contract: Contract, planned: Sequence[Planned], store: Store, key: str, progress: Callable | None = None
) -> Runner:
    """Run the expectations on a staged table: by row group, and over all rows what needs them all."""
    runner = Runner(planned)
    done, total = 0, row_count(store, key)
    for rows in row_groups(store, key):
        runner.run(_frame(contract, rows), "rows", range(done, done + rows.num_rows))
        done += rows.num_rows
        if progress:
            progress(done, total)
    table = _columns(runner, "keys", store, key)
    kept = np.setdiff1d(np.arange(table.num_rows), list(_reasons(runner)))  # a rejected row holds no key
    runner.run(_frame(contract, table.take(kept)), "keys", kept)
    if any(planned.scope == "table" for planned in runner.planned):
        table = _columns(runner, "table", store, key)
        runner.run(_frame(contract, table), "table", range(table.num_rows))
    return runner


def _columns(runner: Runner, scope: str, store: Store, key: str) -> pa.Table:
    """The columns of the whole table that the checks of a scope look at; all, where one does not say which."""
    wanted = [planned.columns for planned in runner.planned if planned.scope == scope]
    names = {name for columns in wanted for name in columns}
    some = all(wanted) and not names & set(DERIVED)
    return read_table(store, key, sorted(names) if some else None)


def _frame(contract: Contract, rows: pa.Table) -> pd.DataFrame:
    """The rows as Great Expectations sees them: labels and probability vectors as what is checked of them."""
    frame = _with_derived(rows)
    if "label" in frame:
        frame["label"] = task_of(contract.task).checked(contract, frame["label"])
    return frame


def _with_derived(rows: pa.Table) -> pd.DataFrame:
    if "pred_probs" not in rows.column_names:
        return rows.to_pandas()
    vectors = rows["pred_probs"].combine_chunks()
    width = len(vectors[0]) if rows.num_rows else 1
    matrix = vectors.flatten().to_numpy().reshape(-1, width).astype(np.float64)
    frame = rows.drop_columns("pred_probs").to_pandas()
    for name, fold in DERIVED.items():
        frame[name] = getattr(matrix, fold)(axis=1)
    return frame


def _reasons(runner: Runner) -> dict[int, int]:
    """Row: number of the first check for which it is rejected."""
    reasons: dict[int, int] = {}
    for number, (planned, finding) in enumerate(zip(runner.planned, runner.findings, strict=True)):
        if planned.check.severity != "info" and not finding.success:
            for row in finding.failed:
                reasons.setdefault(row, number)
    return reasons


def _unreadable(store: Store, staged: StagedDelivery) -> pa.Table:
    return read_table(store, staged.rejects) if staged.rejects else REJECT_SCHEMA.empty_table()


def _rejects(store: Store, staged: StagedDelivery, numbers: Iterable[int], why: Why) -> pa.Table:
    """The rows of these numbers as rejects; their text is the row as it was read."""
    parts = [REJECT_SCHEMA.empty_table()]
    numbers = np.array(sorted(numbers), np.int64)
    start = 0
    for rows in row_groups(store, staged.table) if len(numbers) else ():
        here = numbers[(numbers >= start) & (numbers < start + rows.num_rows)]
        rejects = []
        for row, values in zip(here, rows.take(here - start).to_pylist(), strict=True):
            file, line, place = (values.pop(name) for name in ("file", "line", "place"))
            column, code, reason = why(int(row), values)
            text = ", ".join(f"{name}={value!r}" for name, value in values.items())[:TEXT_CHARACTERS]
            rejects.append(Reject(file, line, column, code, reason[:500], text, place or ""))
        parts.append(rejects_table(rejects))
        start += rows.num_rows
    return pa.concat_tables(parts)


def _failed(planned: Planned, values: dict[str, Any]) -> tuple[str | None, str, str]:
    said = {name: values.get(name) for name in planned.columns if name in values}
    return planned.column, planned.check.type, sentence(planned.check, said, expectations.arguments(planned.check))


def _twins(contract: Contract, store: Store, staged: StagedDelivery) -> dict[int, tuple[str, str]]:
    """Rows whose item or annotator comes in another Unicode form, too, which is the usual one: column, and its twin."""
    row_twins: dict[int, tuple[str, str]] = {}
    for name in (name for name in ("item", "annotator") if name in contract.columns):
        texts = read_table(store, staged.table, [name])[name]
        others = text_forms.twins(texts)
        for row in np.flatnonzero(pc.is_in(texts, pa.array(others, pa.string())).to_numpy()) if others else ():
            row_twins.setdefault(int(row), (name, others[texts[int(row)].as_py()]))
    return row_twins


def _two_forms(twin: tuple[str, str], values: dict[str, Any]) -> tuple[str, str, str]:
    column, other = twin
    differs = text_forms.difference(values[column], other)
    reason = (
        f"`{column}` is {values[column]!r}, which comes in another Unicode form, too: {differs}. Is it one? Write NFC"
    )
    return column, "other_form", reason


def _write_accepted(store: Store, staged: StagedDelivery, key: str, rejected: Set[int]) -> None:
    start = 0
    with store.local(staged.table) as path:
        schema = pq.read_schema(path)
    with TableWriter(store, key, schema) as writer:
        for rows in row_groups(store, staged.table):
            keep = np.ones(rows.num_rows, bool)
            keep[[row - start for row in rejected if start <= row < start + rows.num_rows]] = False
            writer.write(rows.filter(pa.array(keep)))
            start += rows.num_rows


def _refusal(contract: Contract, staged: StagedDelivery, runner: Runner, rejected_rows: int) -> Refusal | None:
    """Why the delivery is rejected as a whole; None where it is not."""
    if failed := _failed_check(runner):
        return failed
    aside = sum(count.rows for count in staged.reject_counts if count.code in SET_ASIDE)
    rate = (rejected_rows - aside) / max(staged.delivered_rows - aside, 1)
    if rate > contract.tolerance.rejected_rows_rate:
        return Refusal(
            code="too_many_rejects",
            message=f"{rejected_rows - aside} of {staged.delivered_rows - aside} rows ({rate:.1%}) are rejects; the"
            f" contract tolerates {contract.tolerance.rejected_rows_rate:.1%}. They are listed with line and reason.",
        )
    if rejected_rows == staged.delivered_rows:
        return Refusal(code="empty_delivery", message="no row of the delivery could be accepted")
    return None


def _failed_check(runner: Runner, code: str = "") -> Refusal | None:
    """The first failed check that rejects a delivery: a critical one, or one that could not be run."""
    for planned, finding in zip(runner.planned, runner.findings, strict=True):
        harmless = finding.success or planned.check.severity == "info"
        if harmless or (planned.check.severity == "warning" and not finding.crashed):
            continue
        what = f"{planned.check.type}({expectations.arguments(planned.check)})" + (
            f" on {planned.column}" if planned.column else ""
        )
        if finding.crashed:
            return Refusal(code=code or "table_check", message=f"{what} could not be run: {finding.crashed}")
        if planned.scope == "table":
            return Refusal(code=code or "table_check", message=f"{what} failed: {finding.detail}")
        return Refusal(
            code=code or "critical_check",
            message=f"{len(finding.failed)} of {finding.checked_rows} rows fail {what}, which is critical; e.g."
            f" {', '.join(finding.examples)}",
        )
    return None
