"""Who holds a person's name, and is not changed: what was published, vendors' files, ids; only looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from labelaudit.contracts.model import Contract
from labelaudit.errors import AccessDenied, DeliveryRejected, NotAFile
from labelaudit.storage import layout, release_log
from labelaudit.storage.files import scratch
from labelaudit.storage.store import Store
from labelaudit.upkeep.rewriting import strings
from labelaudit.upkeep.spelling import Person
from labelaudit.values.value import Value

DAY_SECONDS = 86_400
FIXED = "in an id, or in what an item holds"
TASK_FILES = ("/tasks.csv", "/tasks.json", "/labeling_config.xml")


class Left(Value):
    """One file that holds the name still. place: `published` (the customer's), `inbox` (the vendor's), `contract`, or
    `ours`, where the name is part of an id, or of what an item holds."""

    place: Literal["published", "inbox", "contract", "ours"]
    uri: str
    release: str = ""
    rows: int = 0
    note: str = ""


def is_fixed(key: str) -> bool:
    """Whether an object of ours stays as it is: what people were shown is signed, and answers are held against it."""
    return key.startswith("audits/") and key.endswith(TASK_FILES)


def holds(store: Store, key: str, person: Person) -> bool:
    """Whether an object's content has the name anywhere: Parquet is read, the rest is searched as bytes."""
    try:
        with store.local(key) as path:
            if not key.endswith(".parquet"):
                return person.is_in_bytes(path.read_bytes())
            return any(person.is_in(text) for text in _parquet_texts(path))
    except (KeyError, NotAFile, AccessDenied):
        return False


def _parquet_texts(path) -> Iterator[str]:
    with pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            for column in file.read_row_group(number).columns:
                yield from strings(column)


def in_contract(contract: Contract, person: Person) -> Iterator[Left]:
    """The contract itself, where it names the person: every report quotes its checks."""
    if not person.is_ambiguous and person.is_in(contract.model_dump_json()):
        note = "names the person: mend it, or the next report does"
        yield Left(place="contract", uri=f"{contract.id}.yaml", note=note)


def ours(store: Store, customer: str, dataset: str, person: Person) -> Iterator[Left]:
    """What of ours has the name in an id, a path, or the content of an item. Of a name that is also a word or a
    number nothing can be told."""
    if person.is_ambiguous:
        return
    names = f"{customer}/{dataset}"
    tops = ("history", "runs", "reports", "rejections", "rejects", "judged", "audits", "alerts", "ready", "held")
    keys = [key for top in (*tops, "gold", "sealed") for key in store.list(f"{top}/{names}/")]
    keys += store.list("alerts/labelaudit/all/")
    keys += [
        key for key in (layout.looks(customer, dataset), layout.open_incidents(customer, dataset)) if store.exists(key)
    ]
    for key in keys:
        if holds(store, key, person):
            of_table = key.startswith(("rejects/", "judged/"))
            note = f"{FIXED}; or of a writer that was killed: then call this again in a day" if of_table else FIXED
            yield Left(place="ours", uri=store.uri_of(key), note=note)
        elif person.is_in(key):
            yield Left(place="ours", uri=store.uri_of(key), note="in its own name")


def inbox(store: Store, customer: str, dataset: str, person: Person, contract: Contract | None) -> Iterator[Left]:
    """Vendors' files that hold the name."""
    for vendor in store.folders("inbox/"):
        if person.vendor not in (None, vendor):
            continue
        prefix = layout.inbox(vendor, customer, dataset)
        for key, entry in store.entries(prefix).items():
            if entry.problem:
                yield Left(place="inbox", uri=store.uri_of(key), note=f"could not be read: it is {entry.problem}")
            elif note := _in_delivered(store, key, vendor, person, contract):
                yield Left(place="inbox", uri=store.uri_of(key), note=note)


def _in_delivered(store: Store, key: str, vendor: str, person: Person, contract: Contract | None) -> str:
    """What is to be said of a vendor's file; empty: nothing."""
    with scratch() as folder:
        path = folder / "file"
        try:
            store.download(key, path)
        except (KeyError, NotAFile):
            return ""
        except AccessDenied:
            return "could not be read: we may not"
        content = path.read_bytes()
        if person.is_in_bytes(content):
            return "holds the name"
        if not _is_packed(content):
            return ""
        if contract is None or vendor not in contract.vendors:
            return "could not be read: no contract says how"
        from labelaudit import readers
        from labelaudit.stage.staging import terms_for

        name = key.removeprefix(layout.inbox(vendor, contract.customer, contract.dataset)).partition("/")[2]
        try:
            with readers.Worker() as worker:
                for batch in worker.read(path, terms_for(contract, vendor, name)):
                    if any(person.is_in(reject.text) for reject in batch.rejects) or any(
                        person.is_in(text) for column in batch.rows.columns for text in strings(column)
                    ):
                        return "holds the name"
        except DeliveryRejected as error:
            return f"could not be read: {error.code}"
    return ""


def _is_packed(content: bytes) -> bool:
    """Whether a file is no plain text: its bytes say nothing of the texts in it."""
    try:
        return b"\0" in content or not content.decode("utf-8")
    except UnicodeDecodeError:
        return True


def published(destination: Store, person: Person, hashed: str | None) -> Iterator[Left]:
    """The customer's files that hold the name, or its hash, by release: old versions of the tables too."""
    folders = {logged.folder or logged.release: logged.release for logged in release_log.log(destination)}
    as_seen = [person, *([Person(hashed, "", person.vendor)] if hashed else [])]
    for key in destination.list(""):
        parts = key.split("/")
        of_person: Counter = Counter()
        if parts[0] == layout.ANNOTATIONS and key.endswith(".parquet") and "_delta_log" not in parts:
            of_person = _annotated(destination, key, as_seen)
        for release, rows in of_person.items():
            yield Left(place="published", uri=destination.uri_of(key), release=release, rows=rows)
        if not of_person and any(holds(destination, key, name) for name in as_seen if not name.is_ambiguous):
            release = folders.get(parts[1], "") if parts[0] == "releases" else ""
            yield Left(place="published", uri=destination.uri_of(key), release=release)


def _annotated(destination: Store, key: str, as_seen: list[Person]) -> Counter:
    """Rows by release of a data file of `annotations` that are the person's."""
    of_release: Counter = Counter()
    names = pa.array([name.name for name in as_seen], pa.string())
    with destination.local(key) as path, pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            rows = file.read_row_group(number, columns=["annotator", "vendor", "release"])
            rows = rows.filter(pc.fill_null(pc.is_in(rows["annotator"].cast(pa.string()), names), False))
            vendor = as_seen[0].vendor
            if vendor is not None:
                rows = rows.filter(pc.equal(rows["vendor"].cast(pa.string()), vendor))
            of_release.update(rows["release"].to_pylist())
    return of_release


def under_way(store: Store, customer: str, dataset: str, now: float) -> tuple[str, ...]:
    """Runs that may write the name once more: those that are held, and those at work within the last day that no
    release came of."""
    held = {key.rsplit("/", 1)[1].removesuffix(".json") for key in store.list(layout.waiting_runs(customer, dataset))}
    prefix = layout.runs(customer, dataset)
    history = layout.history(customer, dataset)
    ended = {store.sha256(key) for key in store.list(history)}
    entries = store.entries(prefix)
    recent = {
        key.removeprefix(prefix).split("/")[0] for key, entry in entries.items() if entry.modified > now - DAY_SECONDS
    }
    for run in list(recent):
        made = f"{prefix}{run}/annotations.parquet"
        if made in entries and store.sha256(made) in ended:
            recent.discard(run)
    return tuple(sorted(recent | held))
