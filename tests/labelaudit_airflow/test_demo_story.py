"""What `make run` says at its end: not only counts, but what happened, who is to blame, and where to look."""

from __future__ import annotations

import io
import json

import pytest
from conftest import GOOD, audit
from rich.console import Console

from labelaudit.judge import past
from labelaudit.run import steps
from labelaudit.storage import layout
from labelaudit.values.verdicts import Incident, StreamChange
from labelaudit_airflow import demo_story

pytestmark = pytest.mark.runs

WRONG = "item,annotator,label\n" + "".join(
    f"j{n},{who},{'dog' if (n % 2 == 1) == (who == 'cyd') else 'cat'}\n"
    for n in range(40)
    for who in ("ann", "bob", "cyd", "dan")
)
WORSE = StreamChange(
    metric="annotation_error",
    vendor="cedar",
    before_x=5,
    before_n=100,
    before_low=0.02,
    before_high=0.1,
    x=40,
    n=100,
    low=0.3,
    high=0.5,
    score=9,
    threshold=4,
)


def told(contract, store, width: int = 80) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width)
    demo_story.tell(contract, store, steps.open_destination(contract, store), console)
    return out.getvalue()


def joined(text: str) -> str:
    """Without the terminal's line ends."""
    return " ".join(text.split())


def test_it_says_what_was_rejected_and_why_what_was_held_and_who_is_to_blame(folder_store, make_contract, put):
    contract = make_contract(limits={"annotator_quality": 0.7}, on_breach="hold")
    put(folder_store, contract, GOOD)
    put(folder_store, contract, GOOD.replace(",dog", ",wolf").replace(",cat", ",wolf"), delivery="torn")
    audit(contract, folder_store)
    put(folder_store, contract, WRONG, delivery="wrong")
    held = audit(contract, folder_store, "second")
    assert held.status == "held"
    incident = Incident(
        id="i0002-cedar",
        state="open",
        severity="critical",
        vendor="cedar",
        opened="r0002-x",
        since="r0002-x",
        streams=(WORSE,),
        annotators=("cedar-1",),
    )
    past.write_open(contract, [incident], folder_store)
    shown = told(contract, folder_store)
    story = joined(shown)
    assert "rejected alder/torn, 36 rows: " in story
    assert "vendor cedar is to blame since r0002-x (critical)" in story
    assert "wrong labels by single annotators from vendor cedar: 5.0% before, 40.0% since" in story
    assert "cedar-1" in story
    assert f"held {held.audit.release} waits for an answer" in story
    (release,) = demo_story.read_reports(steps.open_destination(contract, folder_store))
    assert f"{layout.release(release.release)}report.html" in shown
    assert "rejection.html" in shown
    assert all(len(line) <= 80 for line in shown.splitlines() if "file://" not in line)
    assert len(told(contract, folder_store, 120).splitlines()) <= len(shown.splitlines())


def test_it_says_which_limits_broke_and_which_labels_are_worst(folder_store, make_contract, put):
    contract = make_contract(limits={"annotator_quality": 0.7})
    put(folder_store, contract, WRONG)
    audit(contract, folder_store)
    story = joined(told(contract, folder_store))
    assert "broken by 1 of 1 releases; published and told: `on_breach: alert`" in story
    assert ": quality 0." in story.split("limits broken")[1]
    assert "held nothing limits" in story


def test_a_report_of_an_older_version_is_told_too(folder_store, make_contract, put):
    """`make run` in a folder that an older Labelaudit left."""
    contract = make_contract()
    put(folder_store, contract, WRONG)
    audit(contract, folder_store)
    destination = steps.open_destination(contract, folder_store)
    (report,) = demo_story.read_reports(destination)
    key = layout.release(report.release) + "report.json"
    older = json.loads(destination.read(key))
    for name in set(older) - set(demo_story.Told.model_fields):
        del older[name]
    older["of_long_ago"] = 1
    destination.write(key, json.dumps(older).encode())
    assert demo_story.read_reports(destination) == [report]


def test_where_nothing_happened_it_says_so(folder_store, make_contract):
    story = joined(told(make_contract(), folder_store))
    assert "rejected nothing incident none is open held nothing limits all kept worst nothing" in story
