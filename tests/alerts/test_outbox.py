"""Alerts in the outbox: none is lost, none is sent twice."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor

from labelaudit.alerts import outbox
from labelaudit.alerts.messages import Message
from labelaudit.contracts.quality import AlertRoute

HOOK = AlertRoute(via="webhook", connection="hook")
OF = ("acme", "pets")


def message(key: str = "breach/1", **changed) -> Message:
    terms = {"event": "breach", "key": key, "customer": "acme", "dataset": "pets", "subject": "s", "text": "{{ 7 }}"}
    return Message(**{**terms, **changed})


def test_a_message_is_posted_once_and_never_again_after_it_was_sent(store):
    assert outbox.post(store, *OF, [message()], [HOOK], 1.0) == 1
    assert outbox.post(store, *OF, [message()], [HOOK], 2.0) == 0
    (entry,) = outbox.waiting(store, *OF)
    outbox.mark_sent(store, *OF, outbox.claim(store, *OF, entry, 3.0), 4.0)
    assert outbox.post(store, *OF, [message()], [HOOK], 5.0) == 0
    assert outbox.waiting(store, *OF) == []
    assert outbox.claim(store, *OF, entry, 6.0) is None


def test_of_many_senders_one_sends(folder_store):
    outbox.post(folder_store, *OF, [message()], [HOOK], 1.0)
    (entry,) = outbox.waiting(folder_store, *OF)
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda _: outbox.claim(folder_store, *OF, entry, 2.0), range(8)))
    assert sum(claim is not None for claim in claims) == 1


def test_a_killed_senders_claim_ends_with_its_lease_and_a_failed_one_at_once(store):
    outbox.post(store, *OF, [message()], [HOOK], 0.0)
    (entry,) = outbox.waiting(store, *OF)
    assert outbox.claim(store, *OF, entry, 0.0).attempt == 1
    assert outbox.claim(store, *OF, entry, outbox.LEASE_SECONDS - 1) is None
    second = outbox.claim(store, *OF, entry, outbox.LEASE_SECONDS)
    outbox.mark_failed(store, *OF, second, "refused", 700.0)
    (shown,) = outbox.undelivered(store, *OF)
    assert (shown.attempts, shown.last_error, shown.last_attempt, shown.since) == (2, "refused", 700.0, 0.0)
    assert outbox.claim(store, *OF, entry, 701.0).attempt == 3


MAIL = AlertRoute(via="email", to=("ops@example.org",))


def posted_to(store, *routes) -> list[str]:
    return [
        entry.route.connection or entry.route.to[0] for entry in outbox.waiting(store, *OF) if entry.route in routes
    ]


def test_what_waits_for_a_route_that_has_left_is_closed_with_a_note_and_never_sent(store):
    """Not retried for ever, and not lost silently either: the page shows it until its note expires."""
    outbox.post(store, *OF, [message()], [HOOK, MAIL], 1.0)
    (gone,) = [entry for entry in outbox.waiting(store, *OF) if entry.route == HOOK]
    outbox.mark_failed(store, *OF, outbox.claim(store, *OF, gone, 2.0), "refused", 3.0)
    assert outbox.close_left(store, *OF, [(MAIL, "customer")], 4.0) == 1
    assert [entry.route for entry in outbox.waiting(store, *OF)] == [MAIL]
    (said,) = outbox.closed(store, *OF)
    assert (said.subject, said.route, said.at) == ("s", "webhook hook", 4.0)
    assert "its route has left the contract" in said.note
    assert not store.list("alerts/acme/pets/attempts/")
    assert outbox.close_left(store, *OF, [(MAIL, "customer")], 5.0) == 0
    outbox.expire_sent(store, *OF, store.modified(store.list("alerts/acme/pets/closed/")[0]) + 1)
    assert outbox.closed(store, *OF) == []


def test_what_could_not_be_sent_for_so_long_is_closed_with_a_note_and_a_younger_one_waits(store):
    """A service that is gone, on a route that is not: it would be tried every quarter of an hour for ever."""
    day = 86_400
    outbox.post(store, *OF, [message("breach/old")], [HOOK], 0.0)
    outbox.post(store, *OF, [message("breach/young")], [HOOK], 2.0 * day)
    for entry in outbox.waiting(store, *OF):
        outbox.mark_failed(store, *OF, outbox.claim(store, *OF, entry, 90.0 * day), "gone", 90.0 * day)
    assert outbox.expire(store, *OF, day, 91 * day) == 1
    (young,) = outbox.waiting(store, *OF)
    assert young.message.key == "breach/young"
    (said,) = outbox.closed(store, *OF)
    assert "could not be sent for 91 days" in said.note
    assert {key.split("/")[4] for key in store.list("alerts/acme/pets/attempts/")} == {young.id}


def test_what_a_sender_has_at_this_moment_is_not_closed(store):
    outbox.post(store, *OF, [message()], [HOOK], 0.0)
    (entry,) = outbox.waiting(store, *OF)
    claimed = outbox.claim(store, *OF, entry, 1_000.0)
    assert outbox.expire(store, *OF, 500.0, 1_001.0) == 0
    outbox.mark_sent(store, *OF, claimed, 1_002.0)
    assert outbox.closed(store, *OF) == []


def test_what_waited_for_an_address_that_was_changed_goes_to_the_new_one(folder_store):
    """And to each address once: who got it already does not get it again."""
    there, new = (MAIL.model_copy(update={"to": (f"{name}@example.org",)}) for name in ("there", "new"))
    outbox.post(folder_store, *OF, [message()], [MAIL, there, HOOK], 1.0)
    (sent,) = [entry for entry in outbox.waiting(folder_store, *OF) if entry.route == there]
    outbox.mark_sent(folder_store, *OF, outbox.claim(folder_store, *OF, sent, 2.0), 2.0)
    now = [(there, "customer"), (new, "customer"), (HOOK, "customer")]
    assert outbox.close_left(folder_store, *OF, now, 3.0) == 1
    assert sorted(posted_to(folder_store, there, new, HOOK)) == ["hook", "new@example.org"]
    assert "goes to 1 of the routes" in outbox.closed(folder_store, *OF)[0].note


def test_a_stale_alert_goes_to_no_new_address(folder_store):
    outbox.post(folder_store, *OF, [message()], [MAIL], 1.0)
    new = MAIL.model_copy(update={"to": ("new@example.org",)})
    assert outbox.close_left(folder_store, *OF, [(new, "customer")], outbox.MOVED_SECONDS + 2.0) == 1
    assert outbox.waiting(folder_store, *OF) == []


def test_what_was_written_for_ourselves_never_goes_to_a_customers_route(folder_store):
    """Also where our route has left, and the customer's is of the same kind, or even leads to the same place."""
    outbox.post(folder_store, *OF, [message()], [HOOK], 1.0, "internal")
    theirs = HOOK.model_copy(update={"connection": "theirs"})
    assert outbox.close_left(folder_store, *OF, [(HOOK, "customer"), (theirs, "customer")], 2.0) == 1
    assert outbox.waiting(folder_store, *OF) == []


def test_a_route_that_comes_back_gets_what_is_posted_again(folder_store):
    outbox.post(folder_store, *OF, [message()], [HOOK], 1.0)
    outbox.close_left(folder_store, *OF, [], 2.0)
    assert outbox.post(folder_store, *OF, [message()], [HOOK], 3.0) == 1
    assert outbox.closed(folder_store, *OF) == []


def test_an_entry_that_a_sender_has_is_not_closed_under_its_hands(folder_store):
    outbox.post(folder_store, *OF, [message()], [HOOK], 1.0)
    outbox.claim(folder_store, *OF, outbox.waiting(folder_store, *OF)[0], 2.0)
    assert outbox.close_left(folder_store, *OF, [], 3.0) == 0
    assert outbox.close_left(folder_store, *OF, [], 3.0 + outbox.LEASE_SECONDS) == 1


def test_a_route_takes_its_events_and_severities_only(folder_store):
    routes = [HOOK.model_copy(update={"severity": "critical"}), AlertRoute(via="log", on=("rejection",))]
    assert outbox.post(folder_store, *OF, [message()], routes, 0.0) == 0
    assert outbox.post(folder_store, *OF, [message(severity="critical")], routes, 0.0) == 1


class Routed(AlertRoute):
    """A route as a channel to come may have it: with an address field of its own."""

    room: str | None = None


def test_an_entrys_id_is_what_it_always_was():
    """Ids of entries that wait, or were sent, in stores of today: another id would send them again."""
    assert outbox.entry_id(message(), HOOK) == hashlib.sha256(b"breach/1\0webhook\0hook").hexdigest()[:32]
    two = AlertRoute(via="email", to=("b@example.org", "a@example.org"), on=("digest",), severity="critical")
    expected = hashlib.sha256(b"breach/1\0email\0\0a@example.org\0b@example.org").hexdigest()[:32]
    assert outbox.entry_id(message(), two) == expected


def test_every_address_field_tells_one_place_from_another():
    """Also one that no channel has today; where it is left out, the route is what it was without it."""
    rooms = [Routed(via="webhook", connection="hook", room=room) for room in (None, "a", "b")]
    assert len({outbox.entry_id(message(), room) for room in rooms}) == 3
    assert outbox.entry_id(message(), rooms[0]) == outbox.entry_id(message(), HOOK)
    assert outbox.same_place(rooms[0], HOOK)
    assert not outbox.same_place(rooms[1], rooms[2])
    assert outbox.same_place(HOOK, HOOK.model_copy(update={"on": ("digest",), "severity": "critical"}))
