"""Alerts in the outbox: none is lost, none is sent twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from labelaudit import outbox
from labelaudit.messages import Message
from labelaudit.quality_terms import AlertRoute

HOOK = AlertRoute(via="webhook", connection="hook")
OF = ("acme", "pets")


def message(key: str = "breach/1", **changed) -> Message:
    terms = {"event": "breach", "key": key, "customer": "acme", "dataset": "pets", "subject": "s", "text": "{{ 7 }}"}
    return Message(**{**terms, **changed})


def test_a_message_is_posted_once_and_never_again_after_it_was_sent(store):
    assert outbox.post(store, *OF, [message()], [HOOK], 1.0) == 1
    assert outbox.post(store, *OF, [message()], [HOOK], 2.0) == 0
    (one,) = outbox.waiting(store, *OF)
    outbox.mark_sent(store, *OF, outbox.claim(store, *OF, one, 3.0), 4.0)
    assert outbox.post(store, *OF, [message()], [HOOK], 5.0) == 0
    assert outbox.waiting(store, *OF) == []
    assert outbox.claim(store, *OF, one, 6.0) is None


def test_of_many_senders_one_sends(folder_store):
    outbox.post(folder_store, *OF, [message()], [HOOK], 1.0)
    (one,) = outbox.waiting(folder_store, *OF)
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda _: outbox.claim(folder_store, *OF, one, 2.0), range(8)))
    assert sum(claim is not None for claim in claims) == 1


def test_a_killed_senders_claim_ends_with_its_lease_and_a_failed_one_at_once(store):
    outbox.post(store, *OF, [message()], [HOOK], 0.0)
    (one,) = outbox.waiting(store, *OF)
    assert outbox.claim(store, *OF, one, 0.0).attempt == 1
    assert outbox.claim(store, *OF, one, outbox.LEASE_SECONDS - 1) is None
    second = outbox.claim(store, *OF, one, outbox.LEASE_SECONDS)
    outbox.mark_failed(store, *OF, second, "refused", 700.0)
    (shown,) = outbox.undelivered(store, *OF)
    assert (shown.attempts, shown.last_error, shown.last_attempt, shown.since) == (2, "refused", 700.0, 0.0)
    assert outbox.claim(store, *OF, one, 701.0).attempt == 3


def test_a_route_takes_its_events_and_severities_only(folder_store):
    routes = [HOOK.model_copy(update={"severity": "critical"}), AlertRoute(via="log", on=("rejection",))]
    assert outbox.post(folder_store, *OF, [message()], routes, 0.0) == 0
    assert outbox.post(folder_store, *OF, [message(severity="critical")], routes, 0.0) == 1
