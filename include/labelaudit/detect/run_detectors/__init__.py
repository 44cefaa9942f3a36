"""The detectors of a run, each one module and one template of the report: `RUN_DETECTORS` is the table of them."""

from __future__ import annotations

from labelaudit.detect.run_detectors.agreement import AGREEMENT
from labelaudit.detect.run_detectors.annotators import ANNOTATORS
from labelaudit.detect.run_detectors.canaries import CANARIES
from labelaudit.detect.run_detectors.copies import COPIES
from labelaudit.detect.run_detectors.entry import RunDetector
from labelaudit.detect.run_detectors.kinds import OF_KINDS
from labelaudit.detect.run_detectors.next_labels import NEXT_LABELS
from labelaudit.detect.run_detectors.outliers import OUTLIERS
from labelaudit.detect.run_detectors.overlaps import OVERLAPS
from labelaudit.detect.run_detectors.second_opinions import SECOND_OPINIONS
from labelaudit.detect.run_detectors.slices import SLICES
from labelaudit.detect.run_detectors.vendors import VENDORS

RUN_DETECTORS: tuple[RunDetector, ...] = (
    *OF_KINDS,
    CANARIES,
    VENDORS,
    AGREEMENT,
    ANNOTATORS,
    SECOND_OPINIONS,
    OVERLAPS,
    SLICES,
    COPIES,
    OUTLIERS,
    NEXT_LABELS,
)
"""In the order in which reports and the command line tell of them. A new one is added here and nowhere else."""
