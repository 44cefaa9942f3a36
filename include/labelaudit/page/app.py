"""The FastAPI application of the page. It knows no user: `viewer` says what the person who asks may see, and Airflow
answers that; `dependencies` keep out who may not see the page at all.

Nobody learns whether a dataset exists that they may not read: its addresses are as unknown as one that never was, and
the permission is asked before anything is read.
"""

# No `from __future__ import annotations`: FastAPI could not resolve the names that only `create_app` has.
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse

from labelaudit.contracts.model import Contract
from labelaudit.contracts.reading import read_contracts
from labelaudit.errors import StorageUnavailable
from labelaudit.judge.stream_words import rate_of
from labelaudit.page import state
from labelaudit.page.viewer import Viewer
from labelaudit.rejects.words import title
from labelaudit.rendering import charts
from labelaudit.rendering.markup import environment
from labelaudit.storage import layout, release_log
from labelaudit.storage.store import Store

TEMPLATES = Path(__file__).parent / "templates"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
DATASET = "/datasets/{customer}/{dataset}"


def create_app(
    contracts: Callable[[], Path],
    store: Callable[[], Store],
    destination: Callable[[Contract], Store],
    viewer: Callable[..., Viewer],
    require: Callable[[Contract], None],
    dependencies: Sequence[Any],
) -> FastAPI:
    """The app. The first three callables are asked at each request, so that a new contract shows at once.

    viewer: a dependency in FastAPI's sense, which gives the person who asks. require: raises ContractError for a
    contract that reads well, but can't be run.
    """
    app = FastAPI(title="Labelaudit", dependencies=list(dependencies), docs_url=None, redoc_url=None, openapi_url=None)
    app.exception_handler(StorageUnavailable)(_store_does_not_answer)

    def readable(customer: str, dataset: str, person: Annotated[Viewer, Depends(viewer)]) -> Contract:
        if person.may_read(customer, dataset):
            for contract in read_contracts(contracts())[0]:
                if (contract.customer, contract.dataset) == (customer, dataset):
                    return contract
        raise HTTPException(404)

    Person = Annotated[Viewer, Depends(viewer)]
    Readable = Annotated[Contract, Depends(readable)]

    def editable(contract: Readable, person: Person) -> Contract:
        if person.may_edit(contract.customer, contract.dataset):
            return contract
        raise HTTPException(404)

    def page(request: Request, template: str, **values: Any) -> HTMLResponse:
        top = request.scope.get("root_path", "").rstrip("/")
        page_template = environment(TEMPLATES).get_template(template)
        return HTMLResponse(
            page_template.render(top=top, charts=charts, title=title, rate_of=rate_of, **values), headers=HEADERS
        )

    @app.get("/", response_class=HTMLResponse)
    def overview(request: Request, person: Person) -> HTMLResponse:
        datasets, broken = state.all_datasets(contracts(), store(), destination, person, require)
        return page(request, "overview.html", datasets=datasets, broken=broken)

    @app.get(DATASET, response_class=HTMLResponse)
    def dataset(request: Request, contract: Readable, person: Person) -> HTMLResponse:
        internal = person.may_edit(contract.customer, contract.dataset)
        shown = state.dataset_state(contract, store(), destination, internal)
        return page(request, "dataset.html", dataset=shown)

    @app.get(DATASET + "/releases/{release}", response_class=HTMLResponse)
    def release(contract: Readable, release: str, person: Person) -> HTMLResponse:
        _require_safe(release)
        if person.may_edit(contract.customer, contract.dataset):
            key = layout.internal_report(contract.customer, contract.dataset, release)
            if store().exists(key):
                return _stored(store(), key)
        published = destination(contract)
        if release not in {entry.release for entry in release_log.log(published)}:
            raise HTTPException(404)
        return _stored(published, layout.release(release) + "report.html")

    @app.get(DATASET + "/rejections/{vendor}/{delivery}/{digest}", response_class=HTMLResponse)
    def rejection(
        contract: Annotated[Contract, Depends(editable)], vendor: str, delivery: str, digest: str
    ) -> HTMLResponse:
        _require_safe(vendor, delivery, digest)
        prefix = layout.rejection(contract.customer, contract.dataset, vendor, delivery, digest)
        return _stored(store(), prefix + "rejection.html")

    return app


def _stored(store: Store, key: str) -> HTMLResponse:
    try:
        return HTMLResponse(store.read(key), headers=HEADERS)
    except KeyError as error:
        raise HTTPException(404) from error


def _require_safe(*parts: str) -> None:
    if not all(map(layout.is_safe_part, parts)):
        raise HTTPException(404)


def _store_does_not_answer(request: Request, error: Exception) -> HTMLResponse:
    return HTMLResponse("The store does not answer. Try again in a minute.", 503, HEADERS)
