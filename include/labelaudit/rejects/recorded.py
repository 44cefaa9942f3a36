"""Rejections as the store keeps them, beyond the run that made them: the value, and the vendor's report and rejects."""

from __future__ import annotations

from contextlib import suppress

from labelaudit.contracts.model import Contract
from labelaudit.rejects.history import write_rejects_csv
from labelaudit.storage import layout
from labelaudit.storage.store import Store
from labelaudit.values.deliveries import CheckedDelivery, Delivery

RECORD = "rejection.json"


def record_rejection(contract: Contract, checked: CheckedDelivery, store: Store) -> None:
    """Keep the rejection beyond its run: the value, and the vendor's report and rejects beside it."""
    prefix = prefix_of(checked.delivery)
    if checked.report:
        folder = checked.report.rsplit("/", 1)[0] + "/"
        for key in store.list(folder):
            if key.endswith((".html", ".csv")):
                store.write(prefix + key.removeprefix(folder), store.read(key))
    store.write(prefix + RECORD, checked.model_dump_json(indent=2).encode())


def record_acceptance(checked: CheckedDelivery, store: Store) -> None:
    """Give the vendor the rejects of an accepted delivery; it no longer counts as rejected, if it did before."""
    prefix = prefix_of(checked.delivery)
    store.delete(prefix + RECORD)
    store.delete(prefix + "rejection.html")
    if checked.rejects:
        write_rejects_csv(checked, store, prefix + "rejects.csv")
    else:
        store.delete(prefix + "rejects.csv")


def rejections(contract: Contract, store: Store) -> list[tuple[str, CheckedDelivery]]:
    """All recorded rejections of a dataset with the key prefix of their files, sorted by vendor and id."""
    rejections = []
    for key in store.list(layout.rejections(contract.customer, contract.dataset)):
        if key.endswith("/" + RECORD):
            with suppress(KeyError):  # accepted since it was listed
                rejections.append((key.removesuffix(RECORD), CheckedDelivery.model_validate_json(store.read(key))))
    return rejections


def prefix_of(delivery: Delivery) -> str:
    """Where the records of a delivery's rejection lie."""
    return layout.rejection(delivery.customer, delivery.dataset, delivery.vendor, delivery.id, delivery.digest)
