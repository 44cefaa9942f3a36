"""What a kind of label tells of itself: an entry for each kind that has a section of its own."""

from __future__ import annotations

from labelaudit.contracts import kinds
from labelaudit.detect.run_detectors.entry import RunDetector
from labelaudit.detect.work import Work
from labelaudit.tasks import task_of
from labelaudit.tasks.judged import Section
from labelaudit.values.value import Value


def _entry(kind: str, section: Section) -> RunDetector:
    def look(work: Work) -> Value | None:
        return section.look(work.judged, work.scope) if work.contract.task == kind else None

    return RunDetector(kind, section.title, section.model, look, section.template, lines=section.lines)


OF_KINDS = tuple(_entry(kind, section) for kind in kinds.NAMES if (section := task_of(kind).SECTION))
