"""Which of the inbox's deliveries a run takes: the rules of identity, re-delivery and replacement.

* The same bytes twice are one delivery, whatever it is called the second time.
* The same id with other bytes is refused, unless its manifest says that it supersedes that id.
* What was refused once is not refused again every day; other bytes are looked at anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from labelaudit import layout, manifests
from labelaudit.contract import Contract
from labelaudit.errors import DeliveryRejected
from labelaudit.store import Store
from labelaudit.values import CheckedDelivery, Delivery, Refusal


def choose(
    contract: Contract,
    store: Store,
    published: Mapping[str, str],
    superseded: Mapping[str, str] | None = None,
    wanted: Sequence[str] = (),
    again: bool = False,
) -> tuple[Delivery, ...]:
    """The deliveries to take now, sorted by vendor and id; those that can't be taken carry their refusal.

    `published` maps vendor/id of what the releases hold to its digest, `superseded` that of what they held once: it is
    not taken back. Raises DeliveryRejected(missing_delivery) where
    one that is wanted by name does not wait in the inbox.
    """
    waiting = manifests.waiting(contract, store)
    chosen = [one for one in waiting if not wanted or {one.name, one.id} & set(wanted)]
    missing = set(wanted) - {one.name for one in chosen} - {one.id for one in chosen}
    if missing:
        there = ", ".join(one.name for one in waiting[-20:]) or "none"
        raise DeliveryRejected(
            "missing_delivery",
            f"no complete delivery {', '.join(sorted(missing))} in the inbox of {contract.id}; there are: {there}."
            " A delivery is complete once its manifest.json is there.",
        )
    gone = superseded or {}
    chosen = [one for one in chosen if gone.get(one.name) != one.digest]
    if not again:
        chosen = [one for one in chosen if published.get(one.name) != one.digest and not was_rejected(one, store)]
    replaced = {f"{one.vendor}/{old}" for one in chosen for old in one.supersedes if old != one.id}
    return tuple(_judged(one, published, replaced, chosen, again) for one in chosen)


def _judged(
    one: Delivery, published: Mapping[str, str], replaced: set[str], chosen: Sequence[Delivery], again: bool
) -> Delivery:
    if one.refusal is not None:
        return one
    twins = [name for name, digest in published.items() if digest == one.digest and name != one.name]
    earlier = [other.name for other in chosen if other.digest == one.digest and other.name < one.name]
    known = set(published) | {other.name for other in chosen}
    unknown = [old for old in one.supersedes if f"{one.vendor}/{old}" not in known and old != one.id]
    if one.name in replaced:
        return _refused(one, "superseded", "a newer delivery that waits beside it supersedes it; nothing to do")
    if (twins or earlier) and not again:
        return _refused(
            one,
            "same_bytes",
            f"the files are the same, byte for byte, as those of {(twins or earlier)[0]}, which is taken already."
            " Nothing to do, unless other files were meant: then deliver those.",
        )
    if one.name in published and published[one.name] != one.digest and one.id not in one.supersedes:
        return _refused(
            one,
            "changed_delivery",
            f"a delivery {one.id} was published with other bytes (digest {published[one.name][:12]}, now"
            f' {one.digest[:12]}). To replace it, say "supersedes": "{one.id}" in manifest.json; to add to it, deliver'
            " under a new id.",
        )
    if unknown:
        return _refused(
            one,
            "unknown_superseded",
            f"manifest.json says that this delivery supersedes {', '.join(unknown)}, but no such delivery of"
            f" {one.vendor} was published. Correct the id, or take `supersedes` out.",
        )
    return one


def _refused(one: Delivery, code: str, message: str) -> Delivery:
    return one.model_copy(update={"refusal": Refusal(code=code, message=message)})


def was_rejected(one: Delivery, store: Store) -> bool:
    return store.exists(_rejection(one) + "rejection.json")


def record_rejection(contract: Contract, checked: CheckedDelivery, store: Store) -> None:
    """Keep the rejection beyond its run: the value, and the vendor's report and rejects beside it."""
    prefix = _rejection(checked.delivery)
    if checked.report:
        folder = checked.report.rsplit("/", 1)[0] + "/"
        for key in store.list(folder):
            if key.endswith((".html", ".csv")):
                store.write(prefix + key.removeprefix(folder), store.read(key))
    store.write(prefix + "rejection.json", checked.model_dump_json(indent=2).encode())


def rejections(contract: Contract, store: Store) -> list[tuple[str, CheckedDelivery]]:
    """All recorded rejections of a dataset with the key prefix of their files, sorted by vendor and id."""
    keys = store.list(layout.rejections(contract.customer, contract.dataset))
    return [
        (key.removesuffix("rejection.json"), CheckedDelivery.model_validate_json(store.read(key)))
        for key in keys
        if key.endswith("/rejection.json")
    ]


def _rejection(one: Delivery) -> str:
    return layout.rejection(one.customer, one.dataset, one.vendor, one.id, one.digest)
