"""Samples for people, their task files, and answers that must prove which item they belong to."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from labelaudit.cli.app import app
from labelaudit.contracts.model import Contract
from labelaudit.errors import InvalidInput
from labelaudit.human_audit import drawing, samples, task_files
from labelaudit.human_audit.answers import Taken, take
from labelaudit.rendering.spreadsheet import safe_csv
from labelaudit.storage.store import Store
from tests.conftest import GOOD, audit

pytestmark = pytest.mark.runs

HOSTILE = [
    "=HYPERLINK(1)",
    "+1",
    '"quoted", and; more\tof it',
    "two\nlines",
    "two\r\nlines of Windows",
    "<script>alert(1)</script>",
    "żółć 猫 🐈",
    "'=already defused",
    "{{ 7 * 7 }} ${x}",
    " leading and trailing ",
]
AT = "2026-11-25T12:00:00+00:00"


def drawn(contract: Contract, store: Store, run: str = "run") -> str:
    """The release of a whole run, with its sample."""
    detected = audit(contract, store, run).audit
    assert drawing.draw(contract, detected, store) == samples.sample_key(contract, detected.release)
    return detected.release


def tasks_csv(contract: Contract, store: Store, release: str) -> list[dict[str, str]]:
    text = store.read(samples.prefix(contract, release) + "tasks.csv").decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def saved(path: Path, rows: list[dict[str, str]], delimiter: str = ",", encoding: str = "utf-8", **how: Any) -> Path:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter, **how)
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(text.getvalue().encode(encoding))
    return path


@pytest.fixture(scope="module")
def drawn_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Draw the sample of a release that is made once, and copied into every other test's store; gives the release."""
    made: dict[str, tuple[Path, str]] = {}

    def give(name: str, contract: Contract, store: Store, deliver: Callable[[], None]) -> str:
        if name in made:
            shutil.copytree(made[name][0], store.root)
        else:
            deliver()
            made[name] = tmp_path_factory.mktemp(name) / "store", drawn(contract, store)
            shutil.copytree(store.root, made[name][0])
        return made[name][1]

    return give


@pytest.fixture
def texts(drawn_once, make_contract: Callable, folder_store: Store, put: Callable) -> tuple[Contract, Store, str]:
    """A release of hostile texts (and of ids that are no better), all of it sampled."""
    contract = make_contract(
        columns={"item": {}, "annotator": {}, "label": {}, "text": {}},
        predictions={"source": "text", "column": "text"},
        classes=["cat", "=dog"],
        human_audit={"rows": 1000},
    )

    def deliver() -> None:
        put(folder_store, contract, hostile_texts(), vendor="birch", name="labels.jsonl")

    return contract, folder_store, drawn_once("texts", contract, folder_store, deliver)


def hostile_texts() -> str:
    lines = [
        json.dumps({"item": item, "annotator": annotator, "label": label, "text": text})
        for number in range(30)
        for item, label, text in [
            (
                f"00{number}" if number % 3 else f"=id{number}",
                "cat" if number % 2 else "=dog",
                f"{HOSTILE[number % len(HOSTILE)]} {number} {'purr' if number % 2 else 'bark'}",
            )
        ]
        for annotator in ("ann", "bob")
    ]
    return "\n".join(lines)


@pytest.fixture
def pets(drawn_once, make_contract: Callable, folder_store: Store, put: Callable) -> tuple[Contract, Store, str]:
    contract = make_contract(human_audit={"rows": 8})
    return contract, folder_store, drawn_once("pets", contract, folder_store, lambda: put(folder_store, contract, GOOD))


def stored(contract: Contract, store: Store, release: str) -> dict[str, str | None]:
    return samples.read_answers(contract, store, release)


def test_sizes_of_a_sample_add_up_to_the_releases_items(pets):
    contract, store, release = pets
    sample = samples.read_sample(contract, store, release)
    assert sum(sample.plan.sizes) == sample.plan.items == 12
    assert len(sample.items) == 8
    for of in ("release", "class", "vendor"):
        rows = sample.strata[sample.strata["of"] == of]
        assert rows.groupby("stratum")["items"].sum().tolist() == list(sample.plan.sizes)
    labels = sample.strata[sample.strata["of"] == "annotator"]["labels"].sum()
    assert labels == 36
    assert len(sample.annotations) == 3 * 8


def test_a_sample_that_is_there_stays_and_the_same_audit_draws_the_same(make_contract, folder_store, put):
    contract = make_contract(human_audit={"rows": 5})
    put(folder_store, contract, GOOD)
    detected = audit(contract, folder_store).audit
    key = drawing.draw(contract, detected, folder_store)
    content = {key: folder_store.read(key) for key in folder_store.list("audits/")}
    assert drawing.draw(make_contract(human_audit={"rows": 9}), detected, folder_store) == key
    assert {key: folder_store.read(key) for key in folder_store.list("audits/")} == content
    for one in content:
        folder_store.delete(one)
    drawing.draw(contract, detected, folder_store)
    assert {key: folder_store.read(key) for key in folder_store.list("audits/")} == content


def test_a_contract_that_asks_no_people_gets_no_sample(make_contract, folder_store, put):
    contract = make_contract()
    put(folder_store, contract, GOOD)
    assert drawing.draw(contract, audit(contract, folder_store).audit, folder_store) is None
    assert folder_store.list("audits/") == []


def test_tasks_are_blind(texts):
    """Neither the given nor the suggested label is in a task: the file has these columns, and the answer is empty."""
    contract, store, release = texts
    rows = tasks_csv(contract, store, release)
    assert tuple(rows[0]) == task_files.COLUMNS
    assert {row["answer"] for row in rows} == {""}
    exported = json.loads(store.read(samples.prefix(contract, release) + "tasks.json"))
    assert {tuple(sorted(task["data"])) for task in exported} == {("content", "item", "proof", "release")}


def test_formulas_are_defused_in_the_spreadsheet(texts):
    contract, store, release = texts
    cells = [cell for row in tasks_csv(contract, store, release) for cell in row.values()]
    assert not [cell for cell in cells if cell.lstrip().startswith(("=", "+", "-", "@"))]


def test_the_labeling_config_escapes_classes(make_contract):
    classes = ['"/><x>&', "two\nlines", "cat"]
    config = ElementTree.fromstring(task_files.labeling_config(make_contract(classes=classes)))  # noqa: S314 - ours
    assert [choice.get("value") for choice in config.iter("Choice")] == [*classes, "can't tell"]


@pytest.mark.parametrize(
    ("delimiter", "encoding", "how"),
    [
        (",", "utf-8-sig", {}),
        (";", "utf-8-sig", {"quoting": csv.QUOTE_MINIMAL}),
        ("\t", "utf-16", {"lineterminator": "\n"}),
        (",", "utf-8", {"quoting": csv.QUOTE_ALL, "lineterminator": "\n"}),
    ],
)
def test_answers_survive_a_spreadsheet_program(texts, tmp_path, delimiter, encoding, how):
    contract, store, release = texts
    rows = [row | {"answer": "cat"} for row in tasks_csv(contract, store, release)]
    path = saved(tmp_path / "filled.csv", rows, delimiter, encoding, **how)
    assert take(contract, store, path, "pat", AT).new == 30
    assert set(stored(contract, store, release).values()) == {"cat"}


def test_items_that_are_defused_alike_are_told_apart_by_their_proofs(make_contract, folder_store, put, tmp_path):
    """`=1` is written as `'=1`, which is an item, too; and what comes after a `;` is defused and comes back."""
    items = ["=1", "'=1", "''=1", "x;=1+1", "x;'=1+1", "a|-b", "1\n+2"]
    contract = make_contract(human_audit={"rows": 1000})
    rows = [
        json.dumps({"item": item, "annotator": who, "label": "cat" if place % 2 else "dog"})
        for place, item in enumerate(items)
        for who in ("ann", "bob", "cyd")
    ]
    put(folder_store, contract, "\n".join(rows), vendor="birch", name="labels.jsonl")
    release = drawn(contract, folder_store)
    tasks = task_files.read_tasks(folder_store, samples.prefix(contract, release))
    told = {tasks[item].proof: item for item in items}
    filled = [
        row | {"answer": "cat" if items.index(told[row["proof"]]) % 2 else "dog"}
        for row in tasks_csv(contract, folder_store, release)
    ]
    for delimiter in (",", ";", "\t"):
        path = saved(tmp_path / "filled.csv", filled, delimiter)
        assert take(contract, folder_store, path, "pat", AT).unanswered == 0
    assert stored(contract, folder_store, release) == {
        item: "cat" if place % 2 else "dog" for place, item in enumerate(items)
    }


def test_leading_zeros_that_excel_drops_and_rows_sorted_whole_are_sound(texts, tmp_path):
    contract, store, release = texts
    rows = [row | {"answer": "=dog"} for row in tasks_csv(contract, store, release)]
    rows = [row | {"item": row["item"].lstrip("0") or "0"} for row in sorted(rows, key=lambda row: row["content"])]
    assert take(contract, store, saved(tmp_path / "filled.csv", rows), "pat", AT).new == 30
    assert "001" in stored(contract, store, release)


def test_the_original_file_handed_in_untouched_has_no_answers(texts, tmp_path):
    contract, store, release = texts
    path = tmp_path / "tasks.csv"
    path.write_bytes(store.read(samples.prefix(contract, release) + "tasks.csv"))
    told = take(contract, store, path, "pat", AT)
    assert told == Taken(release=release, new=0, already=0, corrected=0, unanswerable=0, unanswered=30)
    assert samples.answer_keys(contract, store, release) == []


def exported(contract: Contract, store: Store, release: str, answers: list[list[dict]]) -> list[dict]:
    tasks = json.loads(store.read(samples.prefix(contract, release) + "tasks.json"))
    return [task | {"id": 7 * n, "annotations": of} for n, (task, of) in enumerate(zip(tasks, answers, strict=True))]


def choice(text: str, cancelled: bool = False) -> dict:
    result = {"from_name": "answer", "to_name": "content", "type": "choices", "value": {"choices": [text]}}
    return {"was_cancelled": cancelled, "completed_by": 1, "result": [result]}


def test_a_label_studio_export_round_trips_and_cancelled_annotations_do_not_count(texts, tmp_path):
    contract, store, release = texts
    given = [[choice("=dog")]] * 28 + [[choice("cat", cancelled=True)], [choice("can't tell")]]
    path = tmp_path / "export.json"
    path.write_text(json.dumps(exported(contract, store, release, given)))
    told = take(contract, store, path, "pat", AT)
    assert (told.new, told.unanswerable, told.unanswered) == (29, 1, 1)
    assert list(stored(contract, store, release).values()) == ["=dog"] * 28 + [None]


def test_a_label_studio_export_with_contents_swapped_is_refused(texts, tmp_path):
    contract, store, release = texts
    tasks = exported(contract, store, release, [[choice("cat")]] * 30)
    one, two = tasks[3]["data"], tasks[4]["data"]
    one["content"], two["content"] = two["content"], one["content"]
    path = tmp_path / "export.json"
    path.write_text(json.dumps(tasks))
    with pytest.raises(
        InvalidInput, match=r"2 answers are refused(.|\n)*line 4, column `content`, item(.|\n)*not what was shown"
    ):
        take(contract, store, path, "pat", AT)
    assert stored(contract, store, release) == {}


def shifted(rows, column):
    return [row | {column: rows[place - 1][column]} for place, row in enumerate(rows)]


def resorted(rows, column):
    values = sorted(row[column] for row in rows)
    return [row | {column: value} for row, value in zip(rows, values, strict=True)]


@pytest.mark.parametrize("disorder", [shifted, resorted])
@pytest.mark.parametrize("column", ["item", "content", "proof"])
def test_columns_that_moved_by_themselves_are_refused_as_a_whole(texts, tmp_path, disorder, column):
    contract, store, release = texts
    rows = [row | {"answer": "cat"} for row in tasks_csv(contract, store, release)]
    with pytest.raises(
        InvalidInput, match=r"refused, so none of the file counts\.\nline \d+, column `\w+`, item .*shifted"
    ):
        take(contract, store, saved(tmp_path / "filled.csv", disorder(rows, column)), "pat", AT)
    assert samples.answer_keys(contract, store, release) == []


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"content": "another text"}, "not what was shown"),
        ({"proof": "0" * 64}, "proof is not ours"),
        ({"proof": ""}, "has no proof"),
        ({"item": "nobody"}, "not an item of the sample"),
        ({"answer": "ferret"}, "'ferret' is neither a class nor"),
    ],
)
def test_one_row_that_is_wrong_refuses_the_file_and_is_named_with_its_line(pets, tmp_path, changed, reason):
    contract, store, release = pets
    rows = [row | {"answer": "cat"} for row in tasks_csv(contract, store, release)]
    rows[2] |= changed
    named = f"line 4, column `{next(iter(changed))}`, item '{rows[2]['item']}'.*{reason}"
    with pytest.raises(InvalidInput, match=f"1 answers are refused(.|\n)*{named}"):
        take(contract, store, saved(tmp_path / "filled.csv", rows), "pat", AT)
    assert stored(contract, store, release) == {}


def test_tasks_of_another_release_are_refused(pets, put, tmp_path):
    """Its own name is in the proof: a release's tasks can't be passed off as another's, nor both come in one file."""
    contract, store, release = pets
    put(store, contract, GOOD.replace("\ni", "\nj"), delivery="d2")
    other = drawn(contract, store, "run2")
    rows = [row | {"answer": "cat"} for row in tasks_csv(contract, store, release)]
    renamed = [row | {"release": other} for row in rows]
    with pytest.raises(InvalidInput, match="not an item of the sample"):
        take(contract, store, saved(tmp_path / "a.csv", renamed), "pat", AT)
    both = rows + tasks_csv(contract, store, other)
    with pytest.raises(InvalidInput, match="tasks of several releases"):
        take(contract, store, saved(tmp_path / "b.csv", both), "pat", AT)
    lost = [row | {"release": "r0009-00000000"} for row in rows]
    with pytest.raises(InvalidInput, match="no sample of release r0009-00000000"):
        take(contract, store, saved(tmp_path / "c.csv", lost), "pat", AT)
    assert stored(contract, store, release) == stored(contract, store, other) == {}


def test_the_same_answers_twice_count_once(pets, tmp_path):
    contract, store, release = pets
    rows = tasks_csv(contract, store, release)
    half = [row | {"answer": "dog"} for row in rows[:4]] + rows[4:]
    assert take(contract, store, saved(tmp_path / "half.csv", half), "pat", AT).new == 4
    whole = [row | {"answer": "DOG "} for row in rows]
    told = take(contract, store, saved(tmp_path / "whole.csv", whole + whole[:2]), "pat", AT)
    assert (told.new, told.already) == (4, 4)
    assert take(contract, store, tmp_path / "whole.csv", "pat", AT).new == 0
    assert len(samples.answer_keys(contract, store, release)) == 2


def test_another_answer_needs_correct_and_the_older_one_is_kept(pets, tmp_path):
    contract, store, release = pets
    rows = [row | {"answer": "dog"} for row in tasks_csv(contract, store, release)]
    take(contract, store, saved(tmp_path / "a.csv", rows), "pat", AT)
    rows[0]["answer"], item = "can't tell", rows[0]["item"]
    with pytest.raises(InvalidInput, match=r"was answered 'dog' before and is can't tell now.*--correct"):
        take(contract, store, saved(tmp_path / "b.csv", rows), "sam", AT)
    told = take(contract, store, tmp_path / "b.csv", "sam", AT, correct=True)
    assert (told.new, told.corrected, told.already) == (1, 1, 7)
    assert stored(contract, store, release)[item] is None
    keys = samples.answer_keys(contract, store, release)
    kept = [samples.AnswersFile.model_validate_json(store.read(key)) for key in keys]
    assert [(entry.by, len(entry.answers)) for entry in kept] == [("pat", 8), ("sam", 1)]


def test_two_answers_for_one_item_in_a_file_are_refused(pets, tmp_path):
    contract, store, release = pets
    rows = [row | {"answer": "dog"} for row in tasks_csv(contract, store, release)]
    with pytest.raises(InvalidInput, match="has two answers in this file"):
        take(contract, store, saved(tmp_path / "a.csv", [*rows, rows[0] | {"answer": "cat"}]), "pat", AT)


@pytest.mark.parametrize(
    "content", [b"", b"item,label\n1,cat\n", b"\x00\x01\xff", b"{}", b"[1]", b"[{", b'[{"data": {"item": 1}}]']
)
def test_other_files_are_refused_with_what_to_hand_in(pets, tmp_path, content):
    contract, store, _ = pets
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(InvalidInput, match=r"tasks\.csv|JSON"):
        take(contract, store, tmp_path / "x", "pat", AT)


ODD = st.one_of(
    st.text(st.characters(codec=None), max_size=20),  # lone surrogates and NUL, too
    st.sampled_from(
        ["\ud800", "\x00", "ü" * 64, "f" * 5000, "../../keys", "r0001-" + "0" * 400, " ", "=1+1", "\u202e"]
    ),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.dictionaries(st.sampled_from(["release", "item", "content", "proof", "answer"]), ODD, min_size=1))
@pytest.mark.parametrize("form", ["csv", "json"])
def test_whatever_stands_in_a_file_of_answers_it_is_taken_or_refused_with_line_and_column(
    texts, tmp_path, form, changes
):
    """Never a traceback: a proof that is not ASCII, a release's name with NUL or of 5,000 letters, half a character."""
    contract, store, release = texts
    rows = [row | {"answer": "cat"} for row in tasks_csv(contract, store, release)]
    rows[2] = rows[2] | changes
    if form == "csv":
        path = tmp_path / "odd.csv"
        text = safe_csv(list(rows[0]), [tuple(row.values()) for row in rows[:0]]).decode()
        lines = io.StringIO()
        writer = csv.DictWriter(lines, list(rows[0]))
        writer.writerows(rows)
        path.write_bytes(text.encode() + lines.getvalue().encode("utf-8", "surrogatepass"))
    else:
        path = tmp_path / "odd.json"
        tasks = [{"data": row, "annotations": [choice(row["answer"])]} for row in rows]
        path.write_text(json.dumps(tasks))
    said = "line 4, column `answer`"
    try:
        take(contract, store, path, "pat", AT)
    except InvalidInput as error:
        said = str(error)
    assert said.encode(), "it can be printed"
    assert re.search(r"line \d+, column `\w+`|of several releases|can't be read as CSV|is no text", said)


def test_names_that_are_no_text_are_escaped(pets, tmp_path):
    """A file's name, or a person's, in bytes that are no UTF-8, as an old file system has them."""
    contract, store, release = pets
    rows = [row | {"answer": "cat"} for row in tasks_csv(contract, store, release)]
    path = saved(tmp_path / os.fsdecode(b"l\xf6sung.csv"), rows)
    take(contract, store, path, os.fsdecode(b"J\xf6rg"), AT)
    (key,) = samples.answer_keys(contract, store, release)
    kept = samples.AnswersFile.model_validate_json(store.read(key))
    assert (kept.by, kept.source) == ("J\\xf6rg", "l\\xf6sung.csv")


def test_pictures_are_shown_as_png(make_contract):
    import pandas as pd

    contract = make_contract(
        columns={"item": {}, "label": {}, "pixels": {"type": "vector", "length": 4}},
        predictions={"source": "pixels", "column": "pixels", "shape": [2, 2]},
    )
    shown = task_files.contents(contract, pd.DataFrame({"pixels": [[0.0, 255.0, 255.0, 0.0]]}))
    assert shown[0].startswith("data:image/png;base64,")
    assert "<Image" in task_files.labeling_config(contract)


def invoke(store: Store, contracts: Path, *arguments: str) -> Any:
    result = CliRunner().invoke(app, [*arguments, "--store", store.uri, "--contracts", str(contracts), "--json"])
    assert result.exception is None, result.exception
    return json.loads(result.stdout)


def test_the_command_line_from_plan_to_rates(make_contract, folder_store, put, tmp_path):
    """A contract without human audit: `plan --rows --to` draws from what is published, and the answers count."""
    contract, contracts = make_contract(), tmp_path / "contracts"
    put(folder_store, contract, GOOD)
    release = audit(contract, folder_store).release.release
    first = invoke(folder_store, contracts, "defects", "acme/pets")
    assert first["rates"] == []
    assert len(first["model_based_range"]) == 3
    offered = invoke(folder_store, contracts, "plan", "acme/pets", "--rows", "12")
    assert (offered["rows"], offered["files"], offered["half_width"]) == (12, [], 0)
    written = invoke(folder_store, contracts, "plan", "acme/pets", "--rows", "12", "--to", str(tmp_path / "out"))
    assert (written["release"], written["tasks"]) == (release, 12)
    rows = tasks_csv(contract, folder_store, release)
    assert (tmp_path / "out" / "tasks.csv").read_bytes().count(b"\r\n") == 13
    path = saved(tmp_path / "filled.csv", [row | {"answer": "cat"} for row in rows])
    assert invoke(folder_store, contracts, "answers", str(path), "--to", "acme/pets", "--by", "pat")["new"] == 12
    shown = invoke(folder_store, contracts, "defects", "acme/pets", "--by", "release")
    dogs = sum(line.split(",")[2] == "dog" for line in GOOD.splitlines()[1::3])
    assert [(rate["defects"], rate["low"], rate["high"]) for rate in shown["rates"]] == [(dogs, dogs / 12, dogs / 12)]
    assert "model_based_range" not in shown


def test_task_files_with_answers_are_not_overwritten(pets, tmp_path):
    contract, store, _ = pets
    (tmp_path / "mine.csv").write_text("my answers")
    arguments = ["plan", contract.id, "--to", str(tmp_path / "mine.csv"), "--store", store.uri]
    result = CliRunner().invoke(app, [*arguments, "--contracts", str(tmp_path / "contracts")])
    assert isinstance(result.exception, InvalidInput)
    assert "is there already" in str(result.exception)
    assert (tmp_path / "mine.csv").read_text() == "my answers"


def test_the_plan_of_an_acceptance_states_its_exact_risks(make_contract, folder_store, put, tmp_path):
    terms = {"by": "single", "producer": {"rate": 0.05, "risk": 0.1}, "consumer": {"rate": 0.3, "risk": 0.1}}
    contract = make_contract(acceptance=terms)
    put(folder_store, contract, GOOD)
    drawn(contract, folder_store)
    (offered,) = invoke(folder_store, tmp_path / "contracts", "plan", "acme/pets", "--acceptance")
    assert (offered["delivery"], offered["lot_items"], offered["n"], offered["accept"]) == ("alder/d1", 12, 5, 0)
    # none of 12 is defective at 5 %; four are at 30 %: C(8, 5) / C(12, 5) = 56 / 792
    assert offered["producer_risk"] == pytest.approx(0)
    assert offered["consumer_risk"] == pytest.approx(56 / 792)


def test_a_safe_csv_of_ours_reads_back_as_it_was(texts, tmp_path):
    """The file that the store holds, with answers in it, byte for byte as we would write it."""
    contract, store, release = texts
    tasks = task_files.read_tasks(store, samples.prefix(contract, release)).values()
    rows = [(n, task.release, task.item, task.content, "=dog", task.proof) for n, task in enumerate(tasks, 1)]
    (tmp_path / "filled.csv").write_bytes(safe_csv(task_files.COLUMNS, rows))
    assert take(contract, store, tmp_path / "filled.csv", "pat", AT).new == 30
    assert set(stored(contract, store, release).values()) == {"=dog"}
