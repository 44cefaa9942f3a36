"""Takes the pages' pictures again (`make pictures`): the demo's report, the page, Airflow's grid and trigger form."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from benchmarks.airflow_server import Airflow, airflow_server
from labelaudit.contracts.model import Contract
from labelaudit.contracts.reading import read_contract
from labelaudit.receive import delivering
from labelaudit.run import steps
from labelaudit.run.whole_run import whole_run
from labelaudit.storage import release_log
from labelaudit.storage.layout import release
from labelaudit.storage.opening import open_store
from labelaudit.storage.store import Store

PROJECT = Path(__file__).resolve().parents[1]
DAG = "audit__northwind__digits"


def main() -> None:
    home = Path(tempfile.mkdtemp(prefix="labelaudit-pictures-"))
    try:
        subprocess.run([sys.executable, "-m", "labelaudit_airflow.demo_run", str(home)], check=True)
        with airflow_server(home, {"PYTHONPATH": str(PROJECT / "include")}, [DAG]) as airflow, sync_playwright() as p:
            airflow.finished(DAG, airflow.trigger(DAG))
            path = shutil.which("chromium") or shutil.which("google-chrome")
            browser = p.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
            take(browser.new_page(viewport={"width": 1280, "height": 860}), airflow, home)
            browser.close()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def take(page: Page, airflow: Airflow, home: Path) -> None:
    contract = read_contract(PROJECT / "include" / "contracts" / "northwind" / "digits.yaml")
    store = open_store(f"file://{home / 'store'}")
    destination = steps.open_destination(contract, store)
    last = release_log.log(destination)[-1].release
    page.goto(destination.uri_of(release(last) + "report.html"))
    page.screenshot(path=PROJECT / "docs" / "report.png")
    page.locator("h2", has_text="worst").or_(
        page.locator("h2", has_text="likely wrong")
    ).first.scroll_into_view_if_needed()
    page.screenshot(path=PROJECT / "docs" / "report-items.png")
    page.goto(rejection_report(store))
    page.screenshot(path=PROJECT / "docs" / "rejection.png")
    page.goto(docstrings_report(store))
    page.locator("section", has=page.locator("h2", has_text="The dataset")).screenshot(
        path=PROJECT / "docs" / "report-dataset.png"
    )
    page.goto(airflow.url)
    page.fill("input[name=username]", airflow.user)
    page.fill("input[name=password]", airflow.password)
    page.keyboard.press("Enter")
    page.wait_for_timeout(3000)
    page.goto(f"{airflow.url}/plugin/labelaudit")
    page.wait_for_timeout(4000)
    page.screenshot(path=PROJECT / "docs" / "page.png")
    page.goto(f"{airflow.url}/dags/{DAG}")
    page.get_by_text("record_rejections").first.wait_for()
    page.wait_for_timeout(2000)
    page.screenshot(path=PROJECT / "docs" / "grid.png")
    page.get_by_role("button", name="Trigger").first.click()
    page.wait_for_timeout(2500)
    page.screenshot(path=PROJECT / "docs" / "trigger.png")


ROWS = [f"img-{i:03},{who},{'cat' if i % 3 else 'dog'},{i % 40 + 1}.5" for i in range(40) for who in ("ann", "bob")]
FAULTS = {
    4: "img-002,ann,cat",
    9: "img-004,bob,cat, striped,12.5",
    15: "img-007,bob,cat,n/a",
    17: 'img-008,bob,"cat,4.5',
    30: "item,annotator,label,seconds",
    41: ",bob,cat,2.5",
    50: "img-025,ann,kitten,2.5",
    60: "img-030,ann,cat,0.1",
}


def rejection_report(store: Store) -> str:
    """The report of a delivery with one fault of each of many kinds."""
    contract = Contract(
        customer="acme",
        dataset="pets",
        task="classification",
        classes=("cat", "dog"),
        columns={"item": {}, "annotator": {}, "label": {}, "seconds": {"type": "number"}},
        vendors={"alder": {"format": "csv"}},
        predictions={"source": "none"},
        checks=[{"type": "expect_column_values_to_be_between", "kwargs": {"column": "seconds", "min_value": 0.3}}],
    )
    rows = ["item,annotator,label,seconds", *(FAULTS.get(number, row) for number, row in enumerate(ROWS))]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels.csv"
        path.write_text("\n".join(rows) + "\n")
        delivering.deliver(store, "acme", "pets", "alder", "2026-11-24", [path])
    whole_run(contract, store, store.below("published/pictures"), "pictures")
    key = next(key for key in store.list("rejections/acme/pets/") if key.endswith("rejection.html"))
    return store.uri_of(key)


def docstrings_report(store: Store) -> str:
    """A release of all 14 days at once: there is more to say of 2,000 items than of a day's."""
    contract = read_contract(PROJECT / "include" / "contracts" / "lexicon" / "docstrings.yaml")
    destination = store.below("published/all-at-once")
    made = whole_run(contract, store, destination, "pictures", again=True)
    return made.release.report


if __name__ == "__main__":
    main()
