"""The kinds of label, a module each: the only place that knows what a label is. What comes after works on counts.

A module of a kind answers:

* `DETECTOR`: name and version of its method; `LABEL`: the Arrow type of a label in the tables;
* `checks(contract)`: the expectations that follow from the kind;
* `judge(given, predict) -> Judged`: what is wrong, from annotations and predictions;
* `TABLES`: names of the customer's tables that it has beside `labels`, `annotations` and `quality`;
* `IS_DISTRIBUTION`: whether the probabilities of an item's classes sum to one;
* `fields(vendor)`: the cells that readers take for the label, where not the column `label`; `canonical(rows, contract,
  vendor)`: rows as read, their label as LABEL; `checked(contract, labels)`: what the expectations see of it;
* `parts(judged, items, chosen)`: the table `parts`, a row a part, where an item has several; else None;
* `SECTION`: its own part of the report, or None;
* `by_class(judged, items) -> (x, n)`: how many of the items (places) are issues of each class of the contract, and how
  many there are; `pairs(judged, items)`: what was given and is likely meant, with how often.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from labelaudit.errors import InternalError


def task_of(name: str) -> ModuleType:
    """The module of a kind of label. Raises InternalError where contracts may name a kind that has no module."""
    if find_spec(path := f"{__name__}.{name}") is None:
        raise InternalError(f"the kind of label {name!r} has no module {path}")
    return import_module(path)
