"""Which of the inbox's deliveries a run takes: the rules of identity, re-delivery and replacement.

* The same bytes twice are one delivery, whatever it is called the second time.
* The same id with other bytes is refused, unless its manifest says that it supersedes that id.
* What was refused once is not refused again every day; other bytes, or another manifest, are looked at anew. So are
  files that were not what their manifest says, once they are other files.
* A refusal for what other deliveries are (RELATIVE) ends when they change: nothing is lost because it came too early.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from labelaudit.contracts.model import Contract
from labelaudit.errors import DeliveryRejected
from labelaudit.receive import inbox, manifests
from labelaudit.receive.delivered_files import OF_THE_BYTES, PASSING, is_intact
from labelaudit.receive.relations import RELATIVE, Relations
from labelaudit.rejects.recorded import RECORD, prefix_of
from labelaudit.storage import layout
from labelaudit.storage.store import Store
from labelaudit.values.deliveries import CheckedDelivery, Delivery

LOOKED_AT_AGAIN = (*RELATIVE, *PASSING)
"""Refusals that say nothing of the delivery itself: every run looks whether they still hold."""


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
    not taken back. A delivery that supersedes one that never was published also supersedes what that one was to
    replace. Raises DeliveryRejected(missing_delivery) where one that is wanted by name does not wait in the inbox.
    """
    gone = superseded or {}
    folders, _ = inbox.folders(contract, store)
    waiting = manifests.complete(contract, store, folders)
    chosen = [delivery for delivery in waiting if not wanted or {delivery.name, delivery.id} & set(wanted)]
    missing = set(wanted) - {delivery.name for delivery in chosen} - {delivery.id for delivery in chosen}
    if missing:
        there = ", ".join(delivery.name for delivery in waiting[-20:]) or "none"
        why = [
            incomplete
            for incomplete in manifests.incomplete(contract, store)
            if {incomplete.name, incomplete.name.split("/")[-1]} & missing
        ]
        raise DeliveryRejected(
            "missing_delivery",
            f"no complete delivery {', '.join(sorted(missing))} in the inbox of {contract.id}; there are: {there}."
            + (f" {why[0].name}: {why[0].reason}." if why else " It is complete once its manifest.json is there."),
        )
    recorded = _recorded(contract, store)
    names = {delivery.name for delivery in waiting} | {folder.name for folder in folders} | set(recorded)
    relations = Relations(waiting, published, gone, known=names, is_intact=lambda delivery: is_intact(store, delivery))
    whole = {delivery.name: relations.whole(delivery) for delivery in waiting}
    before = {name: _record_of(delivery, recorded, store) for name, delivery in whole.items()}
    chosen = [whole[delivery.name] for delivery in chosen if gone.get(delivery.name) != delivery.digest]
    if not again:
        chosen = [
            delivery
            for delivery in chosen
            if not relations.is_published(delivery) and before[delivery.name] in (None, *LOOKED_AT_AGAIN)
        ]
    judged = relations.judge(chosen)
    return tuple(delivery for delivery in judged if _is_news(delivery, before[delivery.name], again, relations))


def _is_news(delivery: Delivery, before: str | None, again: bool, relations: Relations) -> bool:
    """Whether the run is to take the delivery, or to refuse it: not where the same was said of it before."""
    code = delivery.refusal.code if delivery.refusal else None
    if again:
        return not (code in RELATIVE and relations.is_published(delivery))
    if before == "superseded" and code is None:
        return relations.is_free_again(delivery)  # what supersedes it was rejected
    return before is None or before != code


def _recorded(contract: Contract, store: Store) -> dict[str, list[str]]:
    """vendor/id: keys of the recorded rejections of that id."""
    records: dict[str, list[str]] = {}
    prefix = layout.rejections(contract.customer, contract.dataset)
    for key in store.list(prefix):
        if key.endswith("/" + RECORD):
            folder = key.removeprefix(prefix).removesuffix("/" + RECORD)
            records.setdefault(folder.rsplit("-", 1)[0], []).append(key)
    return records


def _record_of(delivery: Delivery, recorded: Mapping[str, Sequence[str]], store: Store) -> str | None:
    """The code with which this very delivery was rejected before: the same bytes, and a manifest that says the same."""
    key = prefix_of(delivery) + RECORD
    if key not in recorded.get(delivery.name, ()):
        return None
    try:
        rejected = CheckedDelivery.model_validate_json(store.read(key))
    except KeyError:  # taken by another run, just now
        return None
    return rejected.refusal.code if rejected.refusal and _is_of(rejected, delivery) else None


def _is_of(rejected: CheckedDelivery, delivery: Delivery) -> bool:
    """Whether a recorded rejection is of this very delivery."""
    if rejected.refusal and rejected.refusal.code in OF_THE_BYTES and rejected.delivery.look != delivery.look:
        return False
    same = {"refusal": None, "look": ""}
    return rejected.delivery.model_copy(update=same) == delivery.model_copy(update=same)


def waits(delivery: Delivery, rejected: Sequence[CheckedDelivery]) -> bool:
    """Whether the next run looks into a delivery that is not published, for all that was rejected before."""
    for refused in rejected:
        whole = delivery.model_copy(
            update={"supersedes": refused.delivery.supersedes}
        )  # also what others were to replace
        told = set(delivery.supersedes) <= set(whole.supersedes) and _is_of(refused, whole)
        if told and refused.refusal and refused.refusal.code not in PASSING:
            return False
    return True
