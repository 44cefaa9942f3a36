"""Annotators: their quality, and who changed and when."""

from __future__ import annotations

from collections import Counter

from labelaudit.detect.run_detectors.entry import RunDetector
from labelaudit.detect.work import Work
from labelaudit.detectors.annotators import annotator_drift
from labelaudit.values.findings import AnnotatorFinding


def annotator_findings(work: Work) -> tuple[AnnotatorFinding, ...]:
    """Those of this release, the worst first."""
    if "annotator" not in work.rows:
        return ()
    current = work.rows[work.current].groupby("annotator")
    given = current.size()
    vendors = current["vendor"].agg(lambda values: ",".join(sorted(set(values))))
    detection = work.detection
    drift = annotator_drift(
        detection.annotation_quality, work.people, work.rows["sequence"].fillna(0).to_numpy(), seed=work.contract.seed
    )
    on_gold = detection.gold[work.codes] >= 0
    gold_labels = Counter(work.people[on_gold].tolist())
    gold_right = Counter(work.people[on_gold & ~detection.annotation_is_issue].tolist())
    made = []
    for place, name in enumerate(detection.annotators):
        if name not in given.index:
            continue
        changed = bool(drift.changed[place])
        made.append(
            AnnotatorFinding(
                name=str(name),
                vendors=vendors[name],
                annotations=int(given[name]),
                judged=int(detection.annotator_labels[place]),
                quality=float(detection.annotator_quality[place]),
                low=float(detection.annotator_low[place]),
                high=float(detection.annotator_high[place]),
                gold_right=gold_right[place],
                gold_labels=gold_labels[place],
                changed=changed,
                before=float(drift.before[place]) if changed else None,
                after=float(drift.after[place]) if changed else None,
                labels_before=int(drift.labels_before[place]) if changed else None,
            )
        )
    return tuple(sorted(made, key=lambda annotator: (annotator.quality, annotator.name)))


ANNOTATORS = RunDetector(
    "annotators",
    "Annotators",
    fields=lambda work: {"annotators": annotator_findings(work)},
    section="people",
    template="annotators.html",
)
