"""What an audit found, as the report shows it."""

from __future__ import annotations

from typing import Any

import numpy as np

from labelaudit.detect.run_detectors import looking
from labelaudit.detect.sources import source_of
from labelaudit.detect.work import Work
from labelaudit.rates.intervals import wilson
from labelaudit.tasks import task_of
from labelaudit.values.findings import ClassFinding, DatasetFindings, Findings, PairFinding, WorstItem

WORST_ITEMS = 60


def findings_of(work: Work) -> Findings:
    detection, scope = work.detection, work.scope
    task = task_of(work.contract.task)
    pairs = task.pairs(work.judged, scope)
    issues, items = task.by_class(work.judged, np.flatnonzero(scope))
    return Findings(
        method=detection.method,
        predictions_note=work.predictions_note,
        classes=tuple(
            _class(label, int(issues[code]), int(items[code]))
            for code, label in enumerate(work.contract.classes)
            if items[code]
        ),
        pairs=tuple(
            PairFinding(given=given, suggested=other, items=items)
            for (given, other), items in sorted(pairs.items(), key=lambda pair: -pair[1])[:25]
        ),
        worst=_worst(work),
        new_items=work.new_items,
        judged_again=int(scope.sum()) - work.new_items,
        removed_items=len(work.removed),
        replaced_annotations=work.replaced,
        context_items=int((~scope).sum()),
        not_checked=tuple(work.not_checked),
        **looking.fields(work),
        dataset=DatasetFindings(**looking.dataset_fields(work)),
        further=looking.look(work),
    )


def _class(label: str, issues: int, items: int) -> ClassFinding:
    low, high = wilson(issues, items)
    return ClassFinding(label=label, items=items, issues=issues, low=low, high=high)


def given_quality(work: Work) -> np.ndarray:
    """By item (n,): the probability that its given label is right; `label_quality` is of the published one."""
    detection, codes = work.detection, work.codes
    given = np.array(work.judged.values, object)[detection.given]
    own = work.rows["label"].to_numpy(object) == given[codes]
    quality = np.zeros(len(given))
    quality[codes[own]] = detection.annotation_quality[own]
    return np.where(detection.label == detection.given, detection.label_quality, quality)


def _worst(work: Work) -> tuple[WorstItem, ...]:
    """The likely wrong items, the likeliest first."""
    detection, names = work.detection, work.judged.values
    issues = np.flatnonzero(work.scope & detection.is_issue)
    quality = given_quality(work)
    chosen = issues[np.argsort(quality[issues], kind="stable")][:WORST_ITEMS]
    rows_of = {place: np.flatnonzero(work.codes == place) for place in chosen}
    return tuple(
        WorstItem(
            item=str(detection.items[place]),
            given=names[detection.given[place]],
            label=names[detection.label[place]],
            suggested=names[detection.suggested[place]],
            given_quality=float(quality[place]),
            quality=float(detection.label_quality[place]),
            vendors=",".join(sorted(set(work.rows["vendor"].iloc[rows_of[place]]))),
            labels=tuple(work.rows["label"].iloc[rows_of[place]]),
            **_evidence(work, place),
        )
        for place in chosen
    )


def _evidence(work: Work, place: int) -> dict[str, Any]:
    """What a person is shown of an item: what its predictions were made from."""
    contract, features = work.contract, work.features
    if features is None or not features.present[place]:
        return {}
    return source_of(contract).evidence(contract, work.rows.iloc[features.row[place]])
