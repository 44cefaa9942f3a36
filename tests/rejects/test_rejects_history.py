"""All rejects over time: conserved to the row, written once, and given to the vendor."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from conftest import GOOD, audit
from typer.testing import CliRunner

from labelaudit.cli import app
from labelaudit.errors import InvalidInput
from labelaudit.rejects import history, recorded
from labelaudit.rejects.records import REJECT_SCHEMA, Reject, rejects_table
from labelaudit.run import steps
from labelaudit.storage import layout, release_log
from labelaudit.storage.parquet import write_table
from labelaudit.storage.schemas import REJECTS_SCHEMA
from labelaudit.storage.store import Store
from labelaudit.values.deliveries import CheckedDelivery, Delivery, Refusal
from labelaudit.values.verdicts import Answer

pytestmark = pytest.mark.runs

DAY = [datetime(2026, 11, day, 6, tzinfo=UTC) for day in range(1, 8)]
BAD_ROWS = "i90,ann\ni91,ann,=cow()\n"
MANY_BAD = "item,annotator,label\n" + "i1,ann,cat\n" + "i2,ann,cow\n" * 9


def lines(contract, store: Store) -> list[dict]:
    return [row for batch in history.rows(contract, store) for row in batch.to_pylist()]


def test_the_table_holds_what_was_rejected_to_the_row_over_several_runs(folder_store: Store, make_contract, put):
    """Of accepted deliveries and of rejected ones; delivered = accepted + rejected."""
    contract = make_contract()
    checked: list[CheckedDelivery] = []

    def run(day: int) -> None:
        outcome = audit(contract, folder_store, f"run{day}", now=DAY[day])
        checked.extend(outcome.audit.checked if outcome.audit else outcome.rejected)

    put(folder_store, contract, GOOD + BAD_ROWS)
    put(folder_store, contract, MANY_BAD, delivery="d2")
    put(folder_store, contract, "not the header\n1\n", delivery="d3")
    run(0)
    put(folder_store, contract, GOOD + BAD_ROWS + "i92,,cat\n", delivery="d4", supersedes=["d1"])
    run(1)
    put(folder_store, contract, GOOD, delivery="d5", supersedes=["nobody"])
    run(2)
    assert audit(contract, folder_store, "run3", now=DAY[3]).status == "nothing"
    assert [delivery.delivery.id for delivery in checked] == ["d1", "d2", "d3", "d4", "d5"]
    assert all(delivery.delivered_rows == delivery.accepted_rows + delivery.rejected_rows for delivery in checked)
    listed = lines(contract, folder_store)
    for delivery in checked:
        own = [
            line
            for line in listed
            if line["digest"] == delivery.delivery.digest and line["delivery"] == delivery.delivery.id
        ]
        assert sum(line["rows"] for line in own) == delivery.rejected_rows
        assert {line["status"] for line in own} == {"accepted" if delivery.accepted else "rejected"}
    assert (
        sum(line["rows"] for line in listed)
        == sum(delivery.rejected_rows for delivery in checked)
        == 2 + 10 + 0 + 3 + 0
    )
    (named,) = [line for line in listed if line["delivery"] == "d1" and line["code"] == "wrong_width"]
    assert (named["file"], named["line"], named["text"]) == ("labels.csv", 38, "i90,ann")
    assert named["run_time"] == DAY[0]
    assert named["advice"].startswith("Quote fields")
    days = {(line["delivery"], line["run_time"]) for line in listed}
    assert days == {("d1", DAY[0]), ("d2", DAY[0]), ("d3", DAY[0]), ("d4", DAY[1]), ("d5", DAY[2])}
    assert {line["delivery"]: line["code"] for line in listed if line["file"] is None} == {
        "d2": "too_many_rejects",
        "d3": "missing_column",
        "d5": "unknown_superseded",
    }
    assert not (folder_store.root / "published/acme/pets/rejects").exists(), "the customer gets none of it"


def made(store: Store, rows: int, refused: bool = True, **said) -> CheckedDelivery:
    """A checked delivery of ten rows, of which some are rejects."""
    found = [Reject("a.csv", line, "label", "wrong_type", "no", "=1+1", "") for line in range(2, 2 + rows)]
    key = f"runs/{said.get('id', 'd1')}-{rows}.parquet"
    write_table(store, key, rejects_table(found))
    delivery = Delivery(
        **{"customer": "acme", "dataset": "pets", "vendor": "alder", "id": "d1", "files": (), "digest": "0" * 64} | said
    )
    return CheckedDelivery(
        delivery=delivery,
        accepted=not refused,
        delivered_rows=10,
        accepted_rows=0 if refused else 10 - rows,
        rejected_rows=10 if refused else rows,
        rejects=key if rows else None,
        refusal=Refusal(code="too_many_rejects", message="too many") if refused else None,
    )


def test_a_step_that_is_repeated_writes_nothing_twice(store: Store, make_contract):
    contract = make_contract()
    one, two = made(store, 3), made(store, 2, refused=False, id="d2", digest="1" * 64)
    for _ in range(2):
        history.record(contract, [one, two], store, DAY[0])
    history.record(contract, [one], store, DAY[0])
    assert sorted((line["delivery"], line["rows"]) for line in lines(contract, store)) == [
        ("d1", 1),
        ("d1", 1),
        ("d1", 1),
        ("d1", 7),
        ("d2", 1),
        ("d2", 1),
    ]


def test_a_delivery_that_is_audited_again_leaves_its_last_outcome(folder_store: Store, make_contract):
    """Other bytes under the same id are another delivery, and both are kept."""
    contract = make_contract()
    history.record(contract, [made(folder_store, 3)], folder_store, DAY[0])
    history.record(contract, [made(folder_store, 4, digest="1" * 64)], folder_store, DAY[1])
    history.record(contract, [made(folder_store, 1, refused=False)], folder_store, DAY[2])
    counts = history.counts(contract, folder_store, ["day", "status"])
    assert counts == [
        {"day": "2026-11-02", "status": "rejected", "rows": 10, "deliveries": 1},
        {"day": "2026-11-03", "status": "accepted", "rows": 1, "deliveries": 1},
    ]
    history.record(contract, [made(folder_store, 0, refused=False)], folder_store, DAY[3])
    assert {line["digest"] for line in lines(contract, folder_store)} == {"1" * 64}


def test_many_rejects_are_streamed(folder_store: Store, make_contract):
    """More than one batch and one row group; none is lost between them."""
    contract = make_contract()
    rows = 70_000
    table = pa.table(
        {
            "file": pa.repeat("a.csv", rows),
            "line": pa.array(range(rows)),
            **{name: pa.repeat("x", rows) for name in ("place", "column", "code", "reason", "advice", "text")},
        }
    ).select(REJECT_SCHEMA.names)
    write_table(folder_store, "runs/many.parquet", table.cast(REJECT_SCHEMA))
    delivery = made(folder_store, 0, refused=False).model_copy(update={"rejects": "runs/many.parquet"})
    delivery = delivery.model_copy(update={"rejected_rows": rows, "accepted_rows": 0, "delivered_rows": rows})
    history.record(contract, [delivery], folder_store, DAY[0])
    numbers = [batch["line"] for batch in history.rows(contract, folder_store)]
    assert sorted(number.as_py() for batch in numbers for number in batch) == list(range(rows))


def test_a_release_that_a_person_rejects_leaves_its_rows_rejected(folder_store: Store, make_contract, put):
    contract = make_contract()
    put(folder_store, contract, GOOD + BAD_ROWS)
    outcome = audit(contract, folder_store, hold=True, now=DAY[0])
    assert outcome.status == "held"
    said = Answer(chosen="reject", by="ada", at="2026-11-01T07:00:00+00:00", digest=outcome.audit.digest)
    steps.reject_held(contract, outcome.audit, outcome.verdict, said, folder_store, DAY[0])
    counts = history.counts(contract, folder_store, ["status", "code"])
    assert counts[0] == {"status": "rejected", "code": "rejected_by_hand", "rows": 36, "deliveries": 1}
    assert sum(count["rows"] for count in counts) == 38


def test_a_vendor_gets_a_report_of_what_a_person_rejected_and_reads_no_name_of_ours(
    folder_store: Store, make_contract, put
):
    """The same page and spreadsheet as of any rejection, with the reason that was given, and when."""
    contract = make_contract()
    put(folder_store, contract, GOOD + BAD_ROWS)
    outcome = audit(contract, folder_store, hold=True, now=DAY[0])
    answered = {"at": "2026-11-01T07:00:00+00:00", "digest": outcome.audit.digest, "note": "cats are no dogs"}
    said = Answer(chosen="reject", by="Ada Lovelace", **answered)
    (delivery,) = steps.reject_held(contract, outcome.audit, outcome.verdict, said, folder_store, DAY[0])
    assert folder_store.read(delivery.report)
    prefix = layout.rejection("acme", "pets", "alder", "d1", delivery.delivery.digest)
    names = [key.removeprefix(prefix) for key in folder_store.list(prefix)]
    assert names == ["rejection.html", "rejection.json", "rejects.csv"]
    page = folder_store.read(prefix + "rejection.html").decode()
    for told in ("A person rejected it", "cats are no dogs", "2026-11-01", "Label again what the reason names"):
        assert told in page
    assert b"i90" in folder_store.read(prefix + "rejects.csv")
    assert not any(b"Ada" in folder_store.read(prefix + name) for name in names)


def test_the_rejects_of_an_accepted_delivery_are_there_though_the_run_dies_after_its_commit(
    folder_store: Store, make_contract, put, monkeypatch
):
    contract = make_contract()
    put(folder_store, contract, GOOD + BAD_ROWS)
    monkeypatch.setattr(recorded, "record_acceptance", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        audit(contract, folder_store)
    monkeypatch.undo()
    assert audit(contract, folder_store).status == "nothing"
    assert len(lines(contract, folder_store)) == 2


def test_the_vendor_gets_the_rejects_of_an_accepted_delivery_too(folder_store: Store, make_contract, put):
    """Safe to open in a spreadsheet; and the delivery does not count as rejected."""
    contract = make_contract()
    put(folder_store, contract, GOOD + BAD_ROWS)
    (checked,) = audit(contract, folder_store).audit.checked
    prefix = layout.rejection("acme", "pets", "alder", "d1", checked.delivery.digest)
    assert folder_store.list(prefix) == [prefix + "rejects.csv"]
    rejects = list(csv.DictReader(io.StringIO(folder_store.read(prefix + "rejects.csv").decode("utf-8-sig"))))
    assert [(reject["line"], reject["code"]) for reject in rejects] == [
        ("38", "wrong_width"),
        ("39", "expect_column_values_to_be_in_set"),
    ]
    assert not any(cell.startswith("=") for reject in rejects for cell in reject.values())
    assert recorded.rejections(contract, folder_store) == []


def test_a_delivery_that_is_accepted_after_all_is_no_longer_rejected(folder_store: Store, make_contract, put):
    """The contract was wrong, was corrected, and the delivery audited again."""
    put(folder_store, make_contract(classes=["ant", "bee"]), GOOD)
    contract = make_contract(classes=["ant", "bee"])
    assert audit(contract, folder_store).status == "rejected"
    assert len(recorded.rejections(contract, folder_store)) == 1
    contract = make_contract()
    assert audit(contract, folder_store, again=True).status == "published"
    assert recorded.rejections(contract, folder_store) == []
    assert lines(contract, folder_store) == []


def test_a_spreadsheet_in_pieces_is_the_same_as_in_one(tmp_path):
    batch = pa.RecordBatch.from_pylist(
        [{"text": "=1+1", "line": 2}, {"text": 'a"b\r\nc', "line": 3}, {"text": None, "line": 4}]
    )
    pieces = [batch.slice(0, 1), batch.slice(1, 0), batch.slice(1)]
    assert history.write_csv(tmp_path / "a.csv", ["text", "line"], pieces) == 3
    assert (tmp_path / "a.csv").read_bytes() == (
        b'\xef\xbb\xbf"text","line"\r\n"\'=1+1",2\r\n"a""b\r\nc",3\r\n"",4\r\n'
    )
    with pytest.raises(InvalidInput, match="can't write"):
        history.write_csv(tmp_path / "none" / "a.csv", ["text", "line"], pieces)


@pytest.mark.parametrize(
    ("chosen", "rows"),
    [
        ({}, 20),
        ({"vendor": "alder"}, 20),
        ({"vendor": "birch"}, 0),
        ({"delivery": "d2"}, 10),
        ({"delivery": "alder/d2"}, 10),
        ({"delivery": "birch/d2"}, 0),
        ({"code": "wrong_type"}, 5),
        ({"since": DAY[1]}, 10),
        ({"since": DAY[2]}, 0),
        ({"code": "x' or 'a' = 'a"}, 0),
    ],
)
def test_rejects_are_found_by_vendor_delivery_code_and_day(folder_store, make_contract, chosen: dict, rows: int):
    contract = make_contract()
    history.record(contract, [made(folder_store, 3)], folder_store, DAY[0])
    history.record(contract, [made(folder_store, 2, id="d2")], folder_store, DAY[1])
    counts = history.counts(contract, folder_store, ["vendor"], history.condition(**chosen))
    assert sum(count["rows"] for count in counts) == rows


def test_rejects_can_not_be_counted_by_what_they_do_not_have(folder_store: Store, make_contract):
    for by in (["text"], ["1; drop table rows"], []):
        with pytest.raises(InvalidInput, match="only by vendor, delivery"):
            history.counts(make_contract(), folder_store, by)


def test_the_command_counts_and_writes_out(folder_store: Store, make_contract, tmp_path):
    contract = make_contract()
    options = ["--store", folder_store.uri, "--contracts", str(tmp_path / "contracts")]

    def told(*arguments: str):
        return json.loads(CliRunner().invoke(app.app, ["rejects", "acme/pets", "--json", *arguments, *options]).stdout)

    assert told() == {"rejects": [], "rows": 0}
    history.record(contract, [made(folder_store, 3)], folder_store, DAY[0])
    assert told("--by", "vendor,code") == {
        "rejects": [
            {"vendor": "alder", "code": "too_many_rejects", "rows": 7, "deliveries": 1},
            {"vendor": "alder", "code": "wrong_type", "rows": 3, "deliveries": 1},
        ],
        "rows": 10,
    }
    assert told("--since", "2026-11-02")["rows"] == 0
    path = tmp_path / "out.csv"
    assert told("--code", "wrong_type", "--csv", str(path)) == {"csv": str(path), "lines": 3}
    rejects = list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"))))
    assert list(rejects[0]) == REJECTS_SCHEMA.names
    assert {reject["text"] for reject in rejects} == {"'=1+1"}
    assert rejects[0]["run_time"] == "2026-11-01T06:00:00+00:00"
    refused = CliRunner().invoke(app.app, ["rejects", "acme/pets", "--since", "yesterday", *options])
    assert isinstance(refused.exception, InvalidInput)
    assert release_log.log(steps.open_destination(contract, folder_store)) == []
