"""Measured rates, acceptance and incidents in the report: escaped, and without names that the customer may not see."""

from __future__ import annotations

from types import SimpleNamespace

from conftest import GOOD, audit

from labelaudit import annotator_names, customer_view, judged, layout, steps
from labelaudit.page.state import dataset_state
from labelaudit.report.pages import render
from labelaudit.verdicts import AcceptanceDecision, DefectRate, Explained, Incident, Verdict, WatchState

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
    return render("quality.html", report=SimpleNamespace(verdict=verdict, view=view))


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


def test_the_page_shows_what_the_last_judged_release_left_open(folder_store, make_contract, put):
    contract = make_contract()
    put(folder_store, contract, GOOD)
    audit(contract, folder_store)
    assert folder_store.exists(layout.open_incidents("acme", "pets")), "a run writes it"

    def shown() -> list[str]:
        state = dataset_state(contract, folder_store, lambda one: steps.open_destination(one, folder_store), False)
        assert state.problem == ""
        return [one.id for one in state.incidents]

    assert shown() == []
    terms = {"severity": "warning", "opened": "r0002-0", "since": "r0001-0", "streams": ()}
    found = [Incident(id=name, state=name, **terms) for name in ("open", "closed")]
    judged.write_open(contract, found, folder_store)
    assert shown() == ["open"]
