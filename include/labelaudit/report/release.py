"""Draws a release's report: one self-contained HTML file, and the issues as a spreadsheet."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from labelaudit.contracts.model import Contract
from labelaudit.contracts.predictions import FromPixels
from labelaudit.detect.run_detectors import RUN_DETECTORS, looking
from labelaudit.judge.stream_words import cause_in_words, rate_of
from labelaudit.rendering import charts
from labelaudit.rendering.markup import render
from labelaudit.rendering.spreadsheet import safe_csv
from labelaudit.report.content import ReportContent
from labelaudit.report.differences import COLUMNS

TEMPLATES = Path(__file__).parent / "templates"
ISSUES = {
    "item": "item",
    "given_label": "given_label",
    "_given_quality": "given_quality",
    "suggested_label": "suggested_label",
    "label": "label",
    "label_quality": "label_quality",
    "vendors": "vendors",
    "deliveries": "deliveries",
}
"""Columns of issues.csv: of a run's labels, and their names. `label_quality` is of `label`, the published one."""


def report_html(contract: Contract, content: ReportContent) -> bytes:
    """The report as HTML that needs no network; vendors' texts are escaped, and scripts are forbidden."""
    pictures = {}
    if isinstance(contract.predictions, FromPixels):
        shape, maximum = contract.predictions.shape, contract.predictions.maximum
        pictures = {item.item: charts.picture(item.pixels, shape, maximum) for item in content.worst if item.pixels}
    return render(
        TEMPLATES / "report.html",
        report=content,
        contract=contract,
        pictures=pictures,
        charts=charts,
        rate_of=rate_of,
        cause_in_words=cause_in_words,
        further=list(looking.read(content.further)),
        parts={name: looking.templates(name) for name in ("people", "dataset")},
    ).encode()


def item_lists(labels: pa.Table) -> dict[str, bytes]:
    """Spreadsheets of what else is worth a look, of the detectors that list items; `labels` with the run's own columns
    `_copy_of`, `_is_outlier` and `_second_opinion`. A list that would be empty is left out."""
    listed = {one.file: one.items(labels) for one in RUN_DETECTORS if one.items}
    return {
        name: _list(rows, {"item": "item"} | extra | {column: column for column in ("given_label", "label", "vendors")})
        for name, (rows, extra) in listed.items()
        if rows.num_rows
    }


def _list(rows: pa.Table, names: dict[str, str]) -> bytes:
    chosen = rows.select(list(names)).to_pylist()
    return safe_csv(list(names.values()), ([row[name] for name in names] for row in chosen))


def issues_csv(labels: pa.Table) -> bytes:
    """The likely wrong items of a release, the likeliest first; `labels` with the run's own column `_given_quality`."""
    issues = labels.filter(labels["is_issue"])
    issues = issues.take(pc.sort_indices(issues, [("_given_quality", "ascending"), ("item", "ascending")]))
    return _list(issues, ISSUES)


def changes_csv(rows: pa.Table) -> bytes:
    """The items whose label is another than in the release before; `rows` as `differences.changes` gives them."""
    return safe_csv(COLUMNS, ([row[name] for name in COLUMNS] for row in rows.to_pylist()))
