"""Every format that a delivery can have: what contracts, readers, recognition and the pages know of it is made of this.

A new export is a module below `readers.exports` (`labels`, and for samples `recognises` and, where a record answers
several questions, `questions`) and a line here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

JSON = ("json", "jsonl")
LINES = ("jsonl", "json")
DATASETS = ("jsonl", "json", "parquet", "arrow")


@dataclass(frozen=True)
class Format:
    """One format. `module` lies below `labelaudit.readers`.

    kind: `table`, flat rows; `records`, nested ones, of which the module's `labels` gives the labels; `document`, one
    nested whole with a reader of its own. `containers`: what records or a document can lie in, the usual one first.
    `keyed`: a row is an object, which may leave keys out. `seeks`: it can't be streamed.
    """

    name: str
    kind: Literal["table", "records", "document"]
    module: str
    about: str
    containers: tuple[str, ...] = ()
    keyed: bool = False
    seeks: bool = False


FORMATS = {
    entry.name: entry
    for entry in (
        Format("csv", "table", "tables.delimited", "comma-separated values; `delimiter`, `encoding` and `dialect`"),
        Format("tsv", "table", "tables.delimited", "tab-separated values; `encoding` and `dialect`"),
        Format("jsonl", "table", "documents.json_lines", "flat objects, one a line", keyed=True),
        Format("json", "table", "documents.json_documents", "flat objects in an array", keyed=True),
        Format("parquet", "table", "tables.parquet", "typed columns", seeks=True),
        Format("arrow", "table", "tables.arrow", "typed columns, as a file or a stream", seeks=True),
        Format(
            "excel",
            "table",
            "tables.excel",
            "one `sheet` of a workbook (.xlsx), its header behind `dialect: {skip_lines: 2}`",
            seeks=True,
        ),
        Format("label_studio", "records", "exports.label_studio", "Label Studio's tasks; `question`: a control", JSON),
        Format(
            "label_studio_min",
            "records",
            "exports.label_studio_min",
            "Label Studio's JSON-MIN; `question`: a control",
            JSON,
        ),
        Format("labelbox", "records", "exports.labelbox", "Labelbox's data rows; `question`: a question", LINES),
        Format("scale", "records", "exports.scale", "Scale's tasks; `question`: a field of the response", JSON),
        Format("coco", "document", "exports.coco", "COCO's boxes, segments and keypoints: an item each", ("json",)),
        Format(
            "ground_truth",
            "records",
            "exports.ground_truth",
            "SageMaker Ground Truth's output manifests; `question`: a label attribute",
            ("jsonl",),
        ),
        Format("helpsteer", "records", "exports.helpsteer", "HelpSteer's individual preferences", DATASETS),
        Format("rubric", "records", "exports.rubric", "rubric grades, an item each criterion", DATASETS),
        Format("preference", "records", "exports.preference", "TRL's pairs, prompt explicit or implicit", DATASETS),
        Format("kto", "records", "exports.kto", "KTO's judged completions", DATASETS),
        Format("prodigy", "records", "exports.prodigy", "Prodigy's examples: answers, choices, spans", LINES),
        Format("spans", "records", "exports.spans", "labelled spans of texts, an item each", DATASETS),
        Format(
            "doccano", "records", "exports.doccano", "doccano's texts; `question`: the key that holds the label", LINES
        ),
    )
}
"""By name. Records are recognised in this order: what comes first has the more certain marks."""

EXPORTS = {entry.name: entry.containers for entry in FORMATS.values() if entry.kind != "table"}
"""Nested records and documents of the trade's tools and datasets: what they can lie in, the usual one first."""

CONTAINERS = tuple(name for name in FORMATS if any(name in containers for containers in EXPORTS.values()))
