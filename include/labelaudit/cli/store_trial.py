"""Is a store fit for it? By trying: what we may do below its root, its clock, and whether its conditions hold.

Everything lies below one folder of its own, which is gone afterwards. No more is asked than runs ask: put, get, head,
delete, and a listing below the root.
"""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pyarrow as pa

from labelaudit.cli.finding import Finding
from labelaudit.errors import AccessDenied, LabelauditError
from labelaudit.storage import commits, delta
from labelaudit.storage.store import Store

MOST_SKEW_SECONDS = 60
RACERS = 8
LOOK = "Look at the URI, the credentials and the rights of this user."
GRANT = "Grant it to this user, below the store's root: on S3 {} (in a folder: its owner's rights)."
TAKE_ANOTHER = "Take a store that knows `{}`, or a newer version of this one."


def try_store(store: Store) -> list[Finding]:
    """What was found, in the order in which it was tried; nothing stays behind.

    Where an object can't be written, nothing else is tried, and tables only where all before them is well.
    """
    folder = f"doctor-{secrets.token_hex(8)}"
    try:
        first = _written(store, f"{folder}/first")
        if first.good is False:
            return [first]
        tried = [first, _listed(store, folder), _if_absent(store, folder), _if_unchanged(store, folder)]
        if all(finding.good for finding in tried):  # else it would try for long, and fail for the same reason
            tried.append(_table(store, folder))
        return [*tried, _deleted(store, folder), _clock(store)]
    finally:
        with suppress(LabelauditError, OSError):
            for key in store.list(f"{folder}/"):
                store.delete(key)
        if store.uri.startswith("file://"):  # folders that are empty now
            shutil.rmtree(Path(unquote(urlsplit(store.uri).path), folder), ignore_errors=True)


def in_one(about: str, findings: list[Finding]) -> Finding:
    """The findings of one store as one line: what is wrong, or that all is well."""
    wrong = [finding for finding in findings if finding.good is False]
    if not wrong:
        return Finding(about, True, "may be written, read, listed and deleted; conditions hold")
    said = "; ".join(f"{finding.about.partition(': ')[2] or 'reached'}: {finding.said}" for finding in wrong)
    return Finding(about, False, said, " ".join(dict.fromkeys(finding.advice for finding in wrong)))


def _guarded(about: str, right: str, does: Callable[[], Finding]) -> Finding:
    """What a trial found; that it was refused, with what to grant; or that the store did not answer."""
    try:
        return does()
    except AccessDenied as error:
        return Finding(about, False, str(error), GRANT.format(right))
    except (LabelauditError, OSError, KeyError) as error:
        return Finding(about, False, f"{type(error).__name__}: {error}", LOOK)


def _written(store: Store, key: str) -> Finding:
    about, content = f"store {store.uri}", secrets.token_bytes(64)

    def does() -> Finding:
        store.write(key, content)
        if store.read(key) != content or not store.exists(key):
            return Finding(about, False, "what was written is not what is read", "Take another store: this one lies.")
        return Finding(about, True, "an object is written and read")

    return _guarded(about, "`s3:PutObject` and `s3:GetObject`", does)


def _listed(store: Store, folder: str) -> Finding:
    about = "store: lists"

    def does() -> Finding:
        keys = store.list(f"{folder}/")
        if keys != [f"{folder}/first"]:
            said = f"what was just written is not in the list: {keys}"
            return Finding(
                about, False, said, "Take a store whose lists are consistent: new deliveries would be missed."
            )
        return Finding(about, True, "what was just written is in the list")

    return _guarded(about, "`s3:ListBucket`", does)


def _if_absent(store: Store, folder: str) -> Finding:
    """Twice one after the other, then many at once: of these, some stores let all win."""
    about, key = "store: put if absent", f"{folder}/absent"

    def does() -> Finding:
        won = store.put_if_absent(key, b"first"), store.put_if_absent(key, b"second")
        with ThreadPoolExecutor(RACERS) as pool:
            racers = [f"racer {number}".encode() for number in range(RACERS)]
            raced = list(pool.map(lambda content: store.put_if_absent(f"{folder}/raced", content), racers))
        advice = "Releases would be lost. " + TAKE_ANOTHER.format("If-None-Match")
        if won != (True, False) or store.read(key) != b"first":
            return Finding(about, False, "an object that is there already was written over", advice)
        if sum(raced) != 1 or store.read(f"{folder}/raced") != racers[raced.index(True)]:
            return Finding(
                about, False, f"of {RACERS} that put one key at once, {sum(raced)} were told they won", advice
            )
        return Finding(about, True, f"the second put is refused, and of {RACERS} at once all but one")

    return _guarded(about, "`s3:PutObject`", does)


def _if_unchanged(store: Store, folder: str) -> Finding:
    about, key = "store: put if unchanged", f"{folder}/unchanged"

    def does() -> Finding:
        store.write(key, b"first")
        before = store.entries(f"{folder}/")[key].version
        store.write(key, b"second, and longer")
        stale = store.write_if(key, b"from the first", before)
        now = store.entries(f"{folder}/")[key].version
        if stale or store.read(key) != b"second, and longer":
            said = "an object that was changed meanwhile was written over"
            advice = "Use `labelaudit forget` only while no run is under way. " + TAKE_ANOTHER.format("If-Match")
            return Finding(about, False, said, advice)
        if not store.write_if(key, b"third", now) or store.read(key) != b"third":
            said = "an object that nobody changed could not be written"
            return Finding(about, False, said, TAKE_ANOTHER.format("If-Match"))
        return Finding(about, True, "only what nobody changed meanwhile is written over")

    return _guarded(about, "`s3:PutObject`", does)


def _table(store: Store, folder: str) -> Finding:
    """Delta tables go by another client than objects, with its own reading of endpoints and certificates."""
    about, name = "store: tables", f"{folder}/table"
    rows = pa.table({"number": pa.array([1, 2], pa.int64())})

    def does() -> Finding:
        for _ in range(2):
            commits.replace_rows(store, name, rows.schema, lambda: rows, "number > 0")
        count = delta.query(delta.open_table(store, name), "select * from rows").num_rows
        if count != rows.num_rows:
            return Finding(
                about, False, f"{count} rows of {rows.num_rows} came back", TAKE_ANOTHER.format("If-None-Match")
            )
        return Finding(about, True, "a Delta table is made, changed and read")

    return _guarded(about, "`s3:PutObject`, `s3:GetObject` and `s3:ListBucket`", does)


def _deleted(store: Store, folder: str) -> Finding:
    about = "store: deletes"

    def does() -> Finding:
        for key in store.list(f"{folder}/"):
            store.delete(key)
        if keys := store.list(f"{folder}/"):
            said = f"what was deleted is still there: {', '.join(keys[:3])}"
            return Finding(about, False, said, "Retention would remove nothing. " + GRANT.format("`s3:DeleteObject`"))
        return Finding(about, True, "what is deleted is gone")

    return _guarded(about, "`s3:DeleteObject`", does)


def _clock(store: Store) -> Finding:
    def does() -> Finding:
        before = time.time()
        theirs = store.clock()
        skew = theirs - (before + time.time()) / 2
        if abs(skew) > MOST_SKEW_SECONDS:
            said = f"the store's clock is {abs(skew):.0f} seconds {'ahead of' if skew > 0 else 'behind'} this machine's"
            advice = (
                "Set this machine's clock by NTP: by the wrong time, S3 refuses requests and files expire too early."
            )
            return Finding("clock", False, said, advice)
        return Finding("clock", True, "this machine and the store agree on the time")

    return _guarded("clock", "`s3:ListBucket`", does)


def destinations(opened: Iterator[tuple[str, Callable[[], Store]]]) -> list[Finding]:
    """A finding for each destination: its dataset's name, and what opens it."""
    told = []
    for name, open_it in opened:
        about = f"destination {name}"
        try:
            store = open_it()
        except (LabelauditError, OSError, ValueError) as error:
            told.append(
                Finding(about, False, f"{type(error).__name__}: {error}", "Mend `destination` in the contract.")
            )
        else:
            told.append(in_one(about, try_store(store)))
    return told
