"""Items with a list of classes: each class is a part, found, counted and published by itself."""

from __future__ import annotations

import json

import pytest
from conftest import audit

from labelaudit.errors import ContractError
from labelaudit.judge.incidents import reviews
from labelaudit.propose.proposal import contract_from
from labelaudit.publish.verifying import verify
from labelaudit.run import steps
from labelaudit.storage import layout, tables
from labelaudit.values.counted import Judged

pytestmark = pytest.mark.runs

CLASSES = ["cat", "dog", "fish"]
TERMS = {
    "task": "multi_label",
    "classes": CLASSES,
    "vendors": {
        "alder": {"format": "csv", "labels": {"separator": "|", "none": "-"}},
        "birch": {"format": "csv", "labels": {"one_hot": {name: f"is_{name}" for name in CLASSES}}},
    },
    "predictions": {"source": "none"},
}
TRUE = {f"i{n:02}": [name for bit, name in enumerate(CLASSES) if n % 8 >> bit & 1] for n in range(40)}


def labelled(missed: str = "", added: str = "") -> dict[tuple[str, str], list[str]]:
    """Three annotators: right, but for one class that two of them left out, and one that cyd alone added."""
    return {
        (item, who): [
            name
            for name in CLASSES
            if (name in names and not (item == missed and name == "cat" and who != "cyd"))
            or (item == added and name == "fish" and who == "cyd")
        ]
        for item, names in TRUE.items()
        for who in ("ann", "bob", "cyd")
    }


def separated(labels) -> str:
    rows = [f"{item},{who},{' | '.join(names) or '-'}" for (item, who), names in labels.items()]
    return "\n".join(["item,annotator,label", *rows]) + "\n"


def one_hot(labels, yes: str = "1", no: str = "0") -> str:
    rows = [
        ",".join([item, who, *(yes if name in names else no for name in CLASSES)])
        for (item, who), names in labels.items()
    ]
    return "\n".join(["item,annotator," + ",".join(f"is_{name}" for name in CLASSES), *rows]) + "\n"


def table(contract, store, name):
    return tables.read_table(steps.open_destination(contract, store), name).sort_by("item").to_pylist()


@pytest.mark.parametrize(("vendor", "written"), [("alder", separated), ("birch", one_hot)])
def test_a_release_has_a_list_an_item_and_a_row_a_part(make_contract, store, put, vendor, written):
    """What was delivered in either way is published as lists; verify, which reads the table, agrees; on a folder and
    on a bucket."""
    contract = make_contract(**TERMS)
    put(store, contract, written(labelled(added="i02")), vendor=vendor)
    outcome = audit(contract, store)
    assert outcome.release is not None
    labels = {row["item"]: row for row in table(contract, store, layout.LABELS)}
    assert {item: row["label"] for item, row in labels.items()} == TRUE
    assert labels["i00"]["label"] == [], "no class is a label, too"
    parts = {(row["item"], row["class"]): row for row in table(contract, store, layout.PARTS)}
    assert {key for key, row in parts.items() if row["label"]} == {
        (i, name) for i, names in TRUE.items() for name in names
    }
    for item, row in labels.items():
        of_item = [part for (owner, _), part in parts.items() if owner == item]
        assert row["is_issue"] == any(part["is_issue"] for part in of_item)
        assert all(row["label_quality"] <= part["quality"] for part in of_item)
    annotations = table(contract, store, layout.ANNOTATIONS)
    wrong = [(row["item"], row["label"]) for row in annotations if row["is_issue"]]
    assert wrong == [("i02", ["dog", "fish"])], "what cyd alone added"
    verify(steps.open_destination(contract, store))


def test_both_ways_of_writing_give_the_same_labels_and_qualities(make_contract, tmp_path, put):
    from labelaudit.storage.opening import open_store

    made = []
    for vendor, text in (("alder", separated(labelled("i03"))), ("birch", one_hot(labelled("i03"), "true", "false"))):
        store, contract = open_store(f"file://{tmp_path / vendor}"), make_contract(**TERMS)
        put(store, contract, text, vendor=vendor)
        audit(contract, store)
        rows = table(contract, store, layout.LABELS)
        made.append(
            [{k: row[k] for k in ("item", "label", "given_label", "label_quality", "is_issue")} for row in rows]
        )
    assert made[0] == made[1]


def test_counts_of_a_class_are_of_the_items_that_have_it_or_should(make_contract, folder_store, put):
    """An item that lacks a class can't be wrong about it unless it should have it; and parts add up to the report."""
    contract = make_contract(**TERMS)
    put(folder_store, contract, separated(labelled(missed="i03")))
    audit(contract, folder_store)
    quality = tables.read_table(steps.open_destination(contract, folder_store), layout.QUALITY).to_pylist()
    counts = {row["label"]: (row["x"], row["n"]) for row in quality if row["metric"] == "issue" and not row["vendor"]}
    parts = table(contract, folder_store, layout.PARTS)
    for name in CLASSES:
        own = [row for row in parts if row["class"] == name and (row["given"] or row["is_issue"])]
        assert counts[name] == (sum(row["is_issue"] for row in own), len(own))
    assert counts["dog"] == (0, 20)


def test_a_wrong_class_is_a_reject_that_names_it(make_contract, folder_store, put):
    contract = make_contract(**TERMS)
    put(folder_store, contract, separated(labelled()) + "i90,ann,cat|bird\ni91,ann,cat|\n")
    outcome = audit(contract, folder_store)
    assert [delivery.rejected_rows for delivery in outcome.audit.checked] == [2]
    (failed,) = [check for check in outcome.audit.checked[0].outcomes if not check.success]
    assert "bird" in failed.examples


def test_a_second_release_learns_from_the_first_and_tells_what_changed(make_contract, folder_store, put):
    """History, difference and tables go on with lists: a superseding delivery changes one item's label."""
    contract = make_contract(**TERMS)
    put(folder_store, contract, separated(labelled()))
    audit(contract, folder_store, "one")
    changed = {key: ["fish"] if key[0] == "i03" else names for key, names in labelled().items()}
    put(folder_store, contract, separated(changed), delivery="d2", supersedes=("d1",))
    outcome = audit(contract, folder_store, "two")
    labels = {row["item"]: row["label"] for row in table(contract, folder_store, layout.LABELS)}
    assert labels == TRUE | {"i03": ["fish"]}
    destination = steps.open_destination(contract, folder_store)
    report = json.loads(destination.read(layout.release(outcome.release.release) + "report.json"))
    assert [(move["before"], move["now"], move["items"]) for move in report["difference"]["moves"]] == [
        ("cat|dog", "fish", 1)
    ]


def test_texts_are_judged_class_by_class(make_contract, folder_store, put):
    """One annotator an item, and a text: the class that the text names and the label lacks is found."""
    columns = {"item": {}, "label": {}, "text": {}}
    terms = TERMS | {"columns": columns, "predictions": {"source": "text", "column": "text"}}
    contract = make_contract(**terms)
    rows = ["item,label,text"]
    words = {"cat": "meows and purrs", "dog": "barks loudly outside", "fish": "swims under water"}
    for n in range(160):
        names = [name for bit, name in enumerate(CLASSES) if n % 8 >> bit & 1]
        given = [name for name in names if not (n == 75 and name == "dog")]
        text = " ".join(["something number", str(n), *(words[name] for name in names)])
        rows.append(f"i{n:03},{'|'.join(given) or '-'},{text}")
    put(folder_store, contract, "\n".join(rows) + "\n")
    audit(contract, folder_store)
    parts = table(contract, folder_store, layout.PARTS)
    missing = [(row["item"], row["class"]) for row in parts if row["is_issue"] and not row["given"]]
    assert ("i075", "dog") in missing
    assert len(missing) <= 3


def test_an_annotator_who_adds_a_class_to_everything_opens_an_incident(make_contract, folder_store, put):
    """What a good day counts, thirty times, then twice what one counts on which cyd adds a class out of place:
    incidents know nothing of kinds of label, so the real counts of two days serve for all."""
    contract = make_contract(**TERMS)
    counts = []
    for day, labels in enumerate((labelled(added="i00"), labelled(added="i08"))):
        if day:
            labels = {
                key: [*dict.fromkeys([*names, "fish"])] if key[1] == "cyd" else names for key, names in labels.items()
            }
        put(folder_store, contract, separated(labels).replace("\ni", f"\n{day}i"), delivery=f"d{day}")
        counts.append(audit(contract, folder_store, f"day{day}").audit.counts)
    days = [counts[0]] * 30 + [counts[1]] * 2
    judged = [Judged(release=f"r{at:04}", sequence=at + 1, accepted=True, counts=day) for at, day in enumerate(days)]
    reviewed = reviews(contract.regressions, judged)
    assert not any(review.incidents for review in reviewed[:30])
    (incident,) = reviewed[31].incidents
    assert "annotation_error" in [stream.metric for stream in incident.streams]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"gold": "gold.csv"}, "`gold` is for task classification only"),
        ({"human_audit": {"rows": 10}}, "`human_audit` is for task classification only"),
        ({"task": "classification"}, "`labels` belongs to task multi_label"),
        ({"classes": ["cat", "a|b"]}, "holds the separator"),
        ({"predictions": {"source": "delivered"}}, "`predictions` from delivered are not for task multi_label"),
    ],
)
def test_what_this_kind_can_not_yet_is_refused_by_the_contract(make_contract, changed, said):
    with pytest.raises(ContractError, match=said):
        make_contract(**TERMS | changed)


def test_new_proposes_what_is_said_where_no_class_applies(tmp_path):
    """`none` stands alone always, so it is no class; `other`, which does too, is one."""
    sample = tmp_path / "sample.csv"
    sample.write_text(separated(labelled()).replace(",-\n", ",none\n") + "i98,ann,other\ni99,ann,other\n")
    proposal = contract_from(sample, "acme", "pets", "alder", {})
    assert "none: none" in proposal.text
    assert "classes: [cat, dog, fish, other]" in proposal.text


@pytest.mark.parametrize(("written", "labels"), [(separated, {"separator": "|"}), (one_hot, None)])
def test_new_proposes_lists_of_classes(tmp_path, written, labels):
    sample = tmp_path / "sample.csv"
    sample.write_text(written(labelled()).replace(",-\n", ",dog\n"))
    proposal = contract_from(sample, "acme", "pets", "alder", {})
    assert "task: multi_label" in proposal.text
    assert ("separator: " if labels else "one_hot:") in proposal.text
    assert any("`labels`" in note for note in proposal.notes)
