"""What retention removes, and what it never does."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from conftest import GOOD, audit

from labelaudit.alerts import outbox
from labelaudit.alerts.messages import Message
from labelaudit.contracts.quality import AlertRoute
from labelaudit.errors import RunExpired
from labelaudit.judge import past
from labelaudit.publish import verifying
from labelaudit.rejects import history as rejects_history
from labelaudit.rejects import recorded
from labelaudit.run import expiry, steps, waiting_runs
from labelaudit.storage import layout, release_log
from labelaudit.storage.store import Store
from labelaudit.values.verdicts import Answer
from tests.publish.test_publishing import MORE
from tests.publish.test_publishing import judged as until_verdict

pytestmark = pytest.mark.runs

DAY = 86_400


def expire(contract, store: Store, days: float) -> expiry.Expired:
    return expiry.expire(contract, store, steps.open_destination(contract, store), time.time() + days * DAY)


@pytest.fixture
def held(make_contract, folder_store: Store, put):
    """A run of Airflow's that waits for an answer."""
    contract = make_contract(limits={"rejected_rows_rate": 0}, on_breach="hold")
    put(folder_store, contract, GOOD + "bad,row\n")
    made, verdict = until_verdict(contract, folder_store, "held")
    assert verdict.action == "hold"
    return contract, folder_store, made, verdict


def answer(made, chosen: str) -> Answer:
    return Answer(chosen=chosen, by="ada", at="2026-11-25T12:00:00+00:00", digest=made.digest)


def test_a_run_that_waits_for_an_answer_keeps_its_files_however_long(held):
    """Answered after a year, it is published; then they go."""
    contract, store, made, verdict = held
    destination = steps.open_destination(contract, store)
    assert expire(contract, store, 365).run_files == 0
    verdict = steps.released(verdict, answer(made, "approve"))
    assert steps.publish(contract, made, verdict, store, destination).release == made.release
    assert expire(contract, store, 29).run_files == 0
    assert expire(contract, store, 31).run_files > 3


def test_a_rejected_run_keeps_its_files_no_longer_than_others(held):
    contract, store, made, verdict = held
    steps.reject_held(contract, made, verdict, answer(made, "reject"), store)
    assert expire(contract, store, 31).run_files > 3


def test_a_held_run_whose_number_another_release_took_waits_no_more(held, put):
    """It could not be published any more: the files of runs that somebody left alone do not stay for ever."""
    contract, store, _, _ = held
    put(store, contract, MORE, delivery="d2")
    assert audit(contract, store, "other", publish_held="for once").status == "published"
    assert expire(contract, store, 31).run_files > 3
    assert store.list("runs/") == []


def test_a_run_of_the_command_line_waits_for_nobody(held):
    contract, store, _, _ = held
    destination = steps.open_destination(contract, store)
    assert audit(contract, store, "cli").status == "held"
    assert [run.run for run in waiting_runs.waiting(contract, store, destination)] == ["held"]


@pytest.mark.parametrize("step", ["check", "detect", "judge", "publish", "reject"])
def test_a_step_whose_run_has_expired_says_so_and_what_to_do(held, step):
    contract, store, made, verdict = held
    destination = steps.open_destination(contract, store)
    staged = steps.stage(contract, made.found.deliveries[0], store, "held")
    for key in store.list("runs/"):
        store.delete(key)
    does = {
        "check": lambda: steps.check(contract, staged, store, "held"),
        "detect": lambda: steps.detect(contract, made.found, made.checked, store, destination),
        "judge": lambda: steps.judge(contract, made, store, destination),
        "publish": lambda: steps.publish(contract, made, verdict, store, destination),
        "reject": lambda: steps.reject_held(contract, made, verdict, answer(made, "reject"), store),
    }
    with pytest.raises(RunExpired, match=r"runs/acme/pets/held/.* is gone.*`retention\.runs_days`.*Trigger a new run"):
        does[step]()
    assert release_log.log(destination) == []


def test_after_years_the_history_audits_and_rejects_go_but_not_what_the_last_release_needs(
    make_contract, folder_store: Store, put
):
    contract = make_contract(human_audit={"rows": 5})
    names = ("acme", "pets")
    old = datetime.now(UTC) - timedelta(days=10)
    put(folder_store, contract, GOOD + "bad,row\n")
    put(folder_store, contract, "item,annotator,label\n1,ann,cow\n", delivery="rejected")
    put(folder_store, contract, "item,annotator,label\n2,ann,cow\n", delivery="withdrawn")
    first = audit(contract, folder_store, "one", now=old).release.release
    for key in folder_store.list(layout.delivery("alder", *names, "withdrawn")):
        folder_store.delete(key)
    (Path(folder_store.root) / layout.delivery("alder", *names, "withdrawn")).rmdir()
    put(folder_store, contract, MORE, delivery="d2")
    second = audit(contract, folder_store, "two", now=old).release.release
    assert expire(contract, folder_store, 1090).history_files == 0
    expired = expire(contract, folder_store, 1100)
    assert (expired.history_files, expired.audit_files > 3, expired.rejection_files) == (2, True, 3)
    for prefix in (layout.history(*names), layout.internal_reports(*names), layout.human_audits(*names)):
        left = folder_store.list(prefix)
        assert left, "of the last release"
        assert not any(first in key for key in left)
        assert all(second in key for key in left)
    assert [delivery.delivery.id for _, delivery in recorded.rejections(contract, folder_store)] == ["rejected"]
    assert rejects_history.counts(contract, folder_store) == []
    history = past.read_judged(contract, folder_store, steps.open_destination(contract, folder_store))
    assert [release.release for release in history] == [first, second], "what was published is in the customer's tables"
    assert audit(contract, folder_store, "three").status == "nothing", "and nothing is taken or refused twice"
    verifying.verify(steps.open_destination(contract, folder_store), first)


def test_old_versions_of_the_tables_expire_and_the_last_one_never(make_contract, folder_store: Store, put):
    """As the log says when a file fell out of the table: `table_versions_days` later it is gone."""
    contract = make_contract(retention={"table_versions_days": 7})
    destination = steps.open_destination(contract, folder_store)
    put(folder_store, contract, GOOD)
    first = audit(contract, folder_store, "one").release.release
    put(folder_store, contract, GOOD.replace(",ann,", ",dan,"), delivery="d2")
    audit(contract, folder_store, "two")
    assert expire(contract, folder_store, 0).table_files == 0
    old = round((time.time() - 8 * DAY) * 1000)
    for log in (Path(destination.root) / layout.LABELS / "_delta_log").glob("*.json"):
        log.write_text(re.sub(r'"deletionTimestamp":\d+', f'"deletionTimestamp":{old}', log.read_text()))
    assert expire(contract, folder_store, 0).table_files > 0
    assert not verifying.verify(destination, first).rows_checked
    assert verifying.verify(destination).rows_checked


KEPT = {"runs_days": 30, "table_versions_days": 60, "history_days": 200, "audits_days": 300, "rejects_days": 400}
PLACES = {
    "runs/": "runs_days",
    "ready/": "runs_days",
    "forgotten/": "runs_days",
    "alerts/acme/pets/sent/": "table_versions_days",
    "alerts/acme/pets/waiting/": "table_versions_days",
    "history/": "history_days",
    "reports/": "history_days",
    "audits/": "audits_days",
    "rejections/": "rejects_days",
    "sealed/": "rejects_days",
}
"""By folder, the term of the contract that says how long what lies there is kept."""


def test_everything_that_is_kept_goes_after_its_time_and_a_day_earlier_stays(make_contract, folder_store: Store, put):
    """With a later release: what belongs to the last one stays. What is listed here is all that lies in the store."""
    contract = make_contract(human_audit={"rows": 5}, retention=KEPT)
    put(folder_store, contract, GOOD + "bad,row\n")
    first = audit(contract, folder_store, "one").release.release
    put(folder_store, contract, MORE, delivery="d2")
    second = audit(contract, folder_store, "two").release.release
    made = {
        f"audits/acme/pets/{first}/answers/000001.json": b"{}",
        "ready/acme/pets/r0009-00000000/labels.parquet": b"of a run that was killed, and never published",
        "forgotten/acme/pets/0123": b"forgotten-1",
        "rejections/acme/pets/alder/withdrawn-0123/rejects.csv": b"bad",
        "sealed/acme/pets/alder/withdrawn/000001.json": b"{}",
    }
    for key, content in made.items():
        folder_store.write(key, content)
    route = AlertRoute(via="webhook", connection="hook")
    said = {"event": "breach", "customer": "acme", "dataset": "pets", "subject": "s", "text": "t"}
    outbox.post(folder_store, "acme", "pets", [Message(key=key, **said) for key in "ab"], [route], time.time())
    entry = outbox.waiting(folder_store, "acme", "pets")[0]
    claimed = outbox.claim(folder_store, "acme", "pets", entry, time.time())
    outbox.mark_sent(folder_store, "acme", "pets", claimed, time.time())

    def lying() -> dict[str, set[str]]:
        of_the_last = ("alder/d1-", "alder/d2-")  # their deliveries lie in the inbox still
        return {
            place: {
                key for key in folder_store.list(place) if second not in key and not any(map(key.count, of_the_last))
            }
            for place in PLACES
        }

    before = lying()
    assert all(before.values()), "what is looked for can be found"
    ours = {"inbox", "published", "keys", "gold", "incidents", "rejects", "judged", "looks", "held"}
    assert {key.split("/")[0] for key in folder_store.list("")} <= ours | {place.split("/")[0] for place in PLACES}
    for name, days in sorted(KEPT.items(), key=lambda pair: pair[1]):
        expire(contract, folder_store, days - 1)
        left = lying()
        still = [place for place, key in PLACES.items() if KEPT[key] >= days]
        assert {place: left[place] for place in still} == {place: before[place] for place in still}
        expire(contract, folder_store, days + 1)
        assert {place: keys for place, keys in lying().items() if PLACES[place] == name and keys} == {}
    verifying.verify(steps.open_destination(contract, folder_store))


def test_the_note_of_a_held_run_goes_once_its_number_is_taken(held, put):
    contract, store, _, _ = held
    expire(contract, store, 0)
    assert len(store.list("held/")) == 1
    put(store, contract, MORE, delivery="d2")
    assert audit(contract, store, "other", publish_held="for once").status == "published"
    expire(contract, store, 0)
    assert store.list("held/") == []


def test_the_log_of_our_own_tables_quotes_no_row_that_has_expired(make_contract, folder_store: Store, put):
    """Delta's log has the least and the greatest text of every file: it would keep what the table has lost."""
    contract = make_contract(retention={"table_versions_days": 7, "rejects_days": 30})
    old = datetime.now(UTC) - timedelta(days=40)
    put(folder_store, contract, GOOD + "vanishing,row\n")
    audit(contract, folder_store, "one", now=old)
    put(folder_store, contract, MORE + "staying,row\n", delivery="d2")
    audit(contract, folder_store, "two")
    table = layout.rejects("acme", "pets")
    folder_store.write(f"{table}/part-killed.parquet", b"of a writer that was killed")

    def log() -> bytes:
        return b"".join(folder_store.read(key) for key in folder_store.list(f"{table}/_delta_log/"))

    expire(contract, folder_store, 0)
    assert b"vanishing" in log(), "the log is not old enough"
    expire(contract, folder_store, 6)
    assert b"vanishing" in log()
    assert folder_store.exists(f"{table}/part-killed.parquet")
    expire(contract, folder_store, 8)
    assert b"vanishing" not in log()
    assert not folder_store.exists(f"{table}/part-killed.parquet")
    (row,) = [row for batch in rejects_history.rows(contract, folder_store) for row in batch.to_pylist()]
    assert "staying" in row["text"]
    put(folder_store, contract, "item,annotator,label\n1,ann,cow\n", delivery="d3")
    audit(contract, folder_store, "three")
    assert len(rejects_history.counts(contract, folder_store, ["delivery"])) == 2, "it is written on as before"
