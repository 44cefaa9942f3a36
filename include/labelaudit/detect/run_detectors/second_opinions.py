"""Items whose label one more opinion could turn."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from labelaudit.detect.run_detectors.entry import RunDetector
from labelaudit.detect.work import Work
from labelaudit.values.findings import WORTHWHILE


def fields(work: Work) -> dict[str, Any]:
    return {"second_opinions": int((work.detection.second_opinion[work.scope] >= WORTHWHILE).sum())}


def listed(labels: pa.Table) -> tuple[pa.Table, dict[str, str]]:
    asked = labels.filter(pc.greater_equal(labels["_second_opinion"], WORTHWHILE))
    order = pc.sort_indices(asked, [("_second_opinion", "descending"), ("item", "ascending")])
    return asked.take(order), {"_second_opinion": "expected_gain"}


SECOND_OPINIONS = RunDetector(
    "second_opinions", "Second opinions", dataset_fields=fields, file="second_opinions.csv", items=listed
)
