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
    chosen = [one for one in waiting if not wanted or {one.name, one.id} & set(wanted)]
    missing = set(wanted) - {one.name for one in chosen} - {one.id for one in chosen}
    if missing:
        there = ", ".join(one.name for one in waiting[-20:]) or "none"
        why = [one for one in manifests.incomplete(contract, store) if {one.name, one.name.split("/")[-1]} & missing]
        raise DeliveryRejected(
            "missing_delivery",
            f"no complete delivery {', '.join(sorted(missing))} in the inbox of {contract.id}; there are: {there}."
            + (f" {why[0].name}: {why[0].reason}." if why else " It is complete once its manifest.json is there."),
        )
    recorded = _recorded(contract, store)
    names = {one.name for one in waiting} | {folder.name for folder in folders} | set(recorded)
    relations = Relations(waiting, published, gone, known=names, is_intact=lambda one: is_intact(store, one))
    whole = {one.name: relations.whole(one) for one in waiting}
    before = {name: _record_of(one, recorded, store) for name, one in whole.items()}
    chosen = [whole[one.name] for one in chosen if gone.get(one.name) != one.digest]
    if not again:
        chosen = [
            one for one in chosen if not relations.is_published(one) and before[one.name] in (None, *LOOKED_AT_AGAIN)
        ]
    judged = relations.judge(chosen)
    return tuple(one for one in judged if _is_news(one, before[one.name], again, relations))


def _is_news(one: Delivery, before: str | None, again: bool, relations: Relations) -> bool:
    """Whether the run is to take the delivery, or to refuse it: not where the same was said of it before."""
    code = one.refusal.code if one.refusal else None
    if again:
        return not (code in RELATIVE and relations.is_published(one))
    if before == "superseded" and code is None:
        return relations.is_free_again(one)  # what supersedes it was rejected
    return before is None or before != code


def _recorded(contract: Contract, store: Store) -> dict[str, list[str]]:
    """vendor/id: keys of the recorded rejections of that id."""
    found: dict[str, list[str]] = {}
    prefix = layout.rejections(contract.customer, contract.dataset)
    for key in store.list(prefix):
        if key.endswith("/" + RECORD):
            folder = key.removeprefix(prefix).removesuffix("/" + RECORD)
            found.setdefault(folder.rsplit("-", 1)[0], []).append(key)
    return found


def _record_of(one: Delivery, recorded: Mapping[str, Sequence[str]], store: Store) -> str | None:
    """The code with which this very delivery was rejected before: the same bytes, and a manifest that says the same."""
    key = prefix_of(one) + RECORD
    if key not in recorded.get(one.name, ()):
        return None
    try:
        found = CheckedDelivery.model_validate_json(store.read(key))
    except KeyError:  # taken by another run, just now
        return None
    return found.refusal.code if found.refusal and _is_of(found, one) else None


def _is_of(found: CheckedDelivery, one: Delivery) -> bool:
    """Whether a recorded rejection is of this very delivery."""
    if found.refusal and found.refusal.code in OF_THE_BYTES and found.delivery.look != one.look:
        return False
    same = {"refusal": None, "look": ""}
    return found.delivery.model_copy(update=same) == one.model_copy(update=same)


def waits(one: Delivery, rejected: Sequence[CheckedDelivery]) -> bool:
    """Whether the next run looks into a delivery that is not published, for all that was rejected before."""
    for found in rejected:
        whole = one.model_copy(update={"supersedes": found.delivery.supersedes})  # also what others were to replace
        told = set(one.supersedes) <= set(whole.supersedes) and _is_of(found, whole)
        if told and found.refusal and found.refusal.code not in PASSING:
            return False
    return True
