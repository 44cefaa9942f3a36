"""What a release changes of the one before, in counts and examples."""

from __future__ import annotations

from labelaudit.values.value import Value


class LabelMove(Value):
    """Items whose label went from one class to another."""

    before: str
    now: str
    items: int


class ChangedItem(Value):
    item: str
    label_before: str
    label_now: str
    given_before: str
    given_now: str
    quality_before: float
    quality_now: float
    why: str
    deliveries: str


class Difference(Value):
    """Counts over the whole dataset: items before = unchanged + changed + removed."""

    before: str
    new: int
    removed: int
    unchanged: int
    changed: int
    moves: tuple[LabelMove, ...]
    reasons: dict[str, int]
    first: tuple[ChangedItem, ...]
