"""A person is forgotten: an annotator's name in everything of ours becomes an id that leads back to nobody.

Rows stay, under a fresh random id of the dataset's: counts, consensus and what was said of a release can be explained
as before, and the person's labels still are one person's. Which id it was is known only while it is being written
(`forgotten/`, by a keyed hash of the name), so that a forgetting that was killed goes on under the same id.

What is not ours is not touched, but told: what was published, vendors' files, and ids that hold the name.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from labelaudit.contracts.model import Contract
from labelaudit.errors import InvalidInput, NotAFile, StorageUnavailable
from labelaudit.storage import commits, layout, tables
from labelaudit.storage.secret_keys import secret_key
from labelaudit.storage.store import Entry, Store
from labelaudit.upkeep import holders
from labelaudit.upkeep.holders import Left
from labelaudit.upkeep.rewriting import rewritten, rewritten_batch
from labelaudit.upkeep.spelling import Person, words_of
from labelaudit.values.value import Value

PASSES = 5
TRIES = 20


class Place(Value):
    """What was changed below one folder of the store: files, and names (or texts) in them."""

    place: str
    files: int
    values: int


class Forgotten(Value):
    """Of one dataset: what was changed (in a dry run: would be), what holds the name still, and the runs under way,
    which may write it once more."""

    dataset: str
    changed: tuple[Place, ...]
    left: tuple[Left, ...]
    under_way: tuple[str, ...]


@dataclass
class _Sweep:
    """One forgetting in one dataset under way."""

    store: Store
    customer: str
    dataset: str
    person: Person
    protected: Collection[str]
    dry_run: bool
    now: float
    files: Counter = field(default_factory=Counter)
    values: Counter = field(default_factory=Counter)
    seen: dict[str, str] = field(default_factory=dict)

    def once(self) -> bool:
        """Look at every object that changed since the last time; whether the name was in any."""
        before = sum(self.values.values())
        tables_here = {layout.rejects(self.customer, self.dataset), layout.judged(self.customer, self.dataset)}
        for key, entry in self._objects():
            if self.seen.get(key) != entry.version:
                self.seen[key] = self._object(key, entry)
        for name in sorted(tables_here):
            self._table(name)
        return sum(self.values.values()) > before

    def _objects(self) -> Iterator[tuple[str, Entry]]:
        names = (self.customer, self.dataset)
        folders = [make(*names) for make in (layout.history, layout.runs, layout.internal_reports, layout.rejections)]
        folders += [make(*names) for make in (layout.human_audits, layout.alerts, layout.ready, layout.waiting_runs)]
        folders.append(layout.alerts("labelaudit", ""))
        for folder in folders:
            for key, entry in self.store.entries(folder).items():
                if not entry.problem and not holders.is_fixed(key):
                    yield key, entry
        for key, entry in self.store.entries(f"incidents/{self.customer}/").items():
            if key == layout.open_incidents(*names):
                yield key, entry

    def _object(self, key: str, entry: Entry) -> str:
        """Take the name out of one object; gives the version of what was looked at."""
        if not self._is_of_the_vendor(key):
            return entry.version
        for _ in range(TRIES):
            try:
                with self.store.local(key) as path:
                    made = rewritten(key, path, self.person, self.protected)
            except (KeyError, NotAFile):  # expired since it was listed
                return entry.version
            if made.content is None:
                return entry.version
            if self.dry_run or self._put(key, made.content, entry.version):
                place = key.split("/", 1)[0]
                self.files[place] += 1
                self.values[place] += made.values
                return entry.version if self.dry_run else ""  # looked at once more: it may be another's by now
            again = self.store.entries(key.rsplit("/", 1)[0] + "/").get(key)
            if again is None:
                return entry.version
            entry = again
        return ""

    def _put(self, key: str, content: bytes, version: str) -> bool:
        if not content:  # a page that can't be told apart
            self.store.delete(key)
            return True
        return self.store.write_if(key, content, version)

    def _table(self, name: str) -> None:
        """Once more from its beginning, where another forgetting took the version away that was being read."""
        for left in reversed(range(TRIES)):
            try:
                self._rows(name)
                return
            except StorageUnavailable:
                if not left:
                    raise

    def _rows(self, name: str) -> None:
        person, top = self.person, name.split("/", 1)[0]
        names = sum(
            rewritten_batch(batch, person, self.protected)[1]
            for batch in tables.stream(self.store, name, "select * from rows")
        )
        if names and not self.dry_run:
            commits.rewrite_rows(self.store, name, lambda batch: rewritten_batch(batch, person, self.protected)[0])
        old = self._files_of(name)
        if not self.dry_run and (names or old or person.is_ambiguous):
            tables.drop_versions(self.store, name)
            tables.expire_log(self.store, name, self.now - holders.DAY_SECONDS)  # what killed writers left, too
            old -= self._files_of(name)
        if names or old:
            self.files[top] += max(old, 1)
            self.values[top] += names

    def _files_of(self, name: str) -> int:
        """Files of a table, its log and its old versions too, that hold the name; of one that is a word, none can be
        told."""
        if self.person.is_ambiguous:
            return 0
        return sum(holders.holds(self.store, key, self.person) for key in self.store.list(f"{name}/"))

    def _is_of_the_vendor(self, key: str) -> bool:
        """Whether a file may be of the person's vendor: those of one delivery say whose they are."""
        parts = key.split("/")
        place = {"rejections": 3, "runs": 4}.get(parts[0])
        of_one = place is not None and len(parts) > place + 2
        return self.person.vendor is None or not of_one or parts[place] == self.person.vendor

    def result(self, left: tuple[Left, ...], under_way: tuple[str, ...]) -> Forgotten:
        changed = tuple(Place(place=top, files=self.files[top], values=self.values[top]) for top in sorted(self.files))
        return Forgotten(dataset=f"{self.customer}/{self.dataset}", changed=changed, left=left, under_way=under_way)


def forget(
    store: Store,
    customer: str,
    dataset: str,
    annotator: str,
    now: float,
    contract: Contract | None = None,
    destination: Store | None = None,
    vendor: str | None = None,
    dry_run: bool = False,
) -> Forgotten:
    """Take an annotator's name out of everything of ours about a dataset, and tell where else it stands.

    `contract`: None where it is gone; then vendors' files are searched as bytes only. `destination`: None where it
    can't be reached; then nothing is told of it. `vendor`: only rows and files of this one, as far as they say whose
    they are. `now` in seconds since 1970. Safe to repeat, to be killed, and to run beside others and beside runs.
    Raises InvalidInput where the name is empty.
    """
    if not annotator.strip():
        raise InvalidInput("say whom: --annotator is empty")
    note, new = None, "forgotten"
    if not dry_run:
        note, new = _noted(store, customer, dataset, annotator, vendor)
    words = words_of(contract) if contract else {customer, dataset}
    person = Person(annotator, new, vendor, words)
    protected = frozenset(contract.feature_columns) if contract else frozenset()
    sweep = _Sweep(store, customer, dataset, person, protected, dry_run, now)
    for _ in range(1 if dry_run else PASSES):
        if not sweep.once():
            break
    left = [*holders.ours(store, customer, dataset, person), *holders.inbox(store, customer, dataset, person, contract)]
    if contract is not None:
        left += holders.in_contract(contract, person)
    if destination is not None:
        left += holders.published(destination, person, _hashed(store, customer, annotator))
    under_way = holders.under_way(store, customer, dataset, now)
    if note:
        store.delete(note)
    return sweep.result(tuple(left), under_way)


def datasets(store: Store) -> set[tuple[str, str]]:
    """(customer, dataset) of all that the store keeps something of, whether they have a contract or not."""
    return {
        (customer, dataset)
        for top in ("history/", "runs/", "rejections/", "rejects/", "audits/", "reports/", "alerts/")
        for customer in store.folders(top)
        for dataset in store.folders(f"{top}{customer}/")
        if (customer, dataset) != ("labelaudit", "all")
    }


def _noted(store: Store, customer: str, dataset: str, annotator: str, vendor: str | None) -> tuple[str, str]:
    """The key of the note which id is given, and the id: of one that was killed, the one that it gave."""
    secret = secret_key(store, layout.annotator_key(customer))
    told = json.dumps(["forget", annotator, vendor]).encode()
    key = layout.forgotten(customer, dataset, hmac.new(secret, told, hashlib.sha256).hexdigest()[:32])
    for _ in range(TRIES):
        store.put_if_absent(key, f"forgotten-{secrets.token_hex(8)}".encode())
        with suppress(KeyError):  # another has just come to its end
            return key, store.read(key).decode()
    raise InvalidInput(f"others forget the same person in {customer}/{dataset} at this moment; call it again")


def _hashed(store: Store, customer: str, annotator: str) -> str | None:
    """The name as customers see it; None where the customer has never got one."""
    from labelaudit.publish.annotator_names import hashed

    try:
        return hashed(store.read(layout.annotator_key(customer)), annotator)
    except KeyError:
        return None
