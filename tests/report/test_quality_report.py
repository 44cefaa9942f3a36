"""Measured rates, acceptance and incidents in the report: escaped, and without names that the customer may not see."""

from __future__ import annotations

from types import SimpleNamespace

from conftest import GOOD, audit

from labelaudit.alerts import messages, outbox
from labelaudit.contracts.quality import AlertRoute, Regressions
from labelaudit.judge import past
from labelaudit.judge.stream_words import cause_in_words, rate_of
from labelaudit.page.app import TEMPLATES
from labelaudit.page.state import dataset_state
from labelaudit.publish import annotator_names, customer_view
from labelaudit.rejects.words import title
from labelaudit.rendering import charts
from labelaudit.rendering.markup import environment, render
from labelaudit.report.release import TEMPLATES as REPORT
from labelaudit.run import steps
from labelaudit.storage import layout
from labelaudit.values.verdicts import (
    AcceptanceDecision,
    DefectRate,
    Explained,
    Incident,
    StreamChange,
    Verdict,
    WatchState,
)

HOSTILE = "<script>x</script>"


def rate(of: str, subject: str) -> DefectRate:
    numbers = {"value": 0.1, "low": 0.05, "high": 0.2, "audited": 40, "defects": 4, "items": 100}
    return DefectRate(of=of, subject=subject, per="item", releases=("r",), **numbers)


VERDICT = Verdict(
    action="hold",
    reason="x",
    rates=(rate("annotator", "zoe"), rate("annotator", "bob"), rate("vendor", HOSTILE)),
    acceptance=(
        AcceptanceDecision(
            delivery=HOSTILE, vendor="v", outcome="reject", by="single", audited=1, needed=0, defects=1, reason=HOSTILE
        ),
    ),
    incidents=(
        Incident(id=HOSTILE, state="open", severity="critical", opened="r", since="r", streams=(), annotators=("zoe",)),
    ),
    explained=(Explained(metric="issue", vendor=HOSTILE, cause="mix", release="r", text=HOSTILE),),
    watched=(
        WatchState(
            metric="issue",
            vendor=HOSTILE,
            state="watching",
            baseline_rate=0.1,
            overdispersion=1,
            score=0,
            threshold=1,
            detectable_rate=None,
        ),
    ),
)


def drawn(verdict: Verdict, view: str) -> str:
    report = SimpleNamespace(verdict=verdict, view=view)
    words = {"rate_of": rate_of, "cause_in_words": cause_in_words}
    return "".join(render(REPORT / name, report=report, **words) for name in ("quality.html", "watched.html"))


def test_the_customer_sees_annotators_by_their_given_names_or_not_at_all(make_contract, folder_store, monkeypatch):
    monkeypatch.setattr(annotator_names, "renamer", lambda *_: {"zoe": "A1", "bob": None}.get)
    seen = customer_view.seeing(make_contract(), folder_store, "customer")(VERDICT)
    for text in (drawn(seen, "customer"), seen.model_dump_json()):
        assert "zoe" not in text
        assert "bob" not in text
        assert "A1" in text


def test_the_internal_view_names_who_carries_an_incident():
    assert "<td>zoe</td>" in drawn(VERDICT, "internal")


def test_hostile_texts_are_escaped_and_an_unseeing_stream_says_so():
    text = drawn(VERDICT, "internal")
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "none: too few units" in text


def test_without_an_audit_the_report_says_so():
    assert "No human audited this release" in drawn(VERDICT.model_copy(update={"rates": ()}), "customer")


def test_every_rate_that_can_be_watched_has_words():
    """A customer reads no `annotation_error`."""
    terms = Regressions()
    words = [rate_of(metric) for metric in terms.metrics]
    assert len(set(words)) == len(words)
    assert not [word for word in words if "_" in word or word in terms.metrics]
    assert [cause_in_words(cause) for cause in ("mix", "guideline", "detector")] == [
        "another mix of classes",
        "another version of the guideline",
        "another detector",
    ]


def test_pages_and_alerts_call_a_rate_by_the_same_words(make_contract):
    numbers = {"before_x": 1, "before_n": 10, "before_low": 0, "before_high": 0.4, "x": 5, "n": 10}
    stream = StreamChange(metric="annotation_error", vendor="v", low=0.2, high=0.8, score=9, threshold=5, **numbers)
    named = {"state": "open", "severity": "critical", "vendor": "v", "opened": "r", "since": "r"}
    incident = Incident(id="i0001-v", event="opened", streams=(stream,), **named)
    watched = VERDICT.watched[0].model_copy(update={"metric": "annotation_error"})
    verdict = VERDICT.model_copy(update={"incidents": (incident,), "watched": (watched,)})
    held = SimpleNamespace(release="r0001-0")
    told = messages.incident(make_contract(), held, verdict, incident, None)
    for text in (drawn(verdict, "customer"), told.text, told.subject):
        assert "wrong labels by single annotators" in text
        assert "annotation_error" not in text


def test_the_page_shows_us_which_alerts_are_not_sent_any_more(folder_store, make_contract):
    contract = make_contract()
    hook = AlertRoute(via="webhook", connection="hook")
    told = messages.failure("acme", "pets", "audit", "no")
    outbox.post(folder_store, "acme", "pets", [told], [hook], 1.0)
    outbox.close_left(folder_store, "acme", "pets", [], 2.0)

    def shown(internal: bool) -> str:
        opened = lambda contract: steps.open_destination(contract, folder_store)  # noqa: E731
        state = dataset_state(contract, folder_store, opened, internal=internal)
        template = environment(TEMPLATES).get_template("dataset.html")
        return template.render(top="", charts=charts, title=title, dataset=state)

    assert "its route has left the contract" in shown(internal=True)
    assert "its route has left" not in shown(internal=False)


def test_the_page_shows_what_the_last_judged_release_left_open(folder_store, make_contract, put):
    contract = make_contract()
    put(folder_store, contract, GOOD)
    audit(contract, folder_store)
    assert folder_store.exists(layout.open_incidents("acme", "pets")), "a run writes it"

    def shown() -> list[str]:
        state = dataset_state(
            contract, folder_store, lambda contract: steps.open_destination(contract, folder_store), False
        )
        assert state.problem == ""
        return [incident.id for incident in state.incidents]

    assert shown() == []
    terms = {"severity": "warning", "opened": "r0002-0", "since": "r0001-0", "streams": ()}
    found = [Incident(id=name, state=name, **terms) for name in ("open", "closed")]
    past.write_open(contract, found, folder_store)
    assert shown() == ["open"]
