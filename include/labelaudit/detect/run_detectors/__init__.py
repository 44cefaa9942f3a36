"""The detectors of a run, each one module and one template of the report: `RUN_DETECTORS` is the table of them."""

from __future__ import annotations

from labelaudit.detect.run_detectors import next_labels
from labelaudit.detect.run_detectors.entry import RunDetector

RUN_DETECTORS: tuple[RunDetector, ...] = (next_labels.NEXT_LABELS,)
"""In the order in which reports and the command line tell of them. A new one is added here and nowhere else."""
