"""The FastAPI application of the page. It checks no permission itself: `dependencies` do, and Airflow gives them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse

from labelaudit import layout
from labelaudit.contract import Contract
from labelaudit.contracts import read_contracts
from labelaudit.page import state
from labelaudit.report import charts
from labelaudit.report.pages import environment
from labelaudit.store import Store

TEMPLATES = Path(__file__).parent / "templates"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def create_app(
    contracts: Callable[[], Path],
    store: Callable[[], Store],
    destination: Callable[[Contract], Store],
    dependencies: Sequence[Any],
) -> FastAPI:
    """The app. The three callables are asked at each request, so that a new contract shows at once."""
    app = FastAPI(title="Labelaudit", dependencies=list(dependencies), docs_url=None, redoc_url=None, openapi_url=None)

    def page(request: Request, template: str, **values: Any) -> HTMLResponse:
        top = request.scope.get("root_path", "").rstrip("/")
        found = environment(TEMPLATES).get_template(template)
        return HTMLResponse(found.render(top=top, charts=charts, **values), headers=HEADERS)

    def contract_of(customer: str, dataset: str) -> Contract:
        for contract in read_contracts(contracts())[0]:
            if (contract.customer, contract.dataset) == (customer, dataset):
                return contract
        raise HTTPException(404, "no such dataset")

    def stored(key: str) -> HTMLResponse:
        try:
            return HTMLResponse(store().read(key), headers=HEADERS)
        except KeyError as error:
            raise HTTPException(404, "no such report, or it has expired") from error

    @app.get("/", response_class=HTMLResponse)
    def overview(request: Request) -> HTMLResponse:
        datasets, broken = state.all_datasets(contracts(), store(), destination)
        return page(request, "overview.html", datasets=datasets, broken=broken)

    @app.get("/datasets/{customer}/{dataset}", response_class=HTMLResponse)
    def dataset(request: Request, customer: str, dataset: str) -> HTMLResponse:
        found = state.dataset_state(contract_of(customer, dataset), store(), destination)
        return page(request, "dataset.html", dataset=found)

    @app.get("/datasets/{customer}/{dataset}/releases/{release}", response_class=HTMLResponse)
    def release(customer: str, dataset: str, release: str) -> HTMLResponse:
        contract = contract_of(customer, dataset)
        _require_safe(release)
        return stored(layout.internal_report(contract.customer, contract.dataset, release))

    @app.get("/datasets/{customer}/{dataset}/rejections/{vendor}/{delivery}/{digest}", response_class=HTMLResponse)
    def rejection(customer: str, dataset: str, vendor: str, delivery: str, digest: str) -> HTMLResponse:
        contract = contract_of(customer, dataset)
        _require_safe(vendor, delivery, digest)
        prefix = layout.rejection(contract.customer, contract.dataset, vendor, delivery, digest)
        return stored(prefix + "rejection.html")

    return app


def _require_safe(*parts: str) -> None:
    if not all(map(layout.is_safe_part, parts)):
        raise HTTPException(404, "no such page")
