"""No annotator's name reaches a customer: not in a published byte, not in an alert of a route of theirs.

Every object below the destination is searched, whatever it is called: a new file is searched by itself.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import audit, few_streams
from receivers import http_receiver, smtp_receiver

from labelaudit.detect.findings_file import read_findings
from labelaudit.publish import annotator_names, customer_view
from labelaudit.report.content import report_content
from labelaudit.run import steps
from labelaudit.storage import layout
from labelaudit.values.deliveries import Refusal
from labelaudit.values.findings import OverlapFinding
from labelaudit.values.verdicts import Answer
from tests.alerts.test_alerts import HOOK, MAIL, OF, PAGER, SLACK, alerts, connect  # noqa: F401 - fixtures
from tests.detect.test_findings import CLASSES, as_csv

pytestmark = pytest.mark.runs

NAMED = ("annabel-lee-7x", "<i>quentin</i>", "zoë o'hara")
"""Found wherever they stand; of the second also what escaping leaves."""
AWKWARD = ("3", "an", "alder")
"""A number, a part of a class and of words, and a vendor's name: as text they are everywhere."""
SOUGHT = ("annabel", "quentin", "o'hara", "o&#39;hara", "zoë", "zo\\u00eb")
CHECKS = [
    {
        "type": "expect_column_values_to_not_be_in_set",
        "kwargs": {"column": "annotator", "value_set": [*NAMED, *AWKWARD]},
        "severity": "info",
    },
    {
        "type": "expect_column_distinct_values_to_be_in_set",
        "kwargs": {"column": "annotator", "value_set": ["nobody"]},
        "severity": "info",
    },
    {"type": "expect_column_values_to_not_match_regex", "kwargs": {"column": "annotator", "regex": "^ban"}},
    {
        "type": "expect_column_values_to_not_match_regex",
        "kwargs": {"column": "seconds", "regex": "[a-z]"},
        "severity": "critical",
    },
]
TERMS: dict[str, Any] = {
    "classes": CLASSES,
    "columns": {"item": {}, "annotator": {}, "label": {}, "seconds": {"nullable": True}},
    "vendors": {"alder": {"format": "csv"}, "birch": {"format": "csv"}},
    "checks": CHECKS,
    "limits": {"annotator_quality": 0.9, "issue_rate": 0.001},
    "regressions": {"learning_releases": 2, "learning_units": 50},
    "on_breach": "alert",
}
NOTE = "published all the same, for annabel-lee-7x is ill"


def delivery(items: int, skills: dict[str, float], seed: int, prefix: str, banned: int = 2) -> str:
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(items):
        true = int(rng.integers(3))
        for who, skill in skills.items():
            said = true if rng.random() < skill else (true + 1) % 3
            rows.append((f"{prefix}{number:03d}", who, CLASSES[said], "1.5"))
    rows += [(f"{prefix}b{number}", "banned annabel", CLASSES[0], "2") for number in range(banned)]
    return as_csv(rows, ("item", "annotator", "label", "seconds"))


@pytest.fixture(scope="module")
def made_with(tmp_path_factory):
    """Two releases by careless annotators, and a delivery that is rejected for what an annotator's cell holds, with
    names as a contract says: gives (contract, store, destination, outcome)."""
    import yaml
    from conftest import TERMS as USUAL

    from labelaudit.contracts.reading import read_contract
    from labelaudit.receive import delivering
    from labelaudit.storage.opening import open_store

    kept: dict[str, tuple] = {}

    def made(shown: str) -> tuple:
        if shown in kept:
            return kept[shown]
        home = tmp_path_factory.mktemp("view")
        path = home / "acme" / "pets.yaml"
        path.parent.mkdir()
        path.write_text(yaml.safe_dump({**USUAL, **TERMS, "annotators": shown}, allow_unicode=True), encoding="utf-8")
        contract, store = read_contract(path), open_store(f"file://{home / 'store'}")

        def put(vendor: str, name: str, content: str) -> None:
            file = home / name / "labels.csv"
            file.parent.mkdir()
            file.write_text(content, encoding="utf-8")
            delivering.deliver(store, "acme", "pets", vendor, name, [file])

        good = dict.fromkeys((*NAMED, *AWKWARD), 0.95)
        put("alder", "d1", delivery(120, good, 1, "i"))
        audit(contract, store, "one")
        put("alder", "d2", delivery(240, good | {NAMED[0]: 0.4, AWKWARD[0]: 0.4, NAMED[1]: 0.4}, 2, "x"))
        put("birch", "d3", "item,annotator,label,seconds\ni1,bob,ant,annabel-lee-7x\n")
        outcome = audit(contract, store, "two", hold=True, publish_held=NOTE)
        kept[shown] = contract, store, steps.open_destination(contract, store), outcome
        return kept[shown]

    with few_streams():
        yield made


def published(destination) -> dict[str, str]:
    """Everything that the customer gets, as text: what a Parquet file holds, its statistics, all other bytes."""
    found = {}
    for key in destination.list(""):
        if key.endswith(".parquet"):
            with destination.local(key) as path, pq.ParquetFile(path) as file:
                groups = [file.metadata.row_group(number).to_dict() for number in range(file.num_row_groups)]
                found[key] = f"{file.read().to_pydict()} {file.metadata.metadata} {groups}"
        else:
            found[key] = destination.read(key).decode()
    return found


def named_in(text: str) -> list[str]:
    return [name for name in SOUGHT if name in text.lower()]


@pytest.mark.parametrize("shown", ["hashed", "omitted"])
def test_no_published_byte_names_an_annotator(made_with, shown):
    _, store, destination, outcome = made_with(shown)
    annotators = read_findings(store, outcome.audit).annotators
    assert any(annotator.changed for annotator in annotators), "a drift is told of"
    texts = published(destination)
    folder = layout.release(outcome.release.release)
    assert {"report.html", "report.json", "issues.csv", "manifest.json"} <= {
        key.removeprefix(folder) for key in texts if key.startswith(folder)
    }
    assert any("_delta_log" in key for key in texts)
    assert sum(key.endswith(".parquet") for key in texts) >= 3
    assert {key: named_in(text) for key, text in texts.items() if named_in(text)} == {}
    internal = store.read(layout.internal_report("acme", "pets", outcome.release.release)).decode()
    assert {"annabel", "quentin"} <= set(named_in(internal)), "what is searched for can be found"
    assert NOTE in internal


def test_with_plain_names_the_customer_sees_them(made_with):
    _, _, destination, outcome = made_with("plain")
    texts = published(destination)
    assert "annabel" in named_in(texts[layout.release(outcome.release.release) + "report.html"])
    assert any("annabel" in named_in(text) for key, text in texts.items() if key.startswith("annotations/"))


def leaves(value: Any, at: str = "") -> Counter:
    """(path without places, value) of every leaf, counted."""
    if isinstance(value, dict):
        return sum((leaves(part, f"{at}/{name}") for name, part in value.items()), Counter())
    if isinstance(value, list):
        return sum((leaves(part, at) for part in value), Counter())
    return Counter([(at, value)])


@pytest.mark.parametrize("shown", ["hashed", "omitted"])
def test_no_number_and_no_other_text_is_altered(made_with, shown):
    """An annotator called "3" turned 0.531 into 0.59f2c…1: fields are given anew, text is never replaced."""
    contract, store, destination, outcome = made_with(shown)
    findings = read_findings(store, outcome.audit)
    seen = json.loads(destination.read(layout.release(outcome.release.release) + "report.json"))
    plain = report_content(contract, outcome.audit, outcome.verdict, findings, {}, "internal")
    plain = plain.model_dump(mode="json")
    for changing in ("trend", "vendor_trends", "before", "difference", "view"):
        seen.pop(changing), plain.pop(changing)
    gone, new = leaves(plain) - leaves(seen), leaves(seen) - leaves(plain)
    rename = annotator_names.renamer(contract, store)
    hashes = {rename(annotator.name) for annotator in findings.annotators} - {None}
    assert {(at, value) for at, value in new if not isinstance(value, str)} == set()
    allowed = (*hashes, customer_view.SOMEONE, customer_view.WITHHELD, "")
    sentences = ("/verdict/breaches/message", "/verdict/reason", "/deliveries/reason")
    assert {(at, value) for at, value in new if value not in allowed and at not in sentences} == set()
    if shown == "hashed":
        numbers = {(at, value) for at, value in gone if isinstance(value, int | float) and not isinstance(value, bool)}
        assert numbers == set()
        assert {f"annotator {rename('3')}: quality", f"annotator {rename(NAMED[0])}: quality"} <= {
            breach["message"].split(" 0.")[0] for breach in seen["verdict"]["breaches"]
        }
    by_name = {
        breach.subject: breach for breach in outcome.verdict.breaches if breach.clause == "limits.annotator_quality"
    }
    for breach in seen["verdict"]["breaches"]:
        if breach["clause"] == "limits.annotator_quality":
            same = [was for was in by_name.values() if was.observed == breach["observed"]]
            assert breach["message"].split(": ", 1)[1] == same[0].message.split(": ", 1)[1]
    assert by_name.keys() >= {"3", *NAMED[:2]}


@pytest.mark.airflow
@pytest.mark.parametrize("shown", ["hashed", "omitted", "plain"])
def test_no_alert_of_a_customers_route_names_an_annotator_and_ours_do(
    alerts,  # noqa: F811
    connect,  # noqa: F811
    made_with,
    folder_store,
    monkeypatch,
    shown,
):
    contract, store, _, outcome = made_with(shown)
    monkeypatch.setenv("LABELAUDIT_STORE", folder_store.uri)
    events = ("incident", "breach", "rejection", "failure", "digest")
    theirs = [route.model_copy(update={"on": events, "severity": "info"}) for route in (HOOK, SLACK, MAIL, PAGER)]
    contract = contract.model_copy(update={"alerts": tuple(theirs)})
    ours = HOOK.model_copy(update={"connection": "ours", "on": events})
    monkeypatch.setenv("LABELAUDIT_ALERTS", json.dumps([ours.model_dump(mode="json")]))
    with http_receiver() as (port, bodies), http_receiver() as (our_port, our_bodies), smtp_receiver() as (at, mails):
        for name, there in (("hook", port), ("ours", our_port)):
            connect(name, conn_type="http", host="127.0.0.1", port=there, schema="http")
        connect("pager", conn_type="http", host="127.0.0.1", port=port, schema="http", password="k")
        connect("slack", conn_type="slackwebhook", password=f"http://127.0.0.1:{port}/services/T/B/s")
        extra = {"disable_ssl": True, "disable_tls": True, "from_email": "audit@example.org", "retry_limit": 0}
        connect("mail", conn_type="smtp", host="127.0.0.1", port=at, extra=extra)
        for view, routes in alerts.runtime.alert_routes(contract).items():
            held = outcome.verdict.model_copy(update={"action": "hold", "answer": None})
            told = alerts.of_run(
                contract, store, view, outcome.audit.checked, outcome.audit, outcome.verdict, outcome.release
            )
            told += alerts.of_question(contract, store, view, outcome.audit, held, "http://airflow")
            assert alerts.tell(folder_store, *OF, told, routes, {}, view) == []
        from tests.alerts.test_alerts import failed

        alerts.on_failure(contract, "audit")(failed(0, 1, error="row 7: annabel-lee-7x is twice"))
        sent = [json.dumps(body, ensure_ascii=False) for body in bodies]
        sent += [mail.content.decode("utf-8", "replace") for mail in mails]
        ours_sent = [json.dumps(body, ensure_ascii=False) for body in our_bodies]
    assert len(bodies) > len(our_bodies)
    assert {"breach", "rejection", "failure", "digest"} <= {body["event"] for body in our_bodies}
    named = {name for text in sent for name in named_in(text)}
    assert named == ({"annabel", "quentin"} if shown == "plain" else set())
    for event in ("breach", "rejection", "failure"):
        assert any("annabel" in named_in(text) for text in ours_sent if f'"event": "{event}"' in text), event


def test_what_holds_a_name_in_a_finding_is_seen_by_field(made_with):
    contract, store, *_ = made_with("hashed")
    rename = annotator_names.renamer(contract, store)
    see = customer_view.seeing(contract, store, "customer")
    terms = {"one": "3", "other": "an", "x": 3, "n": 9, "low": 0.3, "high": 0.33, "direction": "both", "says": "3"}
    terms |= {"source_x": 3, "source_n": 3, "expected": 0.3, "read_differently": True, "source": "3"}
    found = OverlapFinding(**terms, source_kind="annotator")
    assert see(found) == found.model_copy(update={"source": rename("3")})
    of_vendor = OverlapFinding(**terms, source_kind="vendor")
    assert see(of_vendor) == of_vendor
    assert see(Refusal(code="critical_check", message="e.g. zoë")).message == "A check that must hold failed."


@pytest.mark.parametrize(
    ("note", "kept"),
    [
        ("the 3rd is fine, 0.3 too", True),
        ("3.1 % is fine", True),
        ("ask an expert", False),
        ("ALDER did it", False),
        ("it was 3.", False),
        ("", True),
    ],
)
def test_a_persons_note_is_withheld_where_it_names_an_annotator(made_with, note, kept):
    """As a whole word: who wrote it meant it for the customer, but not the name. Nothing in it is replaced."""
    contract, store, _, outcome = made_with("hashed")
    see = customer_view.seeing(contract, store, "customer", read_findings(store, outcome.audit))
    said = Answer(chosen="approve", by="ada", at="2026-11-25T06:00:00+00:00", note=note, digest="d")
    assert see(said) == (said if kept else said.model_copy(update={"note": customer_view.WITHHELD}))
