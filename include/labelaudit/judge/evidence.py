"""What a release is judged by, besides its own counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labelaudit.values.counted import Judged
from labelaudit.values.findings import AgreementFinding, AnnotatorFinding
from labelaudit.values.verdicts import (
    AcceptanceDecision,
    DefectRate,
)


@dataclass(frozen=True)
class Evidence:
    """What a release is judged by, besides its own counts. history: the judged releases before it, oldest first; news:
    what it adds to them, None where all of its deliveries were published before."""

    history: Sequence[Judged] = ()
    news: Judged | None = None
    annotators: Sequence[AnnotatorFinding] = ()
    agreement: AgreementFinding | None = None
    rates: Sequence[DefectRate] = ()
    acceptance: Sequence[AcceptanceDecision] = ()
    sample: str = ""
