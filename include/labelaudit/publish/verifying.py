"""Checks a published release: its files against its manifest, its manifest and rows against the log of `labels`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

import pyarrow as pa

from labelaudit.errors import ReleaseInvalid, StorageUnavailable
from labelaudit.storage import layout, release_log, tables
from labelaudit.storage.store import Store
from labelaudit.values.value import Value


class Verified(Value):
    """What was checked. `rows_checked` is False where the table's version has expired."""

    release: str
    digest: str
    files: int
    rows: int
    rows_checked: bool


def rows_sha256(rows: pa.Table) -> str:
    """sha256 over rows as JSON arrays, one a line, sorted: whoever can read the table can recompute it."""
    columns = sorted(rows.column_names)
    lines = sorted(
        json.dumps([row[name] for name in columns], ensure_ascii=False, separators=(",", ":"))
        for row in rows.to_pylist()
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def verify(
    destination: Store, release: str | None = None, progress: Callable[[int, int], None] | None = None
) -> Verified:
    """Check one release, the last by default. Raises ReleaseInvalid with everything that is wrong."""
    releases = release_log.log(destination)
    logged = next((entry for entry in reversed(releases) if release in (None, entry.release)), None)
    if logged is None:
        there = ", ".join(entry.release for entry in releases[-10:]) or "none"
        raise ReleaseInvalid(f"{destination.uri} has no release {release or ''}; there are: {there}")
    folder = logged.files
    problems = []
    try:
        content = destination.read(folder + layout.MANIFEST)
    except KeyError as error:
        raise ReleaseInvalid(f"{logged.release}: {folder}{layout.MANIFEST} is missing") from error
    if hashlib.sha256(content).hexdigest() != logged.manifest:
        raise ReleaseInvalid(f"{logged.release}: manifest.json is not the one that the table's log names")
    manifest = json.loads(content)
    there = {key.removeprefix(folder) for key in destination.list(folder)} - {layout.MANIFEST}
    for done, entry in enumerate(manifest["files"]):
        if progress:
            progress(done, len(manifest["files"]))
        if entry["path"] not in there:
            problems.append(f"{entry['path']} is missing")
        elif hashlib.sha256(destination.read(folder + entry["path"])).hexdigest() != entry["sha256"]:
            problems.append(f"{entry['path']} was changed")
    problems += [
        f"{path} is not in the manifest" for path in sorted(there - {file["path"] for file in manifest["files"]})
    ]
    rows_checked = logged is releases[-1] or not tables.expired(destination, layout.LABELS, logged.version)
    if rows_checked:
        problems += _row_problems(destination, logged, manifest["labels"]["sha256"])
    if problems:
        raise ReleaseInvalid(f"{logged.release}: " + "; ".join(problems))
    return Verified(
        release=logged.release,
        digest=logged.digest,
        files=len(manifest["files"]),
        rows=manifest["labels"]["rows"],
        rows_checked=rows_checked,
    )


def _row_problems(destination: Store, logged: release_log.Logged, sha256: str) -> list[str]:
    try:
        rows = tables.read_table(destination, layout.LABELS, version=logged.version)
    except StorageUnavailable as error:
        return [f"the rows of the table `labels` can't be read: {error}"]
    mine = rows.filter(pa.compute.equal(rows["release"], logged.release))
    if rows_sha256(mine) != sha256:
        return ["the rows of the table `labels` are not those of the manifest"]
    return []
