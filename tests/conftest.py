"""Fixtures of all tests: stores (a folder, and a bucket of a moto server), contracts, deliveries."""

# ruff: noqa: E402 - numpy reads the number of its threads as it is loaded

from __future__ import annotations

import os
import sys

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # with tests side by side, waiting for each other's threads
    os.environ.setdefault(name, "1")  # took twenty times the work of the matrices

import atexit
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
import yaml
from fault_proxy import Proxy, fault_proxy
from playwright.sync_api import sync_playwright

from benchmarks import public_data
from benchmarks.processes import BROWSER_MILLISECONDS
from benchmarks.s3_server import s3_server
from labelaudit.contracts.model import Contract
from labelaudit.contracts.reading import read_contract
from labelaudit.receive import choosing, delivering
from labelaudit.regressions import thresholds
from labelaudit.rejects import recorded
from labelaudit.run import steps
from labelaudit.run.whole_run import whole_run
from labelaudit.stage import staging
from labelaudit.storage.opening import open_store
from labelaudit.storage.store import Store
from labelaudit.values.deliveries import CheckedDelivery
from labelaudit.values.verdicts import Outcome
from labelaudit_airflow import local

PROJECT = Path(__file__).resolve().parents[1]
HOME = Path(tempfile.mkdtemp(prefix="labelaudit-tests-"))  # each process its own, so that several may run at a time
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
local.enter(HOME, LABELAUDIT_CONTRACTS=str(PROJECT / "include" / "contracts"))  # before anything imports Airflow

hypothesis.settings.register_profile("patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("patient")  # no example is wrong because the machine did something else

MARKED_BY_FIXTURE = {"browser": {"browser"}, "server": {"s3", "proxy", "bucket"}}
"""Markers that a test has by what it asks for; the others stand beside it."""
LONG = (
    "test_lost_commits.py",
    "test_publishing.py",
    "test_whole_run.py",
    "test_cli.py",
    "test_regressions.py",
    "test_measuring.py",
    "test_sampling.py",
    "test_without_airflow.py",
)
"""Files of half a minute and more: begun last, one of them would run alone at the end."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a browser or a server, and begin with the files that take longest: Airflow's, and LONG."""
    for item in items:
        given = item.callspec.params.values() if hasattr(item, "callspec") else ()
        asked = {*item.fixturenames, *(one for one in given if isinstance(one, str))}
        for marker, fixtures in MARKED_BY_FIXTURE.items():
            if fixtures & asked:
                item.add_marker(marker)
    first = {item.path: 0 for item in items if item.get_closest_marker("airflow") and item.get_closest_marker("server")}
    first |= {item.path: 1 for item in items if item.get_closest_marker("airflow") and item.path not in first}
    first |= {item.path: 2 for item in items if item.path not in first and item.path.name in LONG}
    items.sort(key=lambda item: first.get(item.path, 3))


@pytest.fixture(autouse=True)
def airflow_is_marked(request: pytest.FixtureRequest) -> Iterator[None]:
    """`make test-fast` imports no Airflow: who does says so by the marker."""
    before = "airflow" in sys.modules
    yield
    if not (before or request.node.get_closest_marker("airflow")):
        assert "airflow" not in sys.modules, "it imports Airflow: mark it"


TERMS: dict[str, Any] = {
    "task": "classification",
    "classes": ["cat", "dog"],
    "columns": {"item": {}, "annotator": {}, "label": {}},
    "vendors": {"alder": {"format": "csv"}, "birch": {"format": "jsonl"}},
    "predictions": {"source": "none"},
    "tolerance": {"rejected_rows_rate": 0.5},
    "schedule": None,
}


@pytest.fixture(scope="session")
def s3() -> Iterator[dict[str, str]]:
    """A moto server as its own process; gives the environment that leads to it."""
    with s3_server("store", "customer") as environment:
        yield environment


@pytest.fixture
def folder_store(tmp_path: Path) -> Store:
    return open_store(f"file://{tmp_path / 'store'}")


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The same test on a folder and on a bucket."""
    if request.param == "folder":
        return open_store(f"file://{tmp_path / 'store'}")
    for name, value in request.getfixturevalue("s3").items():
        monkeypatch.setenv(name, value)
    return open_store(f"s3://store/{os.urandom(6).hex()}")


@pytest.fixture(scope="module")
def proxy(s3) -> Iterator[Proxy]:
    with fault_proxy(s3["AWS_ENDPOINT_URL"]) as running:
        yield running


@pytest.fixture
def bucket(proxy, s3, monkeypatch) -> Iterator:
    """A fresh prefix of a bucket behind the proxy, as often as it is asked for."""
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    yield lambda: open_store(f"s3://customer/{os.urandom(6).hex()}", {"endpoint_url": proxy.url})
    proxy.arm()


@pytest.fixture
def make_contract(tmp_path: Path) -> Callable[..., Contract]:
    """A contract from TERMS with some of them changed."""

    def make(name: str = "acme/pets", **changed: Any) -> Contract:
        path = tmp_path / "contracts" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump({**TERMS, **changed}, allow_unicode=True), encoding="utf-8")
        return read_contract(path)

    return make


@pytest.fixture
def put(tmp_path: Path) -> Callable[..., None]:
    """Deliver a text or bytes as one file."""

    def deliver(
        store: Store,
        contract: Contract,
        content: str | bytes,
        vendor: str = "alder",
        delivery: str = "d1",
        name: str = "labels.csv",
        **arguments: Any,
    ) -> None:
        folder = tmp_path / "outbox" / os.urandom(4).hex()
        folder.mkdir(parents=True)
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
        delivering.deliver(store, contract.customer, contract.dataset, vendor, delivery, [folder / name], **arguments)

    return deliver


GOOD = "item,annotator,label\n" + "".join(
    f"i{item},{annotator},{label}\n"
    for item in range(12)
    for annotator, label in (
        ("ann", "cat" if item % 2 else "dog"),
        ("bob", "cat" if item % 2 else "dog"),
        ("cyd", "cat" if item % 3 else "dog"),
    )
)
"""Thirty-six labels of twelve items by three annotators."""


def audit(contract: Contract, store: Store, run: str = "run", **arguments: Any) -> Outcome:
    """One whole run on what waits in the store."""
    return whole_run(contract, store, steps.open_destination(contract, store), run, **arguments)


@contextmanager
def few_streams() -> Iterator[None]:
    """For tests that do not ask how high a threshold is: of terms without a table it is simulated on a few streams."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(thresholds, "STREAMS", 50)
        yield


class Reading:
    """Runs of one dataset that read the files and go no further: what can be read is taken."""

    def __init__(self, contract: Contract, store: Store):
        self.contract, self.store = contract, store
        self.published: dict[str, str] = {}

    def run(self) -> dict[str, str]:
        """One run: what became of each delivery, by its id."""
        said = {}
        for one in choosing.choose(self.contract, self.store, self.published):
            staged = staging.stage(self.contract, one, self.store, "run")
            said[one.id] = staged.refusal.code if staged.refusal else "taken"
            checked = CheckedDelivery(
                delivery=one,
                accepted=staged.refusal is None,
                delivered_rows=staged.delivered_rows,
                accepted_rows=staged.staged_rows,
                rejected_rows=staged.rejected_rows,
                refusal=staged.refusal,
            )
            if staged.refusal:
                recorded.record_rejection(self.contract, checked, self.store)
            else:
                self.published[one.name] = one.digest
                recorded.record_acceptance(checked, self.store)
        return said


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, as a customer would have it."""
    with sync_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        options = {"args": ["--no-sandbox", "--disable-gpu"], "timeout": BROWSER_MILLISECONDS}
        found = playwright.chromium.launch(executable_path=path, **options)
        made = found.new_context

        def new_context(**settings: Any) -> Any:
            context = made(**settings)
            context.set_default_timeout(BROWSER_MILLISECONDS)
            return context

        found.new_context = new_context
        yield found
        found.close()


PUBLIC = {
    "cifar10n_agg__resnet18": (0.979, 0.80),
    "cifar10s__resnet18": (0.998, 0.96),
    "cifar10s__swin": (0.9995, 0.985),
    "cifar10n_agg__twins": (0.991, 0.88),
}
"""AUROC of the score and F1 of the flags that are never to be lost again."""

needs_public_data = pytest.mark.skipif(not public_data.present(), reason="the public data are not on this machine")


@pytest.fixture(scope="session")
def digits():
    """Digits with 8 % wrong labels, of lookalikes; (labels, pred_probs out of sample, truth)."""
    from sklearn.datasets import load_digits
    from sklearn.kernel_approximation import Nystroem
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict
    from sklearn.pipeline import make_pipeline

    images, truth = load_digits(return_X_y=True)
    rng = np.random.default_rng(3)
    lookalike = np.array([6, 7, 3, 8, 9, 6, 5, 1, 3, 4])
    labels = np.where(rng.random(len(truth)) < 0.08, lookalike[truth], truth)
    model = make_pipeline(Nystroem(n_components=300, gamma=0.3, random_state=0), LogisticRegression(C=3, max_iter=300))
    return labels, cross_val_predict(model, images / 16, labels, cv=5, method="predict_proba"), truth
