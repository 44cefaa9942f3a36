"""The detectors of a run: each is a row of one table, of which findings, counts, reports, files and lines are made."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
from conftest import audit

from labelaudit.contracts.quality import Regressions
from labelaudit.detect import run_detectors
from labelaudit.detect.findings_file import read_findings
from labelaudit.detect.run_detectors import RUN_DETECTORS, looking
from labelaudit.detect.run_detectors.entry import Metric, RunDetector
from labelaudit.judge import stream_words
from labelaudit.judge.incidents import review
from labelaudit.judge.past import read_counts, read_judged
from labelaudit.report.release import TEMPLATES
from labelaudit.run import steps
from labelaudit.storage import layout
from labelaudit.values.counted import Judged
from labelaudit.values.findings import AnnotatorFinding, Findings
from labelaudit.values.releases import Count
from labelaudit.values.value import Value
from tests.detect.test_findings import as_csv, digits_rows, table_of

pytestmark = pytest.mark.runs

DIGITS = {
    "classes": [str(number) for number in range(10)],
    "columns": {"item": {}, "annotator": {}, "label": {}, "pixels": {"type": "vector", "length": 64}},
    "predictions": {"source": "pixels", "column": "pixels", "shape": [8, 8], "maximum": 16},
}


class SmallFinding(Value):
    """The first item's name, and the people of the run."""

    item: str
    people: tuple[AnnotatorFinding, ...]


def _look(work) -> SmallFinding:
    terms = {"vendors": "alder", "annotations": 1, "judged": 1, "quality": 0.5, "low": 0.4, "high": 0.6}
    people = tuple(AnnotatorFinding(name=str(name), **terms) for name in work.detection.annotators)
    return SmallFinding(item=str(work.detection.items[0]), people=people)


def _dogs(work):
    return (work.rows["label"] == "dog").to_numpy(), np.ones(len(work.rows), bool)


DOGS = Metric(name="dogs", words="dogs among the labels", labels=_dogs, watched=True)
SMALL = RunDetector(
    name="small",
    title="Small",
    model=SmallFinding,
    look=_look,
    template="small.html",
    metrics=(DOGS,),
    columns=lambda contract: ["note"] if "note" in contract.columns else [],
    lines=lambda found: [f"small: {found.item}"],
    file="small.csv",
    rows=lambda found: (("item",), [(found.item,)]),
)


@pytest.fixture
def small(monkeypatch, tmp_path):
    """One detector more than there are, with a template of its own."""
    from labelaudit.rendering import markup
    from labelaudit.report import release

    templates = tmp_path / "templates"
    templates.mkdir()
    for path in TEMPLATES.iterdir():
        (templates / path.name).write_text(path.read_text("utf-8"), encoding="utf-8")
    section = "<section><h2>Small</h2>{{ found.item }} {{ found.people | map(attribute='name') | join(',') }}</section>"
    (templates / "small.html").write_text(section, encoding="utf-8")
    monkeypatch.setattr(release, "TEMPLATES", templates)
    for module in (run_detectors, looking):
        monkeypatch.setattr(module, "RUN_DETECTORS", (*RUN_DETECTORS, SMALL))
    stream_words.words_of_detectors.cache_clear()
    yield SMALL
    stream_words.words_of_detectors.cache_clear()
    markup.environment.cache_clear()


def test_every_detector_has_a_name_a_template_and_words_of_its_own():
    names = [detector.name for detector in RUN_DETECTORS]
    assert len(set(names)) == len(names)
    for detector in RUN_DETECTORS:
        assert not detector.template or (TEMPLATES / detector.template).is_file()
        assert not detector.file or detector.file.endswith(".csv")
    words = [metric.words for metric in looking.metrics()]
    assert len(set(words)) == len(words)


def test_an_entry_is_all_that_findings_counts_report_file_and_customer_need(small, folder_store, make_contract, put):
    """And its annotators reach the customer as the contract says, though no other module knows what it found."""
    contract = make_contract(columns={"item": {}, "annotator": {}, "label": {}, "note": {}})
    rows = [(f"i{n}", who, "dog" if n % 3 else "cat", "x") for n in range(12) for who in ("annabel", "bob", "cyd")]
    put(folder_store, contract, as_csv(rows, ("item", "annotator", "label", "note")))
    outcome = audit(contract, folder_store)
    destination = steps.open_destination(contract, folder_store)
    folder = layout.release(outcome.release.release)
    internal = read_findings(folder_store, outcome.audit).further["small"]
    assert internal["item"] == "i0"
    assert [person["name"] for person in internal["people"]] == ["annabel", "bob", "cyd"]
    published = json.loads(destination.read(folder + "report.json"))["further"]["small"]
    assert published["item"] == "i0"
    assert len({person["name"] for person in published["people"]} - {"annabel", "bob", "cyd"}) == 3
    page = destination.read(folder + "report.html").decode()
    assert "<h2>Small</h2>i0" in page
    assert "annabel" not in page
    assert list(csv.reader(io.StringIO(destination.read(folder + "small.csv").decode("utf-8-sig")))) == [
        ["item"],
        ["i0"],
    ]
    counts = read_counts(destination)[outcome.release.release]
    assert {(count.vendor, count.x, count.n) for count in counts if count.metric == "dogs"} == {
        ("", 24, 36),
        ("alder", 24, 36),
    }
    (judged,) = read_judged(contract, folder_store, destination)
    assert {(count.vendor, count.x, count.n) for count in judged.counts if count.metric == "dogs"} == {
        ("", 24, 36),
        ("alder", 24, 36),
    }


def test_the_parts_of_deliveries_add_up_to_what_a_metric_counts(small, folder_store, make_contract, put):
    contract = make_contract()
    for place, vendor in enumerate(("alder", "birch")):
        rows = [(f"i{place}{n}", who, "dog" if n % 3 else "cat") for n in range(12) for who in ("ann", "bob")]
        if vendor == "birch":
            lines = [json.dumps(dict(zip(("item", "annotator", "label"), row, strict=True))) for row in rows]
            put(folder_store, contract, "\n".join(lines), vendor, "d2", "labels.jsonl")
        else:
            put(folder_store, contract, as_csv(rows), vendor)
    outcome = audit(contract, folder_store)
    shares = json.loads(folder_store.read(outcome.audit.shares))["shares"]
    parts = [
        count for share in shares for count in share["counts"] if count["metric"] == "dogs" and not count["vendor"]
    ]
    (whole,) = (count for count in outcome.audit.counts if count.metric == "dogs" and not count.vendor)
    assert len(parts) == 2
    assert (sum(part["x"] for part in parts), sum(part["n"] for part in parts)) == (whole.x, whole.n) == (32, 48)


def test_a_watched_count_opens_an_incident_in_its_own_words(small):
    """A count that is not watched opens none, however it rises."""

    def release(at: int, dogs: int) -> Judged:
        counts = tuple(Count(metric=name, x=dogs, n=100) for name in ("dogs", "unwatched"))
        return Judged(release=f"r{at:04d}", sequence=at, accepted=True, counts=counts)

    history = [release(at, 5 if at < 20 else 40) for at in range(24)]
    (incident,) = review(Regressions(), history).incidents
    assert {stream.metric for stream in incident.streams} == {"dogs"}
    assert stream_words.rate_of("dogs") == "dogs among the labels"


def test_what_a_further_detector_says_renames_no_release(folder_store, make_contract, put, request):
    """The digest binds deliveries and labels; a new detector must not make another release of the same."""
    contract = make_contract()
    put(folder_store, contract, as_csv([(f"i{n}", who, "dog") for n in range(9) for who in ("ann", "bob")]))
    before = audit(contract, folder_store, "one", hold=True).audit
    request.getfixturevalue("small")
    after = audit(contract, folder_store, "two", hold=True).audit
    assert read_findings(folder_store, before).further == {}
    assert read_findings(folder_store, after).further["small"]["item"] == "i0"
    assert after.release == before.release


def test_findings_of_nothing_further_are_written_as_before():
    """Files of releases from before the table of detectors are read, and say the same bytes again."""
    dataset = {"looked_for_copies": False, "copies": [], "copied_items": 0, "conflicting_items": 0, "outliers": []}
    dataset |= {"outlier_items": 0, "overlaps": [], "slices": [], "second_opinions": 0}
    said = {"method": "m", "predictions_note": "", "new_items": 1, "judged_again": 0, "removed_items": 0}
    said |= {name: [] for name in ("classes", "pairs", "vendors", "annotators", "worst", "not_checked")}
    said |= {"replaced_annotations": 0, "context_items": 0, "canary_recall": None, "canary_precision": None}
    said |= {"dataset": dataset, "agreement": None}
    findings = Findings.model_validate_json(json.dumps(said))
    assert json.loads(findings.model_dump_json()) == said
    more = findings.model_copy(update={"further": {"small": {"item": "i0"}}})
    assert Findings.model_validate_json(more.model_dump_json()) == more


def test_a_run_says_what_to_label_next(folder_store, make_contract, put):
    """Of the labels that do not stand, by value; in the report, beside it, and in a line of the command's."""
    contract = make_contract(**DIGITS)
    rows, _ = digits_rows({"ann": 0.85})
    put(folder_store, contract, as_csv(rows, ("item", "annotator", "label", "pixels")))
    outcome = audit(contract, folder_store)
    destination = steps.open_destination(contract, folder_store)
    folder = layout.release(outcome.release.release)
    findings = read_findings(folder_store, outcome.audit)
    ((_, found),) = looking.read(findings.further)
    wrong = {row["item"] for row in table_of(destination.read(folder + "issues.csv"))}
    listed = table_of(destination.read(folder + "next_labels.csv"))
    assert found.pending == len(wrong) > 10
    assert [row["item"] for row in listed] == [item.item for item in found.items]
    assert {row["item"] for row in listed} == wrong
    assert sum(group.pending for group in found.groups) == found.pending
    assert sum(group.share for group in found.groups) == pytest.approx(1, abs=1e-4)
    values = [item.value for item in found.items]
    assert values[0] == max(values) > 0, "the most valuable comes first; then they spread in space"
    page = destination.read(folder + "report.html").decode()
    assert "<h2>What to label next</h2>" in page
    assert looking.lines(findings.further)[0].startswith(f"label next: {len(wrong)} items")
    named = {file["path"] for file in json.loads(destination.read(folder + "manifest.json"))["files"]}
    assert "next_labels.csv" in named


def test_texts_are_told_apart_too_and_without_features_nothing_is_said(folder_store, make_contract, put):
    columns = {"item": {}, "annotator": {}, "label": {}, "text": {}}
    contract = make_contract(columns=columns, predictions={"source": "text", "column": "text"})
    rng = np.random.default_rng(0)
    words = {"cat": ["purrs", "meows", "whiskers"], "dog": ["barks", "fetches", "wags"]}
    rows = []
    for n in range(120):
        true = "cat" if n % 2 else "dog"
        said = true if n >= 12 else "dog" if true == "cat" else "cat"
        rows.append((f"i{n:03d}", "ann", said, f"it {rng.choice(words[true])} and {rng.choice(words[true])} {n}"))
    put(folder_store, contract, as_csv(rows, ("item", "annotator", "label", "text")))
    next_labels = read_findings(folder_store, audit(contract, folder_store).audit).further["next_labels"]
    assert {item["item"] for item in next_labels["items"]} >= {f"i{n:03d}" for n in range(10)}
    plain = make_contract("acme/plain")
    put(folder_store, plain, as_csv([(f"i{n}", who, "dog") for n in range(60) for who in ("ann", "bob")]))
    assert read_findings(folder_store, audit(plain, folder_store).audit).further == {}
