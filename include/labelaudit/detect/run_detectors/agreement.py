"""How far annotators agree."""

from __future__ import annotations

from labelaudit.detect.run_detectors.entry import RunDetector
from labelaudit.detect.work import Work
from labelaudit.kernels.agreement import Interval
from labelaudit.values.findings import AgreementFinding


def agreement_finding(work: Work) -> AgreementFinding | None:
    agreement = work.detection.agreement
    if agreement is None:
        return None
    most = int(agreement.prevalence.argmax())
    return AgreementFinding(
        alpha=_triple(agreement.alpha),
        fleiss=_triple(agreement.fleiss),
        raw=_triple(agreement.raw),
        items=agreement.items,
        most_frequent=work.judged.values[most],
        prevalence=float(agreement.prevalence[most]),
    )


def _triple(interval: Interval) -> tuple[float, float, float]:
    return float(interval.value), float(interval.low), float(interval.high)


AGREEMENT = RunDetector(
    "agreement",
    "Agreement",
    fields=lambda work: {"agreement": agreement_finding(work)},
    section="people",
    template="agreement.html",
)
