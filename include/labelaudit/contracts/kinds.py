"""The kinds of label that a contract can name, what each is, and what a contract of a kind can't hold.

How each is audited says its room in `tasks`, the module of the same name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from labelaudit.contracts.delivery import EXPORTS

FOR_ONE_CLASS = ("gold", "human_audit", "acceptance", "label_map")
"""Keys of a contract that only labels of one class have, so far."""


@dataclass(frozen=True)
class Kind:
    """words: what a label is; classes: how many a contract must list at least, 0 for none at all; label: the type of
    the column `label`; written: whether each vendor says by `labels` how it writes them; predictions: the sources that
    it can be predicted by, () for all; without: keys that a contract of the kind can't have."""

    words: str
    classes: int = 2
    label: Literal["string", "number"] = "string"
    written: bool = False
    predictions: tuple[str, ...] = ()
    without: tuple[str, ...] = FOR_ONE_CLASS


COMPUTED = ("none", "text", "embedding", "tabular", "pixels")
KINDS = {
    "classification": Kind("one class an item", without=()),
    "multi_label": Kind("a list of classes an item, or none", written=True, predictions=COMPUTED),
}
"""By name. A new kind is added here, and is a module of `tasks`."""
NAMES = tuple(KINDS)
SAID = "the kind of label; " + "; ".join(f"{name}: {kind.words}" for name, kind in KINDS.items())
JOINER, NO_CLASS = "|", "∅"
"""How reports and lists write the classes of an item in one text: `cat|dog`, and `∅` where none applies."""


def problems(contract: Any) -> Iterator[str]:
    """What does not go with the contract's kind of label, a sentence each."""
    kind, task = KINDS[contract.task], contract.task
    if len(contract.classes) < kind.classes:
        yield f"`classes` needs at least {kind.classes} entries, found {list(contract.classes)}"
    if contract.classes and not kind.classes:
        yield f"`classes` do not belong to task {task}"
    label = contract.columns["label"]
    if label.type != kind.label:
        yield f"column `label` must be of type {kind.label}"
    for name, vendor in contract.vendors.items():
        if kind.written != (vendor.labels is not None):
            yield f"vendor `{name}`: `labels` belongs to task multi_label, and each of its vendors needs it"
        elif kind.written:
            yield from _of_vendor(contract, f"vendor `{name}`", vendor)
    for name in kind.without:
        if getattr(contract, name):
            yield f"`{name}` is for task classification only, so far"
    source = contract.predictions.source
    if kind.predictions and source not in kind.predictions:
        yield f"`predictions` from {source} are not for task {task}, so far; it can have: {', '.join(kind.predictions)}"
    if kind.written:
        yield from _of_lists(contract)


def _of_lists(contract: Any) -> Iterator[str]:
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
