"""Draws a release's report: one self-contained HTML file, and the issues as a spreadsheet."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from labelaudit.contract import Contract, FromPixels
from labelaudit.report import charts
from labelaudit.report.content import ReportContent
from labelaudit.report.pages import render
from labelaudit.report.spreadsheet import safe_csv

ISSUE_COLUMNS = ["item", "given_label", "suggested_label", "label", "label_quality", "vendors", "deliveries"]


def report_html(contract: Contract, content: ReportContent) -> bytes:
    """The report as HTML that needs no network; vendors' texts are escaped, and scripts are forbidden."""
    pictures = {}
    if isinstance(contract.predictions, FromPixels):
        shape, maximum = contract.predictions.shape, contract.predictions.maximum
        pictures = {one.item: charts.picture(one.pixels, shape, maximum) for one in content.worst if one.pixels}
    return render("report.html", report=content, contract=contract, pictures=pictures, charts=charts).encode()


def issues_csv(labels: pa.Table) -> bytes:
    """The likely wrong items of a release, the likeliest first."""
    found = labels.filter(labels["is_issue"]).select(ISSUE_COLUMNS)
    found = found.take(pc.sort_indices(found, [("label_quality", "ascending"), ("item", "ascending")]))
    return safe_csv(ISSUE_COLUMNS, ([row[name] for name in ISSUE_COLUMNS] for row in found.to_pylist()))
