"""The report says what a release changes of the one before, label by label, and why."""

from __future__ import annotations

import csv
import io
import json

import pytest
from conftest import audit

from labelaudit.publish import verifying
from labelaudit.report import differences
from labelaudit.run import steps
from labelaudit.storage import layout, tables
from labelaudit.storage.store import Store

pytestmark = pytest.mark.runs


def labels(first: int, last: int, label: str) -> str:
    rows = (f"i{item:02d},{who},{label}\n" for item in range(first, last) for who in ("ann", "bob", "cyd"))
    return "item,annotator,label\n" + "".join(rows)


def told(contract, store: Store, release: str) -> tuple[dict | None, dict[str, bytes]]:
    destination = steps.open_destination(contract, store)
    folder = layout.release(release)
    files = {key.removeprefix(folder): destination.read(key) for key in destination.list(folder)}
    return json.loads(files["report.json"])["difference"], files


def test_a_superseding_delivery_is_told_label_by_label(folder_store: Store, make_contract, put):
    """Ten cats; the delivery is replaced by one that has 2..11: 0, 1 go, 2..7 turn to dogs, 8, 9 stay, 10, 11 come."""
    contract = make_contract()
    put(folder_store, contract, labels(0, 10, "cat") + labels(20, 22, "dog").split("\n", 1)[1])
    first = audit(contract, folder_store, "one").release.release
    difference, files = told(contract, folder_store, first)
    assert difference is None
    assert "changes.csv" not in files
    assert b"This is the first release" in files["report.html"]
    body = labels(2, 8, "dog") + labels(8, 12, "cat").split("\n", 1)[1]
    put(folder_store, contract, body, delivery="d1b", supersedes=["d1"])
    second = audit(contract, folder_store, "two").release.release
    difference, files = told(contract, folder_store, second)
    assert (difference["before"], difference["new"], difference["removed"]) == (first, 2, 4)
    assert (difference["changed"], difference["unchanged"]) == (6, 2)
    assert difference["moves"] == [{"before": "cat", "now": "dog", "items": 6}]
    assert difference["reasons"] == {differences.SUPERSEDED: 6}
    rows = list(csv.DictReader(io.StringIO(files["changes.csv"].decode("utf-8-sig"))))
    assert [row["item"] for row in rows] == [f"i{item:02d}" for item in range(2, 8)]
    assert {(row["label_before"], row["label_now"], row["deliveries"]) for row in rows} == {("cat", "dog", "alder/d1b")}
    destination = steps.open_destination(contract, folder_store)
    assert (
        tables.read_table(destination, layout.LABELS).num_rows
        == difference["new"] + difference["changed"] + difference["unchanged"]
    )
    verifying.verify(destination)
