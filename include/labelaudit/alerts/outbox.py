"""Alerts that are to be delivered, in the store: posted before they are sent, so that a killed sender loses none.

`alerts/<customer>/<dataset>/` holds `waiting/<id>.json`, `attempts/<id>/<n>.json` (a claim) and `….failed`,
`sent/<id>.json` and, of what can't be sent any more, `closed/<id>.json`. `id` is a hash of the message's key and the
route: the same message is posted once a route, and never again once it was sent. An attempt is claimed by
put-if-absent, so of two senders one sends; a killed sender's claim ends after LEASE_SECONDS.

What stays at-least-once: a sender killed (or a connection lost) between the service's yes and our note of it, and a
sender that takes longer than its lease, send again. The copy has the same `Entry.id`; channels hand it on.
Times are arguments, in seconds since 1970. No entry holds a secret: a route names its Connection only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence

from labelaudit.alerts.messages import Message
from labelaudit.contracts.channels import CHANNELS
from labelaudit.contracts.quality import SEVERITIES, AlertRoute
from labelaudit.storage import layout
from labelaudit.storage.store import Store
from labelaudit.values.value import Value, View

LEASE_SECONDS = 600
MOVED_SECONDS = 7 * 86_400
"""What waited longer for a route that has left goes to no other: it is stale, and who got it may be forgotten."""
OURS = ("labelaudit", "")
"""Whose alerts belong to no contract: of the upkeep."""
LEFT = "its route has left the contract"


class Entry(Value):
    """One message for one route, posted at `posted`; an internal one never goes to a customer's route."""

    id: str
    message: Message
    route: AlertRoute
    posted: float
    view: View = "customer"


class Claim(Value):
    """The right to send an entry until `until`; `attempt` counts from 1."""

    id: str
    attempt: int
    until: float


class Failure(Value):
    at: float
    error: str


class Sent(Value):
    at: float
    attempts: int


class Closed(Value):
    """What the page shows of an entry that is not sent any more, and why."""

    subject: str
    route: str
    at: float
    note: str


class Undelivered(Value):
    """What the page shows of an entry that waits."""

    subject: str
    route: str
    attempts: int
    last_error: str
    last_attempt: float | None
    since: float


def wants(route: AlertRoute, message: Message) -> bool:
    """Whether the route takes this event, and one this severe. That it is over concerns pagers only."""
    if message.resolved:
        return CHANNELS[route.via].takes_ends and message.event in route.on
    return message.event in route.on and SEVERITIES.index(message.severity) >= SEVERITIES.index(route.severity)


def entry_id(message: Message, route: AlertRoute) -> str:
    """Of the message's key and where the route leads; not of the texts, nor of the route's filters."""
    parts = [message.key, route.via, route.connection or "", *sorted(route.to)]
    if more := {name: value for name, value in route.place.items() if name not in ("via", "connection", "to")}:
        parts.append(json.dumps(more, sort_keys=True))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def same_place(one: AlertRoute, other: AlertRoute) -> bool:
    """Whether two routes lead to the same place, as the contract names it; an address behind a Connection is not it."""
    return one.place == other.place


def post(
    store: Store,
    customer: str,
    dataset: str,
    messages: Iterable[Message],
    routes: Iterable[AlertRoute],
    now: float,
    view: View = "customer",
) -> int:
    """Post each message for each route that wants it; gives how many were new."""
    folder, routes = layout.alerts(customer, dataset), list(routes)
    new = 0
    for message in messages:
        for route in routes:
            entry = Entry(id=entry_id(message, route), message=message, route=route, posted=now, view=view)
            if wants(route, message) and not store.exists(f"{folder}sent/{entry.id}.json"):
                new += store.put_if_absent(f"{folder}waiting/{entry.id}.json", entry.model_dump_json().encode())
                store.delete(f"{folder}closed/{entry.id}.json")  # the route is back
    return new


def waiting(store: Store, customer: str, dataset: str) -> list[Entry]:
    """What is not sent yet, oldest first."""
    folder = layout.alerts(customer, dataset)
    entries = []
    for key in store.list(f"{folder}waiting/"):
        try:
            entry = Entry.model_validate_json(store.read(key))
        except KeyError:  # another sender has just sent it
            continue
        if not store.exists(f"{folder}sent/{entry.id}.json"):
            entries.append(entry)
    return sorted(entries, key=lambda one: (one.posted, one.id))


def claim(store: Store, customer: str, dataset: str, entry: Entry, now: float) -> Claim | None:
    """The right to send, or None where it was sent, or another sender holds it."""
    folder = layout.alerts(customer, dataset)
    if store.exists(f"{folder}sent/{entry.id}.json"):
        return None
    last = _attempts(store, folder, entry.id)
    if last and not store.exists(_attempt(folder, entry.id, last) + ".failed"):
        try:
            if Claim.model_validate_json(store.read(_attempt(folder, entry.id, last) + ".json")).until > now:
                return None
        except KeyError:  # sent meanwhile, and tidied away
            return None
    mine = Claim(id=entry.id, attempt=last + 1, until=now + LEASE_SECONDS)
    if not store.put_if_absent(_attempt(folder, entry.id, mine.attempt) + ".json", mine.model_dump_json().encode()):
        return None
    return None if store.exists(f"{folder}sent/{entry.id}.json") else mine


def mark_sent(store: Store, customer: str, dataset: str, claimed: Claim, now: float) -> None:
    """Note that the service took it; only then what waited is removed."""
    folder = layout.alerts(customer, dataset)
    sent = Sent(at=now, attempts=claimed.attempt)
    store.put_if_absent(f"{folder}sent/{claimed.id}.json", sent.model_dump_json().encode())
    _forget(store, folder, claimed.id)


def mark_failed(store: Store, customer: str, dataset: str, claimed: Claim, error: str, now: float) -> None:
    """Note why it failed, which ends the claim: the next sender may try at once."""
    key = _attempt(layout.alerts(customer, dataset), claimed.id, claimed.attempt) + ".failed"
    store.write(key, Failure(at=now, error=error[:500]).model_dump_json().encode())


def close_left(store: Store, customer: str, dataset: str, routes: Sequence[tuple[AlertRoute, View]], now: float) -> int:
    """Close what waits for a route that is none of `routes`, all that there are now; gives how many.

    A route whose connection or addresses were changed has left, too: what waited for it goes to the routes of its kind
    that there are now, those that got it already left out. An address behind a Connection is no part of the route.
    """
    folder = layout.alerts(customer, dataset)
    closed = 0
    for entry in waiting(store, customer, dataset):
        if any(same_place(entry.route, route) and entry.view in (view, "customer") for route, view in routes):
            continue
        if claim(store, customer, dataset, entry, now) is None:  # a sender has it at this moment
            continue
        heirs = [
            route
            for route, view in routes
            if route.via == entry.route.via and view == entry.view and now - entry.posted <= MOVED_SECONDS
        ]
        moved = post(store, customer, dataset, [entry.message], heirs, entry.posted, entry.view)
        note = f"{LEFT}; it goes to {moved} of the routes that there are now" if moved else LEFT
        _close(store, folder, entry, note, now)
        closed += 1
    return closed


def closed(store: Store, customer: str, dataset: str) -> list[Closed]:
    """What was closed and not sent, the latest first; until the notes expire."""
    keys = store.list(f"{layout.alerts(customer, dataset)}closed/")
    closings = [Closed.model_validate_json(store.read(key)) for key in keys]
    return sorted(closings, key=lambda closed: -closed.at)


def datasets(store: Store) -> list[tuple[str, str]]:
    """(customer, dataset) of all that have an outbox; what belongs to no dataset is left out."""
    top = layout.ALERTS
    datasets = [
        (customer, dataset) for customer in store.folders(top) for dataset in store.folders(f"{top}{customer}/")
    ]
    return [dataset for dataset in datasets if layout.alerts(*dataset) != layout.alerts(*OURS)]


def undelivered(store: Store, customer: str, dataset: str) -> list[Undelivered]:
    """What waits, in words for the page, oldest first."""
    folder = layout.alerts(customer, dataset)
    shown = []
    for entry in waiting(store, customer, dataset):
        failures = [key for key in store.list(f"{folder}attempts/{entry.id}/") if key.endswith(".failed")]
        last = Failure.model_validate_json(store.read(failures[-1])) if failures else None
        shown.append(
            Undelivered(
                subject=entry.message.subject,
                route=_named(entry.route),
                attempts=_attempts(store, folder, entry.id),
                last_error=last.error if last else "",
                last_attempt=last.at if last else None,
                since=entry.posted,
            )
        )
    return shown


def expire(store: Store, customer: str, dataset: str, before: float, now: float) -> int:
    """Remove notes of what was sent or closed before `before`, and close what waits since then; gives how many."""
    folder = layout.alerts(customer, dataset)
    told = 0
    for entry in waiting(store, customer, dataset):
        if entry.posted < before and claim(store, customer, dataset, entry, now) is not None:
            days = (now - entry.posted) // 86_400
            _close(store, folder, entry, f"it could not be sent for {days:.0f} days", now)
            told += 1
    return told + expire_sent(store, customer, dataset, before)


def expire_sent(store: Store, customer: str, dataset: str, before: float) -> int:
    """Remove notes of what was sent or closed before `before`; gives how many."""
    folder = layout.alerts(customer, dataset)
    notes = [*store.list(f"{folder}sent/"), *store.list(f"{folder}closed/")]
    old = [key for key in notes if store.modified(key) < before]
    for key in old:
        store.delete(key)
    return len(old)


def _close(store: Store, folder: str, entry: Entry, note: str, now: float) -> None:
    """Note why it is not sent any more; only then what waited is removed."""
    said = Closed(subject=entry.message.subject, route=_named(entry.route), at=now, note=note)
    store.write(f"{folder}closed/{entry.id}.json", said.model_dump_json().encode())
    _forget(store, folder, entry.id)


def _named(route: AlertRoute) -> str:
    return f"{route.via} {route.connection or ', '.join(route.to)}".strip()


def _forget(store: Store, folder: str, entry: str) -> None:
    store.delete(f"{folder}waiting/{entry}.json")
    for key in store.list(f"{folder}attempts/{entry}/"):
        store.delete(key)


def _attempt(folder: str, entry: str, number: int) -> str:
    return f"{folder}attempts/{entry}/{number:06d}"


def _attempts(store: Store, folder: str, entry: str) -> int:
    """How often it was tried."""
    keys = [key for key in store.list(f"{folder}attempts/{entry}/") if key.endswith(".json")]
    return int(keys[-1].rsplit("/", 1)[1].removesuffix(".json")) if keys else 0
