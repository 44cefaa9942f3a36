"""Declared clean-ups change what they say, count every row that they changed, and leave all else as delivered."""

from __future__ import annotations

import pyarrow as pa
import pytest

from labelaudit.stage.cleaning import Cleaning, refusal_for_guideline, unknown_guideline_reason, unknown_guidelines
from labelaudit.values.deliveries import Delivery

DIGEST = "0" * 64


def delivery(guideline: str | None = None) -> Delivery:
    return Delivery(
        customer="acme", dataset="pets", vendor="alder", id="d1", files=(), digest=DIGEST, guideline=guideline
    )


def batch(**columns: list[str | None]) -> pa.Table:
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


def counted(cleaning: Cleaning) -> dict[tuple[str, str], int]:
    return {(cleanup.column, cleanup.kind): cleanup.rows for cleanup in cleaning.cleanups}


def test_each_clean_up_counts_the_rows_that_it_changed(make_contract):
    """Trim comes first, then case, then synonyms: " Kitty" is all three. Counts add up over batches."""
    label = {"trim": True, "case": "lower", "synonyms": {"kitty": "cat"}}
    cleaning = Cleaning(make_contract(columns={"item": {}, "annotator": {}, "label": label}), delivery())
    first = cleaning.clean(batch(item=[" a", "b", "c"], label=[" Kitty", "cat", "DOG\u00a0"]))
    assert first["label"].to_pylist() == ["cat", "cat", "dog"]
    assert first["item"].to_pylist() == [" a", "b", "c"], "nothing is declared for it"
    second = cleaning.clean(batch(item=["d", "e"], label=["kitty", None]))
    assert second["label"].to_pylist() == ["cat", None]
    assert counted(cleaning) == {("label", "trim"): 2, ("label", "case"): 2, ("label", "synonyms"): 2}


def test_without_clean_ups_every_value_stays(make_contract):
    rows = batch(item=["007", "1e5", " yes", "NA", ""], label=["Cat ", "\tcat", "CAT", "none", "\ufeffcat"])
    cleaning = Cleaning(make_contract(), delivery("v1"))
    assert cleaning.clean(rows).equals(rows)
    assert cleaning.cleanups == ()


def test_synonyms_are_not_followed_twice(make_contract):
    label = {"synonyms": {"cat": "dog", "dog": "cat"}}
    cleaning = Cleaning(make_contract(columns={"item": {}, "annotator": {}, "label": label}), delivery())
    assert cleaning.clean(batch(item=["a", "b"], label=["cat", "dog"]))["label"].to_pylist() == ["dog", "cat"]


def test_the_label_map_is_that_of_the_rows_guideline(make_contract):
    """A row that leaves the column empty is the delivery's; a version without a map stays as it is."""
    contract = make_contract(
        columns={"item": {}, "annotator": {}, "label": {}, "guideline": {"nullable": True, "required": False}},
        guidelines=["v1", "v2", "v3"],
        label_map={"v1": {"kitten": "cat"}, "v2": {"kitten": "dog"}},
    )
    cleaning = Cleaning(contract, delivery("v2"))
    rows = batch(label=["kitten"] * 4 + ["cat"], guideline=["v1", "v2", "v3", None, "v1"])
    assert cleaning.clean(rows)["label"].to_pylist() == ["cat", "dog", "kitten", "dog", "cat"]
    assert counted(cleaning) == {("label", "label_map"): 3}
    plain = cleaning.clean(batch(label=["kitten"]))
    assert plain["label"].to_pylist() == ["dog"], "no such column: the delivery's guideline"


def test_rows_of_no_batch_are_none(make_contract):
    contract = make_contract(guidelines=["v1"], label_map={"v1": {"kitten": "cat"}})
    cleaning, rows = Cleaning(contract, delivery("v1")), batch(item=[], label=[])
    assert cleaning.clean(rows).num_rows == 0
    assert cleaning.cleanups == ()
    assert unknown_guidelines(contract, delivery("v1"), rows).to_pylist() == []


@pytest.mark.parametrize(("named", "refused"), [("v1", False), ("v9", True), (None, True)])
def test_a_delivery_under_an_unknown_guideline_is_refused(make_contract, named: str | None, refused: bool):
    contract = make_contract(guidelines=["v1", "v2"])
    refusal = refusal_for_guideline(contract, delivery(named))
    assert (refusal is not None) == refused
    if refused:
        assert refusal.code == "unknown_guideline"
        assert "v1, v2" in refusal.message
    assert refusal_for_guideline(make_contract(), delivery(named)) is None, "none are listed: any is taken"


def test_rows_may_name_the_guideline_instead(make_contract):
    contract = make_contract(
        columns={"item": {}, "annotator": {}, "label": {}, "guideline": {"nullable": True}}, guidelines=["v1", "v2"]
    )
    assert refusal_for_guideline(contract, delivery()) is None
    rows = batch(guideline=["v1", "v9", None, "v2", "V1"])
    assert unknown_guidelines(contract, delivery(), rows).to_pylist() == [False, True, True, False, True]
    assert unknown_guidelines(contract, delivery("v1"), rows).to_pylist() == [False, True, False, False, True]
    assert unknown_guideline_reason(contract, "v9") == "'v9', where one of these is expected: v1, v2"
