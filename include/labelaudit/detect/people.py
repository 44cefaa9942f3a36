"""What is known of the labels of those who label, by gold items."""

from __future__ import annotations

import numpy as np

from labelaudit.detect.work import Work


def gold_counts(work: Work, rows: np.ndarray) -> tuple[int, int]:
    """Of the rows (m,) bool on gold items: how many are right, and how many there are."""
    truth = work.detection.gold[work.codes]
    known = rows & (truth >= 0)
    return int((known & ~work.detection.annotation_is_issue).sum()), int(known.sum())
