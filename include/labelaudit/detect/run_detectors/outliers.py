"""Items that are unlike all others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from labelaudit.detect.run_detectors.entry import RunDetector
from labelaudit.detect.work import Work

SHOWN = 30


def fields(work: Work) -> dict[str, Any]:
    look, scope = work.dataset, work.scope
    flagged = np.flatnonzero(look.is_outlier & scope)
    first = flagged[np.argsort(look.outlier_quality[flagged], kind="stable")][:SHOWN]
    return {"outliers": tuple(str(work.detection.items[at]) for at in first), "outlier_items": len(flagged)}


def listed(labels: pa.Table) -> tuple[pa.Table, dict[str, str]]:
    return labels.filter(labels["_is_outlier"]), {}


OUTLIERS = RunDetector(
    "outliers",
    "Outliers",
    dataset_fields=fields,
    section="dataset",
    template="outliers.html",
    file="outliers.csv",
    items=listed,
)
