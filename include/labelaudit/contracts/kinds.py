"""The kinds of label that a contract can name, what each is, and what a contract of a kind can't hold.

How each is audited says its room in `tasks`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labelaudit.contracts.delivery import EXPORTS

KINDS = {"classification": "one class an item", "multi_label": "a list of classes an item, or none"}
NAMES = tuple(KINDS)
SAID = "the kind of label; " + "; ".join(f"{name}: {what}" for name, what in KINDS.items())
JOINER, NO_CLASS = "|", "∅"
"""How reports and lists write the classes of an item in one text: `cat|dog`, and `∅` where none applies."""
NOT_YET = ("gold", "human_audit", "acceptance", "label_map")


def problems(contract: Any) -> Iterator[str]:
    """What does not go with the contract's kind of label, a sentence each."""
    several = contract.task == "multi_label"
    for name, vendor in contract.vendors.items():
        if several != (vendor.labels is not None):
            yield f"vendor `{name}`: `labels` belongs to task multi_label, and each of its vendors needs it"
        elif several:
            yield from _of_vendor(contract, f"vendor `{name}`", vendor)
    if not several:
        return
    for name in NOT_YET:
        if getattr(contract, name):
            yield f"`{name}` is for task classification only, so far"
    if contract.predictions.source == "delivered":
        yield "`predictions` as delivered are for task classification only, so far; name a column to make them from"
    for name in contract.classes:
        if JOINER in name or name == NO_CLASS:
            yield f"class {name!r}: with task multi_label, no class can hold `{JOINER}` or be `{NO_CLASS}`"
    label = contract.columns["label"]
    if label.trim or label.case or label.synonyms:
        yield "`columns.label`: `trim`, `case` and `synonyms` are for task classification only, so far"
    if any("label" in check.columns for check in contract.checks):
        yield "`checks`: no check can look at `label` with task multi_label: a list of classes is no single value"


def _of_vendor(contract: Any, where: str, vendor: Any) -> Iterator[str]:
    if vendor.format in EXPORTS or vendor.raters:
        yield f"{where}: `labels` belongs to tables (csv, tsv, jsonl, json, parquet, arrow, excel) without `raters`"
    if vendor.labels.one_hot is not None and set(vendor.labels.one_hot) != set(contract.classes):
        yield f"{where}: `labels.one_hot` must name each class once, and nothing else"
    separator = vendor.labels.separator
    if separator and (holding := [name for name in contract.classes if separator in name]):
        yield f"{where}: the class {holding[0]!r} holds the separator {separator!r}"
