"""`labelaudit show`: what a published release found, as its own report.json says it: not counts alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from labelaudit.cli.options import (
    CONTRACTS,
    HERE,
    ContractsOption,
    JsonOption,
    NameArgument,
    ReleaseArgument,
    StoreOption,
    opened,
)
from labelaudit.cli.output import escape, out, tell
from labelaudit.errors import InvalidInput

SHOWN = 15
"""Rows of every list but the worst items."""
SAID = ("classes", "pairs", "vendors", "annotators", "agreement", "dataset_findings", "further")
SEEN_AS = {"hashed": "annotators are hashed", "omitted": "annotators are left out", "plain": "annotators by name"}

Section = tuple[str, tuple[str, ...], list[tuple[Any, ...]]]


def show(
    name: NameArgument,
    release: ReleaseArgument = None,
    worst: Annotated[int, typer.Option(min=0, help="items whose label is most likely wrong, at most")] = 20,
    store: StoreOption = HERE,
    contracts: ContractsOption = CONTRACTS,
    as_json: JsonOption = False,
) -> None:
    """Print what a release found: worst items, classes, vendors, annotators, copies, overlaps, what to label next.

    It is read from the release's own report.json: annotators are named as the customer sees them.
    """
    from pydantic import ValidationError

    from labelaudit.report.content import ReportContent
    from labelaudit.storage import release_log

    contract, _, destination = opened(contracts, name, store)
    releases = release_log.log(destination)
    logged = next((entry for entry in reversed(releases) if release in (None, entry.release)), None)
    if logged is None:
        there = ", ".join(entry.release for entry in releases[-10:]) or "none"
        raise InvalidInput(f"{contract.id} has no release {release or ''}; there are: {there}")
    key = logged.files + "report.json"
    try:
        report = ReportContent.model_validate_json(destination.read(key))
    except (KeyError, ValidationError) as error:
        what = "is missing" if isinstance(error, KeyError) else "is of another version of Labelaudit"
        page = destination.uri_of(logged.files + "report.html")
        raise InvalidInput(f"{destination.uri_of(key)} {what}. Open {page} instead") from error
    said = report.model_dump(mode="json")
    shown = {"release": report.release, "view": report.view, "annotators_are": contract.annotators}
    shown |= {"items": report.items, "issues": report.issues, "worst": said["worst"][:worst]}
    tell(shown | {key: said.get(key) for key in SAID}, as_json, None)
    if not as_json:
        _print(report, contract.annotators, worst)


def _print(report: Any, annotators: str, worst: int) -> None:
    out.print(
        f"{escape(report.release)}: {report.items} items, {report.issues} likely wrong; {report.view} view,"
        f" {SEEN_AS[annotators]}",
        highlight=False,
        soft_wrap=True,
    )
    for title, header, rows in _sections(report, worst):
        table = Table(*(Column(name, overflow="fold") for name in header), title=title, title_justify="left")
        for row in rows:
            table.add_row(*(escape(_cell(value)) for value in row))
        if rows:
            out.print(table)
    if report.issues > min(worst, len(report.worst)):
        out.print(f"All {report.issues} likely wrong items are in issues.csv.", highlight=False)


def _cell(value: Any) -> str:
    if isinstance(value, tuple | list):
        return ", ".join(map(_cell, value))
    return "" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


def _sections(report: Any, worst: int) -> Iterator[Section]:
    """Title, columns and rows; one without rows is not shown."""
    from labelaudit.detect.run_detectors import looking

    items = [(item.item, item.given, item.suggested, item.given_quality, item.vendors) for item in report.worst[:worst]]
    yield "Labels most likely wrong", ("item", "given", "likely", "quality of the given", "vendors"), items
    by_rate = sorted(report.classes, key=lambda label: (-label.issues / label.items, label.label))
    classes = [(label.label, label.items, label.issues, _interval(label)) for label in by_rate[:SHOWN]]
    yield "Classes, the worst first", ("class", "items", "likely wrong", "95 % interval"), classes
    pairs = [(pair.given, pair.suggested, pair.items) for pair in report.pairs[:SHOWN]]
    yield "Classes taken for each other", ("given", "likely", "items"), pairs
    vendors = [
        (
            vendor.vendor,
            vendor.annotations,
            vendor.annotation_errors,
            _interval(vendor),
            vendor.fair_quality,
            vendor.differs,
        )
        for vendor in report.vendors
    ]
    header = ("vendor", "labels", "likely wrong", "95 % interval", "right, on equal items", "than the middling one")
    yield "Vendors", header, vendors
    people = [
        (
            annotator.name,
            annotator.vendors,
            annotator.annotations,
            annotator.quality,
            _interval(annotator),
            _change(annotator),
        )
        for annotator in report.annotators[:SHOWN]
    ]
    header = ("annotator", "vendors", "labels", "quality", "95 % interval", "changed")
    yield "Annotators, the worst first", header, people
    if report.agreement:
        named = (("Krippendorff's alpha", "alpha"), ("Fleiss' kappa", "fleiss"), ("raw", "raw"))
        rows = [(title, *getattr(report.agreement, field)) for title, field in named]
        yield "Agreement", ("coefficient", "value", "low", "high"), rows
    yield from _of_dataset(report.dataset_findings)
    for detector, finding in looking.read(report.further):
        columns, rows = detector.rows(finding)
        yield detector.title, tuple(columns), [tuple(row) for row in rows[:SHOWN]]


def _of_dataset(finding: Any) -> Iterator[Section]:
    copies = [
        (group.items, group.labels, group.size, group.kind, "differ" if group.conflict else "")
        for group in finding.copies
    ]
    yield "Copies", ("items", "labels", "size", "kind", "their labels"), copies[:SHOWN]
    yield "Outliers", ("item",), [(item,) for item in finding.outliers[:SHOWN]]
    overlaps = [
        (
            overlap.one,
            overlap.other,
            f"{overlap.x} of {overlap.n}",
            _interval(overlap),
            overlap.source if overlap.read_differently else "",
        )
        for overlap in finding.overlaps
    ]
    header = ("class", "class", "labels", "95 % interval", "who reads the guideline differently")
    yield "Classes that overlap", header, overlaps[:SHOWN]
    slices = [
        (
            weak_slice.rule or "items like these",
            weak_slice.examples[:4],
            weak_slice.items,
            weak_slice.rate,
            weak_slice.rest_rate,
        )
        for weak_slice in finding.slices
    ]
    header = ("slice", "such as", "items", "error rate there", "elsewhere")
    yield "Where the model is weak", header, slices[:SHOWN]
    if finding.second_opinions:
        yield "Second opinions", ("items whose label one more could turn",), [(finding.second_opinions,)]


def _interval(measured: Any) -> str:
    return f"{measured.low:.3f} – {measured.high:.3f}"


def _change(annotator: Any) -> str:
    return f"{annotator.before:.3f} to {annotator.after:.3f}" if annotator.changed else ""
