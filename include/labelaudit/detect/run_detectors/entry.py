"""What a detector of a run says of itself: all that counts, reports, incidents and the command line need to know."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from labelaudit.contracts.model import Contract
from labelaudit.detect.work import Work
from labelaudit.values.value import Value

Table = tuple[Sequence[str], Sequence[Sequence[Any]]]
"""Names of columns, and rows."""


@dataclass(frozen=True)
class Metric:
    """A count of labels: x of n, over all, by vendor, and by delivery.

    name: in the table `quality`; words: what it is the rate of, for customers; labels: of a run's rows (m,), which are
    hits and which count at all, both bool. watched: where its rate rises, that is an incident. of_guideline: another
    version of the guideline changes the rate, which is then learnt anew.
    """

    name: str
    words: str
    labels: Callable[[Work], tuple[np.ndarray, np.ndarray]]
    watched: bool = False
    of_guideline: bool = False


@dataclass(frozen=True)
class RunDetector:
    """One detector of a run.

    name: its key below `further` in findings.json and report.json; model: what it finds, and look finds it, or None
    where the contract gives no evidence for it. An annotator is named by an AnnotatorFinding only: by that type the
    customer's view knows the name. template: its section, of report/templates; it is drawn with `found`.
    metrics: what it counts. columns: of the contract, that it reads besides items, labels and features.
    lines: what `labelaudit run` says of it. file, rows: the spreadsheet beside the report, of which `labelaudit show`
    prints the first rows; none where it has no rows.

    Those whose findings have fields of their own in Findings or DatasetFindings, as programs read them, fill these by
    fields and dataset_fields, and have no model; their template is part of the section of that name. items: of the
    run's labels (with its own columns) the rows of their spreadsheet, and {column of theirs: its name there}.
    """

    name: str
    title: str
    model: type[Value] | None = None
    look: Callable[[Work], Value | None] = lambda work: None
    template: str = ""
    section: Literal["own", "people", "dataset"] = "own"
    fields: Callable[[Work], dict[str, Any]] = lambda work: {}
    dataset_fields: Callable[[Work], dict[str, Any]] = lambda work: {}
    metrics: tuple[Metric, ...] = ()
    columns: Callable[[Contract], Iterable[str]] = lambda contract: ()
    lines: Callable[[Any], Iterable[str]] = lambda finding: ()
    file: str = ""
    rows: Callable[[Any], Table] = lambda finding: ((), ())
    items: Callable[[pa.Table], tuple[pa.Table, dict[str, str]]] | None = None
