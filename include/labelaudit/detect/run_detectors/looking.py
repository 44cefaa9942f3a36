"""What all detectors of a run say together: findings, counts, columns, files and lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from labelaudit.contracts.model import Contract
from labelaudit.detect.run_detectors import RUN_DETECTORS
from labelaudit.detect.run_detectors.entry import Metric, RunDetector
from labelaudit.detect.work import Work
from labelaudit.rendering.spreadsheet import safe_csv
from labelaudit.values.releases import Count
from labelaudit.values.value import Value


def look(work: Work) -> dict[str, Any]:
    """name: what each found, as JSON has it; those that found nothing are left out."""
    findings = {detector.name: detector.look(work) for detector in RUN_DETECTORS if detector.model}
    return {name: value.model_dump(mode="json") for name, value in findings.items() if value is not None}


def fields(work: Work) -> dict[str, Any]:
    """The fields of Findings that detectors fill."""
    return {name: value for detector in RUN_DETECTORS for name, value in detector.fields(work).items()}


def dataset_fields(work: Work) -> dict[str, Any]:
    """Those of DatasetFindings."""
    return {name: value for detector in RUN_DETECTORS for name, value in detector.dataset_fields(work).items()}


def templates(section: str) -> list[str]:
    """Of the report's section `people` or `dataset`, its parts in their order."""
    return [detector.template for detector in RUN_DETECTORS if detector.section == section and detector.template]


def read(further: Mapping[str, Any]) -> Iterator[tuple[RunDetector, Any]]:
    """What `look` gave, as values, in the order of the table; a name that is none of ours any more is left out."""
    for detector in RUN_DETECTORS:
        if detector.model and detector.name in further:
            yield detector, detector.model.model_validate(further[detector.name], strict=False)


def columns(contract: Contract) -> list[str]:
    """Of the contract, what the detectors read besides items, labels and features."""
    known = {"item", "annotator", "label", *contract.feature_columns}
    wanted = (name for detector in RUN_DETECTORS for name in detector.columns(contract))
    return [name for name in dict.fromkeys(wanted) if name not in known]


def metrics() -> tuple[Metric, ...]:
    return tuple(metric for detector in RUN_DETECTORS for metric in detector.metrics)


def counts(work: Work, rows: np.ndarray, vendors: Iterable[str]) -> Iterator[Count]:
    """Of the rows (m,) bool: each metric over all (the vendor "") and of each vendor that is asked for."""
    own = work.rows["vendor"].to_numpy()
    for metric in metrics():
        hits, counted = metric.labels(work)
        for vendor in vendors:
            here = rows & counted & ((own == vendor) | (vendor == ""))
            if here.any():
                yield Count(metric=metric.name, vendor=vendor, x=float(hits[here].sum()), n=float(here.sum()))


def files(further: Mapping[str, Any]) -> dict[str, bytes]:
    """Spreadsheets beside the report; one that would be empty is left out."""
    tables = {one.file: one.rows(finding) for one, finding in read(further) if one.file}
    return {name: safe_csv(list(header), rows) for name, (header, rows) in tables.items() if len(rows)}


def lines(further: Mapping[str, Any]) -> list[str]:
    """For `labelaudit run`."""
    return [line for detector, finding in read(further) for line in detector.lines(finding)]


def seen(further: Mapping[str, Any], see: Any) -> dict[str, Any]:
    """As a customer may see it: `see` gives any value of the model so."""
    values: dict[str, Value] = {one.name: see(finding) for one, finding in read(further)}
    return {name: value.model_dump(mode="json") for name, value in values.items()}
