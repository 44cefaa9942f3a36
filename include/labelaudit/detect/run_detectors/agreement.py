"""How far annotators agree."""

from __future__ import annotations

from labelaudit.detect.run_detectors.entry import RunDetector
from labelaudit.detect.work import Work
from labelaudit.kernels.agreement import Interval
from labelaudit.values.findings import AgreementFinding


def agreement_finding(work: Work) -> AgreementFinding | None:
    found = work.detection.agreement
    if found is None:
        return None
    most = int(found.prevalence.argmax())
    return AgreementFinding(
        alpha=_triple(found.alpha),
        fleiss=_triple(found.fleiss),
        raw=_triple(found.raw),
        items=found.items,
        most_frequent=work.judged.values[most],
        prevalence=float(found.prevalence[most]),
    )


def _triple(one: Interval) -> tuple[float, float, float]:
    return float(one.value), float(one.low), float(one.high)


AGREEMENT = RunDetector(
    "agreement",
    "Agreement",
    fields=lambda work: {"agreement": agreement_finding(work)},
    section="people",
    template="agreement.html",
)
