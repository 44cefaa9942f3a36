"""A delivery against its contract: every row is accepted or rejected, once, with a reason."""

from __future__ import annotations

import json

import pytest
from conftest import GOOD, TERMS

from labelaudit.receive import choosing
from labelaudit.run import steps
from labelaudit.storage import layout
from labelaudit.storage.parquet import read_table
from labelaudit.storage.store import Store
from labelaudit.values.deliveries import CheckedDelivery

pytestmark = pytest.mark.parsers


def checked(contract, store: Store) -> CheckedDelivery:
    """Stage and check the only delivery that waits; conservation holds whatever comes out."""
    (delivery,) = choosing.choose(contract, store, {})
    staged = steps.stage(contract, delivery, store, "run")
    found = steps.check(contract, staged, store, "run")
    assert found.delivered_rows == found.accepted_rows + found.rejected_rows
    if found.accepted:
        assert read_table(store, found.table).num_rows == found.accepted_rows
        rejects = read_table(store, found.rejects).num_rows if found.rejects else 0
        assert rejects == found.rejected_rows == sum(count.rows for count in found.reject_counts)
    return found


def rejects(store: Store, found: CheckedDelivery) -> list[tuple]:
    return [(row["line"], row["column"], row["code"]) for row in read_table(store, found.rejects).to_pylist()]


def with_check(**check):
    return {"checks": [check], "columns": TERMS["columns"] | {"seconds": {"type": "number", "nullable": True}}}


SECONDS = "item,annotator,label,seconds\n" + "".join(f"i{n},ann,cat,{n}\n" for n in range(10))


def test_each_bad_row_is_a_reject_with_its_line_and_first_reason(store: Store, make_contract, put):
    """Rejects of the reader and of the checks end in one table; a row counts once though it fails twice."""
    contract = make_contract()
    put(store, contract, GOOD + "i90,ann\ni91,,cow\ni92,ann,cow\ni0,ann,dog\n")
    delivery = checked(contract, store)
    assert delivery.accepted
    assert (delivery.delivered_rows, delivery.accepted_rows) == (40, 36)
    assert rejects(store, delivery)[0][0] == 38
    assert {line for line, _, _ in rejects(store, delivery)} == {38, 39, 40, 41}
    assert rejects(store, delivery)[-1] == (41, "item, annotator", "expect_compound_columns_to_be_unique")


def test_of_rows_that_repeat_a_key_the_first_stays(folder_store: Store, make_contract, put):
    contract = make_contract()
    put(folder_store, contract, "item,annotator,label\na,ann,cat\na,ann,dog\na,bob,cat\na,ann,cat\n")
    delivery = checked(contract, folder_store)
    assert [line for line, _, _ in rejects(folder_store, delivery)] == [3, 5]
    assert read_table(folder_store, delivery.table)["label"].to_pylist() == ["cat", "cat"]


ALONE = {"columns": {"item": {}, "label": {}}, "predictions": {"source": "text", "column": "item"}}


@pytest.mark.parametrize("terms", [{}, ALONE], ids=["pairs", "items"])
def test_however_many_rows_fail_each_is_a_reject(folder_store: Store, make_contract, put, terms):
    """Great Expectations lists all rows that fail, but of many only the first values: 1,500 repeated keys, 1,500 labels
    that are no class."""
    contract = make_contract(tolerance={"rejected_rows_rate": 1}, **terms)
    again = [f"a{n},ann,{label}" for label in ("cat", "dog") for n in range(1_500)]
    put(folder_store, contract, "\n".join(["item,annotator,label", *again, *(f"b{n},ann,cow" for n in range(1_500))]))
    delivery = checked(contract, folder_store)
    assert {(count.column, count.rows) for count in delivery.reject_counts if "unique" in count.code} == {
        ("item" if terms else "item, annotator", 1_500)
    }
    assert {count.rows for count in delivery.reject_counts if "in_set" in count.code} == {1_500}
    assert read_table(folder_store, delivery.table)["label"].to_pylist() == ["cat"] * 1_500


def test_a_rejected_row_holds_no_key(folder_store: Store, make_contract, put):
    """The annotator's second, sound label of an item stands, where the first is rejected for another reason."""
    contract = make_contract()
    put(folder_store, contract, "item,annotator,label\na,ann,cow\na,ann,dog\n")
    assert [line for line, _, _ in rejects(folder_store, checked(contract, folder_store))] == [2]


@pytest.mark.parametrize(
    ("severity", "accepted", "rejected_rows", "code"),
    [("warning", True, 3, None), ("critical", False, 10, "critical_check"), ("info", True, 0, None)],
)
def test_severity_says_what_a_failed_row_check_does(
    folder_store, make_contract, put, severity, accepted, rejected_rows, code
):
    kwargs = {"column": "seconds", "min_value": 3}
    check = with_check(type="expect_column_values_to_be_between", kwargs=kwargs, severity=severity)
    contract = make_contract(**check)
    put(folder_store, contract, SECONDS)
    delivery = checked(contract, folder_store)
    assert (delivery.accepted, delivery.rejected_rows) == (accepted, rejected_rows)
    assert (delivery.refusal.code if delivery.refusal else None) == code
    assert delivery.outcomes[-1].failed_rows == 3


def test_mostly_lets_some_rows_pass(folder_store: Store, make_contract, put):
    kwargs = {"column": "seconds", "min_value": 3, "mostly": 0.7}
    contract = make_contract(**with_check(type="expect_column_values_to_be_between", kwargs=kwargs))
    put(folder_store, contract, SECONDS)
    delivery = checked(contract, folder_store)
    assert delivery.rejected_rows == 0
    assert delivery.outcomes[-1].failed_rows == 3


@pytest.mark.parametrize(("severity", "accepted"), [("critical", False), ("warning", True)])
def test_a_table_check_rejects_the_delivery_or_reports(folder_store, make_contract, put, severity, accepted):
    check = with_check(
        type="expect_column_mean_to_be_between", kwargs={"column": "seconds", "max_value": 1}, severity=severity
    )
    contract = make_contract(**check)
    put(folder_store, contract, SECONDS)
    delivery = checked(contract, folder_store)
    assert delivery.accepted == accepted
    assert "4.5" in delivery.outcomes[-1].detail


def test_a_check_that_crashes_rejects_rather_than_passes(folder_store: Store, make_contract, put):
    """Great Expectations reports a crash as a result; taken for a pass, every row would go through unchecked."""
    contract = make_contract(
        **with_check(type="expect_column_mean_to_be_between", kwargs={"column": "item", "min_value": 1})
    )
    put(folder_store, contract, SECONDS)
    delivery = checked(contract, folder_store)
    assert not delivery.accepted
    assert "could not be run" in delivery.refusal.message


def test_more_rejects_than_tolerated_reject_the_delivery_with_a_report(folder_store: Store, make_contract, put):
    contract = make_contract(tolerance={"rejected_rows_rate": 0.1})
    put(folder_store, contract, "item,annotator,label\n" + "".join(f"i{n},ann,cow\n" for n in range(9)) + "x,ann,cat\n")
    delivery = checked(contract, folder_store)
    assert delivery.refusal.code == "too_many_rejects"
    assert "9 of 10 rows (90.0%)" in delivery.refusal.message
    folder = delivery.report.rsplit("/", 1)[0]
    assert json.loads(folder_store.read(folder + "/rejection.json"))["rejected_rows"] == 10
    assert folder_store.read(folder + "/rejects.csv").decode("utf-8-sig").count("\r\n") == 10
    assert b"too_many_rejects" in folder_store.read(delivery.report)


PROBABILITIES = {"predictions": {"source": "delivered", "columns": {"cat": "p_cat", "dog": "p_dog"}}}


def test_delivered_probabilities_must_be_a_distribution(folder_store: Store, make_contract, put):
    contract = make_contract(**PROBABILITIES, tolerance={"rejected_rows_rate": 1})
    rows = ["a,ann,cat,.5,.5", "b,ann,cat,.5,.6", "c,ann,cat,-.1,1.1", "d,ann,cat,,1", "e,ann,cat,nan,1"]
    put(folder_store, contract, "item,annotator,label,p_cat,p_dog\n" + "\n".join([*rows, "f,ann,cat,1,0"]) + "\n")
    contract = contract.model_copy(
        update={"tolerance": contract.tolerance.model_copy(update={"rejected_rows_rate": 1})}
    )
    delivery = checked(contract, folder_store)
    assert [line for line, _, _ in sorted(rejects(folder_store, delivery))] == [3, 4, 5, 6]


def second_file(store: Store, contract, folder, predictions: str) -> None:
    from labelaudit.receive import delivering

    folder.mkdir()
    (folder / "labels.csv").write_text(GOOD)
    (folder / "model.csv").write_text(predictions)
    files = [folder / "labels.csv", folder / "model.csv"]
    delivering.deliver(store, contract.customer, contract.dataset, "alder", "d1", files)


@pytest.mark.parametrize(
    ("row", "said"), [("i11,.9,.9", "sum"), ("i10,.5,.5", "unique"), ("i11,x,.5", "line 13"), ("i11,.5", "line 13")]
)
def test_predictions_in_a_second_file_must_be_sound_as_a_whole(
    folder_store: Store, make_contract, tmp_path, row: str, said: str
):
    """A model's output with one broken row was not made as agreed: nothing of it can be trusted."""
    contract = make_contract(predictions=PROBABILITIES["predictions"] | {"file": "model.csv"})
    sound = "item,p_cat,p_dog\n" + "".join(f"i{n},.5,.5\n" for n in range(11))
    second_file(folder_store, contract, tmp_path / "out", sound + row + "\n")
    delivery = checked(contract, folder_store)
    assert delivery.refusal.code == "bad_predictions"
    assert said in delivery.refusal.message


def test_predictions_in_a_second_file_reach_the_audit(folder_store: Store, make_contract, tmp_path):
    contract = make_contract(predictions=PROBABILITIES["predictions"] | {"file": "model.csv"})
    second_file(
        folder_store,
        contract,
        tmp_path / "out",
        "item,p_cat,p_dog\n" + "".join(f"i{n},{0.9 if n % 2 else 0.1},{0.1 if n % 2 else 0.9}\n" for n in range(11)),
    )
    delivery = checked(contract, folder_store)
    assert delivery.accepted
    assert read_table(folder_store, delivery.predictions).num_rows == 11


def test_a_refused_delivery_leaves_the_reason_and_no_table(folder_store: Store, make_contract, put):
    contract = make_contract()
    put(folder_store, contract, GOOD)
    folder_store.write(layout.delivery("alder", "acme", "pets", "d1") + "labels.csv", b"changed")
    delivery = checked(contract, folder_store)
    assert delivery.refusal.code == "size_mismatch"
    assert delivery.table is None


NFC, NFD = "caf\u00e9", "cafe\u0301"


@pytest.mark.parametrize("order", [[NFC, NFD], [NFD, NFC]])
def test_one_id_in_two_unicode_forms_is_found_whichever_comes_first(folder_store, make_contract, put, order):
    """The composed form stays; a form that comes alone is nobody's twin. What differs is said by number."""
    contract = make_contract(tolerance={"rejected_rows_rate": 0.9})
    rows = "".join(f"{item},ann,cat\n{item},bob,cat\n" for item in order)
    put(folder_store, contract, f"item,annotator,label\n{rows}re\u0301sume\u0301,ann,cat\n{NFC},Zoe\u0308,dog\n")
    delivery = checked(contract, folder_store)
    bad = [number for number, item in enumerate([order[0], order[0], order[1], order[1]], 2) if item == NFD]
    assert rejects(folder_store, delivery) == [(line, "item", "other_form") for line in bad]
    said = read_table(folder_store, delivery.rejects)["reason"][0].as_py()
    assert "it has U+0065 U+0301, where the other has U+00E9" in said
    assert read_table(folder_store, delivery.table)["item"].to_pylist() == [NFC, NFC, "re\u0301sume\u0301", NFC]


def test_a_label_that_only_looks_like_a_class_is_told(folder_store, make_contract, put):
    contract = make_contract(classes=["cat", "polar bear", NFC], tolerance={"rejected_rows_rate": 0.9})
    put(folder_store, contract, f"item,annotator,label\na,ann,cat\nb,ann,polar\u00a0bear\nc,ann,{NFD}\nd,ann,cow\n")
    delivery = checked(contract, folder_store)
    said = read_table(folder_store, delivery.rejects)["reason"].to_pylist()
    assert "It looks like 'polar bear', but it has U+00A0 U+0062, where the other has U+0020 U+0062" in said[0]
    assert f"It looks like {NFC!r}, but it has U+0065 U+0301, where the other has U+00E9" in said[1]
    assert "looks like" not in said[2]
