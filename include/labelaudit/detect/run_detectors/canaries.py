"""How many wrong labels, planted in a copy of the data, the detector finds."""

from __future__ import annotations

from typing import Any

import numpy as np

from labelaudit.detect.run_detectors.entry import RunDetector
from labelaudit.detect.work import Work


def fields(work: Work) -> dict[str, Any]:
    tried = work.detection.canaries
    return {"canary_recall": _known(tried.recall), "canary_precision": _known(tried.precision)}


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


CANARIES = RunDetector("canaries", "Does the detector work here?", fields=fields)
