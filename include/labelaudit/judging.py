"""Compares an audit with the contract's limits and with the releases before: publish, or hold for a person.

The full regression engine (incidents from counts, with a stated false-alarm budget) will take the place of
`_against_before`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from labelaudit import layout, tables
from labelaudit.contract import Contract
from labelaudit.findings import AnnotatorFinding
from labelaudit.rates import wilson
from labelaudit.store import Store
from labelaudit.values import Audit, Count
from labelaudit.verdicts import Breach, Verdict

BEFORE = 14
"""Releases that the ratio to "before" looks back on."""

Counts = dict[str, list[Count]]
"""Counts by release, oldest first."""


def read_counts(destination: Store) -> Counts:
    """The counts of every release that exists."""
    rows = tables.read_table(destination, layout.QUALITY).to_pylist()
    rows.sort(key=lambda row: row["sequence"])
    counts: Counts = {}
    for row in rows:
        counts.setdefault(row["release"], []).append(
            Count(metric=row["metric"], vendor=row["vendor"], label=row["label"], x=row["x"], n=row["n"])
        )
    return counts


def judge(
    contract: Contract, audit: Audit, before: Counts, hold: bool = False, annotators: Sequence[AnnotatorFinding] = ()
) -> Verdict:
    """The verdict: held where a limit is breached and the contract says `hold`, or where a person asked for it."""
    before = {release: counts for release, counts in before.items() if release != audit.release}
    breaches = [
        *_invalid(contract, audit),
        *_limits(contract, audit),
        *_of_annotators(contract, annotators),
        *_against_before(contract, audit, before),
    ]
    held = hold or (bool(breaches) and contract.on_breach == "hold")
    if breaches:
        reason = f"{breaches[0].message}" + (f" (and {len(breaches) - 1} more)" if len(breaches) > 1 else "")
    else:
        reason = "all limits of the contract are kept"
    if hold:
        reason = f"held by hand; {reason}"
    return Verdict(
        action="hold" if held else "publish",
        breaches=tuple(breaches),
        reason=reason,
        compared_with=list(before)[-1] if before else None,
    )


def _limits(contract: Contract, audit: Audit) -> Iterator[Breach]:
    limits = contract.limits
    for one in audit.counts:
        if one.n == 0 or one.label:
            continue
        if one.metric == "issue":
            name = "limits.vendor_issue_rate" if one.vendor else "limits.issue_rate"
            yield from _above(one, name, limits.vendor_issue_rate if one.vendor else limits.issue_rate, "likely wrong")
        elif one.metric == "reject" and not one.vendor:
            yield from _above(one, "limits.rejected_rows_rate", limits.rejected_rows_rate, "rejected")
    if limits.agreement is not None and audit.alpha is not None and audit.alpha < limits.agreement:
        yield Breach(
            clause="limits.agreement",
            observed=audit.alpha,
            limit=limits.agreement,
            message=f"Krippendorff's alpha is {audit.alpha:.3f}; limits.agreement asks for {limits.agreement}",
        )


def _invalid(contract: Contract, audit: Audit) -> Iterator[Breach]:
    """A detector that finds no more of the wrong labels planted for it than of any labels has judged nothing.

    By the upper end of the interval: few planted labels breach nothing.
    """
    floor = contract.limits.canary_recall
    counts = {one.metric: one for one in audit.counts if one.metric.startswith("canary")}
    planted, flagged = counts.get("canary_anywhere"), counts.get("canary_flagged")
    if floor is None or not planted or not planted.n or not flagged:
        return
    share = flagged.x / flagged.n
    low, high = (end - share for end in wilson(planted.x, planted.n))
    if high < floor:
        yield Breach(
            clause="limits.canary_recall",
            observed=planted.x / planted.n - share,
            limit=floor,
            low=low,
            high=high,
            message=f"audit invalid: of the wrong labels planted in a copy, the detector took {planted.x:.0f} of"
            f" {planted.n:.0f} for wrong, and {share:.0%} of all labels; limits.canary_recall asks for a difference of"
            f" {floor:.0%}. Its findings say nothing: look at the predictions first",
        )


def _above(one: Count, clause: str, limit: float | None, what: str) -> Iterator[Breach]:
    if limit is None or one.x / one.n <= limit:
        return
    low, high = wilson(one.x, one.n)
    whose = f" of vendor {one.vendor}" if one.vendor else ""
    yield Breach(
        clause=clause,
        subject=one.vendor,
        observed=one.x / one.n,
        limit=limit,
        low=low,
        high=high,
        message=f"{one.x / one.n:.1%} ({one.x:.0f} of {one.n:.0f}){whose} {what}; {clause} is {limit:.1%}",
    )


def _of_annotators(contract: Contract, annotators: Sequence[AnnotatorFinding]) -> Iterator[Breach]:
    """By the upper end of the interval: few annotations breach nothing."""
    limit = contract.limits.annotator_quality
    for one in annotators:
        if limit is not None and one.high < limit:
            yield Breach(
                clause="limits.annotator_quality",
                subject=one.name,
                observed=one.quality,
                limit=limit,
                low=one.low,
                high=one.high,
                message=f"annotator {one.name}: quality {one.quality:.3f}, at most {one.high:.3f};"
                f" limits.annotator_quality asks for {limit}",
            )


def _against_before(contract: Contract, audit: Audit, before: Counts) -> Iterator[Breach]:
    """The issue rate, over all and by vendor, against the mean of the last releases; both intervals must be apart."""
    ratio = contract.limits.issue_rate_ratio
    if ratio is None:
        return
    recent = [count for counts in list(before.values())[-BEFORE:] for count in counts]
    for one in audit.counts:
        if one.metric != "issue" or one.label or not one.n:
            continue
        earlier = [count for count in recent if (count.metric, count.vendor, count.label) == ("issue", one.vendor, "")]
        x, n = sum(count.x for count in earlier), sum(count.n for count in earlier)
        low, high = wilson(one.x, one.n)
        if n and one.x / one.n > ratio * x / n and low > wilson(x, n)[1]:
            whose = f" of vendor {one.vendor}" if one.vendor else ""
            yield Breach(
                clause="limits.issue_rate_ratio",
                subject=one.vendor,
                observed=one.x / one.n,
                limit=ratio * x / n,
                low=low,
                high=high,
                before=x / n,
                message=f"{one.x / one.n:.1%}{whose} likely wrong, {x / n:.1%} in the releases before;"
                f" limits.issue_rate_ratio is {ratio:g}",
            )
