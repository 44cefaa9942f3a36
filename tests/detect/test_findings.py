"""What a run says of annotators, vendors and the dataset: in the findings, the report and the lists beside it."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
from conftest import audit
from sklearn.datasets import load_digits
from typer.testing import CliRunner

from labelaudit.cli.app import app
from labelaudit.detect.findings_file import read_findings
from labelaudit.detect.gold import read_gold
from labelaudit.errors import ContractError, LabelauditError
from labelaudit.judge.past import read_counts
from labelaudit.run import steps
from labelaudit.storage import layout, tables

pytestmark = pytest.mark.runs

CLASSES = ["ant", "bee", "cow"]


def crowd(items: int, skills: dict[str, float], seed: int = 3) -> tuple[list[tuple[str, str, str]], dict[str, str]]:
    """(item, annotator, label), every item labelled by all; and the truth."""
    rng = np.random.default_rng(seed)
    truth = {f"i{number:04d}": CLASSES[rng.integers(3)] for number in range(items)}
    rows = []
    for item, true in truth.items():
        for who, skill in skills.items():
            wrong = [name for name in CLASSES if name != true]
            rows.append((item, who, true if rng.random() < skill else wrong[rng.integers(2)]))
    return rows, truth


def as_csv(rows, header=("item", "annotator", "label")) -> str:
    text = io.StringIO()
    csv.writer(text).writerows([header, *rows])
    return text.getvalue()


def table_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


def test_gold_fixes_its_items_and_scores_annotators_and_vendors(folder_store, make_contract, put, tmp_path):
    """Also where a majority is wrong together: two of three annotators read the guideline wrong."""
    contract = make_contract(classes=CLASSES, gold="known.csv")
    rows, truth = crowd(60, {"ann": 1.0, "bob": 1.0, "cyd": 1.0})
    swapped = {"ant": "bee", "bee": "ant", "cow": "cow"}
    rows = [(item, who, label if who == "ann" else swapped[label]) for item, who, label in rows]
    put(folder_store, contract, as_csv(rows))
    with pytest.raises(ContractError, match=r"known\.csv, which is not at .*labelaudit gold FILE --to acme/pets"):
        audit(contract, folder_store)
    known = dict(list(truth.items())[:30])
    file = tmp_path / "truth.csv"
    file.write_text(as_csv(known.items(), ("item", "label")))
    asked = ["gold", str(file), "--to", "acme/pets", "--store", folder_store.uri]
    answer = CliRunner().invoke(app, [*asked, "--contracts", str(tmp_path / "contracts"), "--json"])
    assert json.loads(answer.output)["items"] == 30
    outcome = audit(contract, folder_store)
    published = {
        row["item"]: row["label"]
        for row in tables.read_table(steps.open_destination(contract, folder_store), layout.LABELS).to_pylist()
    }
    assert {item: published[item] for item in known} == known
    assert published == truth, "what gold taught of the annotators holds for the other items too"
    findings = read_findings(folder_store, outcome.audit)
    scored = {annotator.name: (annotator.gold_right, annotator.gold_labels) for annotator in findings.annotators}
    cows = sum(label == "cow" for label in known.values())
    assert scored == {"ann": (30, 30), "bob": (cows, 30), "cyd": (cows, 30)}
    counts = read_counts(steps.open_destination(contract, folder_store))[outcome.release.release]
    gold = {count.vendor: (count.x, count.n) for count in counts if count.metric == "gold"}
    assert gold == {"": (30 + 2 * cows, 90), "alder": (30 + 2 * cows, 90)}


def test_gold_of_items_with_one_annotator_counts_too(folder_store, make_contract, put):
    """Judged by predictions: a gold item is published with its true label, and never planted in."""
    rng = np.random.default_rng(0)
    names = [f"p{label}" for label in CLASSES]
    rows = []
    for number in range(120):
        true = int(rng.integers(3))
        said = (true + 1) % 3 if number < 6 else true
        rows.append((f"i{number:03d}", "ann", CLASSES[said], *np.where(np.arange(3) == true, 0.8, 0.1)))
    contract = make_contract(
        classes=CLASSES,
        gold="g.csv",
        predictions={"source": "delivered", "columns": dict(zip(CLASSES, names, strict=True))},
    )
    put(folder_store, contract, as_csv(rows, ("item", "annotator", "label", *names)))
    # what the customer knows of two items: the first is wrong, and of the last the model itself is wrong
    known = {"i000": CLASSES[int(np.argmax(rows[0][3:]))], "i119": rows[119][2]}
    folder_store.write(layout.gold("acme", "pets", "g.csv"), as_csv(known.items(), ("item", "label")).encode())
    outcome = audit(contract, folder_store)
    found = {
        row["item"]: row
        for row in tables.read_table(steps.open_destination(contract, folder_store), layout.LABELS).to_pylist()
    }
    assert found["i000"]["label"] == known["i000"] != found["i000"]["given_label"]
    assert found["i000"]["is_issue"]
    assert not found["i119"]["is_issue"]
    assert found["i001"]["label"] == found["i001"]["given_label"], "without gold, what was given is kept"
    assert outcome.audit.issues == 6


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("id,label\na,ant\n", r"line 1: the header must be item,label, not \['id', 'label'\]"),
        ("item,label\na,ant\nb,dog\n", "line 3: 'dog' is not one of the contract's classes"),
        ("item,label\na,ant\na,bee\n", "line 3: item 'a' has two labels, 'ant' and 'bee'"),
        ("item,label\na\u00a0,ant\n", r"line 2: 'a.xa0','ant' has U.00A0 .a no-break space. at its end"),
        ("item,label\ncaf\u00e9,ant\ncafe\u0301,ant\n", r"is there in two Unicode forms: it has U.0065 U.0301"),
        ("item,label\na\n", "line 2: 1 fields, not 2"),
        ("", "the header must be item,label, not nothing"),
    ],
)
def test_a_bad_gold_file_is_refused_with_its_lines(folder_store, make_contract, content, said):
    contract = make_contract(classes=CLASSES, gold="g.csv")
    folder_store.write(layout.gold("acme", "pets", "g.csv"), content.encode())
    with pytest.raises(ContractError, match=said):
        read_gold(contract, folder_store)


def test_gold_can_lie_nowhere_else(make_contract):
    with pytest.raises(LabelauditError, match="gold"):
        make_contract(gold="../../keys/acme/annotators")


def test_an_annotator_who_changes_is_named_by_us_and_not_to_the_customer(folder_store, make_contract, put):
    """Good in the first release, careless in the second: said with before and after; no plain name leaves the house."""
    contract = make_contract(classes=CLASSES)
    good = {"ann": 0.97, "bob": 0.97, "cyd": 0.97, "dora-the-careless": 0.97}
    first, _ = crowd(150, good, seed=1)
    put(folder_store, contract, as_csv(first), delivery="d1")
    assert not any(
        annotator.changed for annotator in read_findings(folder_store, audit(contract, folder_store).audit).annotators
    )
    second, _ = crowd(300, good | {"dora-the-careless": 0.5}, seed=2)
    put(folder_store, contract, as_csv([(f"x{item}", who, label) for item, who, label in second]), delivery="d2")
    outcome = audit(contract, folder_store, "second")
    changed = [annotator for annotator in read_findings(folder_store, outcome.audit).annotators if annotator.changed]
    assert [annotator.name for annotator in changed] == ["dora-the-careless"]
    assert changed[0].before > 0.9 > 0.65 > changed[0].after
    assert abs(changed[0].labels_before - 150) <= 20
    folder = layout.release(outcome.release.release)
    destination = steps.open_destination(contract, folder_store)
    report = destination.read(folder + "report.html").decode()
    assert "changed" in report
    for name in ("report.html", "report.json", "issues.csv", "second_opinions.csv"):
        assert b"dora-the-careless" not in destination.read(folder + name), name
    internal = folder_store.read(layout.internal_report("acme", "pets", outcome.release.release))
    assert b"dora-the-careless" in internal


def digits_rows(people: dict[str, float]) -> tuple[list[tuple], np.ndarray]:
    """300 digits in pixels, each labelled by all the people; the last ten are copies of the first ten."""
    images, truth = load_digits(return_X_y=True)
    images, truth = images[:300].copy(), truth[:300].copy()
    images[290:], truth[290:] = images[:10], truth[:10]
    rng = np.random.default_rng(4)
    rows = []
    for number, (image, true) in enumerate(zip(images, truth, strict=True)):
        for who, skill in people.items():
            said = true if rng.random() < skill else (true + 1) % 10
            rows.append((f"d{number:03d}", who, str(said), json.dumps(image.astype(int).tolist())))
    return rows, truth


def test_copies_outliers_and_second_opinions_are_listed(folder_store, make_contract, put):
    """Two copies with other labels than their originals, and a picture that is no digit."""
    rows, _ = digits_rows({"ann": 0.9, "bob": 0.8})
    rows = [(i, who, "7" if i in ("d290", "d291") else label, pixels) for i, who, label, pixels in rows]
    rows.append(("noise", "ann", "1", json.dumps([16, 0] * 32)))
    contract = make_contract(
        classes=[str(number) for number in range(10)],
        columns={"item": {}, "annotator": {}, "label": {}, "pixels": {"type": "vector", "length": 64}},
        predictions={"source": "pixels", "column": "pixels", "shape": [8, 8], "maximum": 16},
    )
    put(folder_store, contract, as_csv(rows, ("item", "annotator", "label", "pixels")))
    outcome = audit(contract, folder_store)
    dataset_findings = read_findings(folder_store, outcome.audit).dataset
    pairs = {group.items: group.conflict for group in dataset_findings.copies}
    assert {(f"d00{n}", f"d29{n}") for n in range(10)} <= set(pairs)
    assert dataset_findings.copied_items >= 20
    assert pairs["d000", "d290"]
    assert "noise" in dataset_findings.outliers
    destination = steps.open_destination(contract, folder_store)
    folder = layout.release(outcome.release.release)
    copies = {row["item"]: row["copy_of"] for row in table_of(destination.read(folder + "copies.csv"))}
    assert copies["d295"] == copies["d005"] == "d005"
    assert "noise" in {row["item"] for row in table_of(destination.read(folder + "outliers.csv"))}
    asked = table_of(destination.read(folder + "second_opinions.csv"))
    gains = [float(row["expected_gain"]) for row in asked]
    assert gains == sorted(gains, reverse=True)
    assert gains[0] > 0.1
    assert set(tables.read_table(destination, layout.LABELS).column_names).isdisjoint({"_copy_of", "_is_outlier"})
    named = {file["path"] for file in json.loads(destination.read(folder + "manifest.json"))["files"]}
    assert {"copies.csv", "outliers.csv", "second_opinions.csv"} <= named


def test_a_vendor_that_is_worse_on_equal_items_is_told(folder_store, make_contract, put):
    contract = make_contract(classes=CLASSES)
    rows, _ = crowd(300, {"ann": 0.95, "bob": 0.95, "cyd": 0.95, "dan": 0.6, "eve": 0.6})
    put(folder_store, contract, as_csv([row for row in rows if row[1] in ("ann", "bob", "cyd")]), delivery="d1")
    lines = [json.dumps(dict(zip(("item", "annotator", "label"), row, strict=True))) for row in rows if row[1] > "d"]
    put(folder_store, contract, "\n".join(lines), vendor="birch", delivery="d2", name="labels.jsonl")
    outcome = audit(contract, folder_store)
    findings = read_findings(folder_store, outcome.audit)
    vendors = {vendor.vendor: vendor for vendor in findings.vendors}
    assert vendors["birch"].differs == "worse"
    assert vendors["birch"].fair_high < vendors["alder"].fair_low
    assert findings.agreement.items == 300
    low, high = findings.agreement.alpha[1:]
    assert low < findings.agreement.alpha[0] == outcome.audit.alpha < high


def test_a_guideline_read_in_two_ways_names_the_source_by_its_hash_only(folder_store, make_contract, put):
    """One of four annotators calls torn items "ant" that the others call "bee"; the model leans either way."""
    rng = np.random.default_rng(8)
    names = [f"p{label}" for label in CLASSES]
    rows = []
    for number in range(1600):
        torn = number % 4 == 0
        lean = rng.uniform(0.1, 0.9) if torn else float(rng.choice([0.1, 0.9]))
        who = ["ann", "bob", "cyd", "dan-the-other"][rng.integers(4)]
        says = ("ant" if who == "dan-the-other" else "bee") if torn else ("ant" if lean > 0.5 else "bee")
        rows.append((f"i{number:04d}", who, says, 0.97 * lean, 0.97 * (1 - lean), 0.03))
    contract = make_contract(
        classes=CLASSES, predictions={"source": "delivered", "columns": dict(zip(CLASSES, names, strict=True))}
    )
    put(folder_store, contract, as_csv(rows, ("item", "annotator", "label", *names)))
    outcome = audit(contract, folder_store)
    overlap = read_findings(folder_store, outcome.audit).dataset.overlaps[0]
    assert {overlap.one, overlap.other} == {"ant", "bee"}
    assert overlap.read_differently
    assert (overlap.source, overlap.says) == ("dan-the-other", "ant")
    destination = steps.open_destination(contract, folder_store)
    report = destination.read(layout.release(outcome.release.release) + "report.html")
    assert b"differently" in report
    assert b"dan-the-other" not in report


def test_where_the_model_is_weak_is_said_in_the_columns_words(folder_store, make_contract, put):
    """Beyond age 60 the labels follow nothing that the columns show; a few ages are missing."""
    rng = np.random.default_rng(5)
    rows = []
    for number in range(800):
        age, size = rng.uniform(20, 80), rng.normal()
        label = "cat" if (size > 0 if age < 60 else rng.random() < 0.5) else "dog"
        rows.append((f"i{number:03d}", label, "" if number % 50 == 0 else round(age, 2), round(size, 3)))
    number = {"type": "number", "nullable": True}
    contract = make_contract(
        columns={"item": {}, "label": {}, "age": number, "size": number},
        predictions={"source": "tabular", "columns": ["age", "size"]},
    )
    put(folder_store, contract, as_csv(rows, ("item", "label", "age", "size")))
    outcome = audit(contract, folder_store)
    dataset_findings = read_findings(folder_store, outcome.audit).dataset
    assert dataset_findings.slices
    weakest = dataset_findings.slices[0]
    assert "age" in weakest.rule
    assert weakest.low > weakest.rest_rate
    assert weakest.errors_share > 2 * weakest.items_share
    destination = steps.open_destination(contract, folder_store)
    report = destination.read(layout.release(outcome.release.release) + "report.html").decode()
    assert "Where the model is weak" in report


def test_hostile_texts_of_copies_and_slices_take_no_effect(folder_store, make_contract, put):
    """Item names that are HTML or formulas, in the report's section on the dataset and in the lists beside it."""
    rng = np.random.default_rng(9)
    words = ["<script>alert(1)</script>", "apple", "river", "stone", "cloud", "music", "engine", "copper", "window"]
    rows = []
    for number in range(80):
        text = " ".join(words[int(place)] for place in rng.integers(0, len(words), 12)) + f" number {number % 76}"
        name = f"=cmd|{number}" if number % 2 else f"<img src=x onerror=alert({number})>"
        rows.append([name, "ann", CLASSES[number % 2], text])
    for copy, first in ((76, 0), (77, 1), (78, 2), (79, 3)):
        rows[copy][3], rows[copy][2] = rows[first][3], CLASSES[(first + 1) % 2]
    contract = make_contract(
        classes=CLASSES,
        columns={"item": {}, "annotator": {}, "label": {}, "text": {}},
        predictions={"source": "text", "column": "text"},
    )
    put(folder_store, contract, as_csv(rows, ("item", "annotator", "label", "text")))
    outcome = audit(contract, folder_store)
    destination = steps.open_destination(contract, folder_store)
    folder = layout.release(outcome.release.release)
    report = destination.read(folder + "report.html").decode()
    assert "Copies</h3>" in report
    assert "<img src=x" not in report
    assert "<script>alert" not in report
    copies = table_of(destination.read(folder + "copies.csv"))
    assert len(copies) >= 8
    assert not any(cell.startswith("=") for row in copies for cell in row.values())
