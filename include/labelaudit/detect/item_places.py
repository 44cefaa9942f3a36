"""Where the annotations of items lie in the history: with the release that last judged them, as `labels` says."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from labelaudit.storage import delta, layout, tables
from labelaudit.storage.store import Store


@dataclass
class Places:
    """Where items lie. needed: release: items that must come; lone: of these, those that only dropped deliveries
    labelled; shared: those that others labelled too; others: release: how many more items it holds."""

    needed: dict[str, set[str]] = field(default_factory=dict)
    lone: set[str] = field(default_factory=set)
    shared: set[str] = field(default_factory=set)
    others: Counter[str] = field(default_factory=Counter)


def find_places(destination: Store, wanted: set[str], dropped: set[str]) -> Places:
    """One pass over three columns of `labels`, batch by batch."""
    places, names = Places(), pa.array(sorted(wanted), pa.string())
    for batch in tables.stream(destination, layout.LABELS, "select item, release, deliveries from rows"):
        item, release, deliveries = (batch[name].cast(pa.string()) for name in ("item", "release", "deliveries"))
        whose = {text: set((text or "").split(",")) for text in pc.unique(deliveries).to_pylist()}
        for kept, among in (
            (places.lone, [text for text, own in whose.items() if own <= dropped]),
            (places.shared, [text for text, own in whose.items() if own & dropped and not own <= dropped]),
        ):
            kept |= set(item.filter(pc.is_in(deliveries, pa.array(among, pa.string()))).to_pylist())
        gone = pc.is_in(deliveries, pa.array([text for text, own in whose.items() if own & dropped], pa.string()))
        here = pc.or_(pc.is_in(item, names), gone)
        for item_id, where in zip(item.filter(here).to_pylist(), release.filter(here).to_pylist(), strict=True):
            places.needed.setdefault(where, set()).add(item_id)
        for count in pc.value_counts(release.filter(pc.invert(here))).to_pylist():
            places.others[count["values"]] += count["counts"]
    return places


def first_items(destination: Store, release: str, number: int) -> list[str]:
    """Items that a release was the last to judge, the first `number` by name."""
    query = (
        f"select item from rows where release = {delta.quoted(release)}"  # noqa: S608 - a name of ours, quoted
        f" order by item limit {number}"
    )
    return [item for batch in tables.stream(destination, layout.LABELS, query) for item in batch["item"].to_pylist()]
