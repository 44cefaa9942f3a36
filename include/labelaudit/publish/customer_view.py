"""What a customer sees of a run: every value of it, with annotators as the contract says. One way out for all of it.

By field, never by text: where a field holds an annotator's id it is given as the customer may see it, or left out with
what it stands in; sentences about an annotator are made again; texts that may quote a cell of a file (examples of
failed checks, what a table check observed, most refusals) are left out. No number is touched.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from labelaudit.contracts.model import Contract
from labelaudit.publish import annotator_names
from labelaudit.rejects.words import title
from labelaudit.storage.store import Store
from labelaudit.values.deliveries import CheckedDelivery, CheckOutcome, PathCount, Refusal, RejectCount
from labelaudit.values.findings import AnnotatorFinding, Findings, OverlapFinding
from labelaudit.values.value import Value, View
from labelaudit.values.verdicts import Answer, Breach, DefectRate, Incident, Verdict, annotator_breach, reason_of

T = TypeVar("T")
WITHHELD = "(withheld: it names an annotator)"
SOMEONE = "an annotator"
OF_NUMBERS = ("too_many_rejects", "not_accepted", "same_bytes", "changed_delivery", "superseded")
"""Refusals whose message is made of counts and deliveries' names."""
OF_MANY = re.compile(
    r"expect_(table_(row|column)_count_\w+|column_(mean|sum|stdev|unique_value_count)_to_be_between"
    r"|column_proportion_of_\w+_to_be_between)"
)
"""Table checks whose observed value is a count or an average: it tells of no single row."""


def seeing(contract: Contract, store: Store, view: View, findings: Findings | None = None) -> Callable[[T], T]:
    """A function that gives any value of the model as it may be seen; `internal`, and with plain names: as it is.

    `findings` name the annotators that a person's own words are held against.
    """
    if view == "internal" or contract.annotators == "plain":
        return lambda value: value
    known = [annotator.name for annotator in findings.annotators] if findings else ()
    return _Seeing(annotator_names.renamer(contract, store), known).see


class _Seeing:
    """rename: an annotator's id as the customer sees it; None: not at all."""

    def __init__(self, rename: Callable[[str], str | None], known: Iterable[str] = ()):
        self.rename = rename
        names = [name for name in known if name.strip()]
        either = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
        whole = rf"(?<!\w)(?<!\d[.,])({either})(?!\w|[.,]\d)"  # no part of a word, or of a number
        self._names = re.compile(whole, re.IGNORECASE) if names else None

    def see(self, value: Any) -> Any:
        """Inner values first. What an annotator of whom nothing may be said stands for, is left out of its tuple."""
        if isinstance(value, tuple | list):
            seen = [(part, self.see(part)) for part in value]
            return type(value)(now for before, now in seen if now is not None or before is None)
        if not isinstance(value, Value):
            return value
        inner = {name: getattr(value, name) for name in type(value).model_fields}
        value = value.model_copy(
            update={name: self.see(part) for name, part in inner.items() if isinstance(part, tuple | list | Value)}
        )
        rule = _RULES.get(type(value))
        return rule(self, value) if rule else value

    def text(self, text: str) -> str:
        """A text of a person's, or a name out of a file, if it names no annotator."""
        return WITHHELD if self._names and self._names.search(text) else text

    def annotator(self, annotator: AnnotatorFinding) -> AnnotatorFinding | None:
        return self._renamed(annotator, "name")

    def findings(self, findings: Findings) -> Findings:
        if not findings.further:
            return findings
        from labelaudit.detect.run_detectors import looking  # heavy, and a scheduler imports what alerts need

        return findings.model_copy(update={"further": looking.seen(findings.further, self.see)})

    def rate(self, rate: DefectRate) -> DefectRate | None:
        return self._renamed(rate, "subject") if rate.of == "annotator" else rate

    def _renamed(self, value: Any, field: str) -> Any:
        name = self.rename(getattr(value, field))
        return None if name is None else value.model_copy(update={field: name})

    def overlap(self, overlap: OverlapFinding) -> OverlapFinding:
        if overlap.source_kind != "annotator" or not overlap.source:
            return overlap
        return overlap.model_copy(update={"source": self.rename(overlap.source) or SOMEONE})

    def breach(self, breach: Breach) -> Breach:
        if breach.clause != "limits.annotator_quality":
            return breach
        name = self.rename(breach.subject)
        return annotator_breach(name or SOMEONE, f"annotator {name}" if name else SOMEONE, breach)

    def incident(self, incident: Incident) -> Incident:
        names = tuple(name for name in map(self.rename, incident.annotators) if name is not None)
        return incident.model_copy(update={"annotators": names})

    def verdict(self, verdict: Verdict) -> Verdict:
        return verdict.model_copy(update={"reason": reason_of(verdict)})

    def answer(self, answer: Answer) -> Answer:
        return answer.model_copy(update={"by": self.text(answer.by), "note": self.text(answer.note)})

    def outcome(self, outcome: CheckOutcome) -> CheckOutcome:
        of_people = "annotator" in (outcome.column or "").split(", ") or "condition" in outcome.arguments
        return outcome.model_copy(
            update={
                "examples": (),
                "detail": outcome.detail if OF_MANY.fullmatch(outcome.type) else "",
                "arguments": "" if of_people else outcome.arguments,
            }
        )

    def refusal(self, refusal: Refusal) -> Refusal:
        return (
            refusal if refusal.code in OF_NUMBERS else refusal.model_copy(update={"message": title(refusal.code) + "."})
        )

    def reject_count(self, count: RejectCount) -> RejectCount:
        return count if count.column is None else count.model_copy(update={"column": self.text(count.column)})

    def path(self, path: PathCount) -> PathCount:
        return path.model_copy(update={"path": self.text(path.path)})

    def checked(self, delivery: CheckedDelivery) -> CheckedDelivery:
        return delivery.model_copy(update={"undeclared": tuple(map(self.text, delivery.undeclared))})


_RULES: dict[type[Value], Callable[[_Seeing, Any], Any]] = {
    AnnotatorFinding: _Seeing.annotator,
    OverlapFinding: _Seeing.overlap,
    Findings: _Seeing.findings,
    DefectRate: _Seeing.rate,
    Breach: _Seeing.breach,
    Incident: _Seeing.incident,
    Verdict: _Seeing.verdict,
    Answer: _Seeing.answer,
    CheckOutcome: _Seeing.outcome,
    Refusal: _Seeing.refusal,
    RejectCount: _Seeing.reject_count,
    PathCount: _Seeing.path,
    CheckedDelivery: _Seeing.checked,
}
