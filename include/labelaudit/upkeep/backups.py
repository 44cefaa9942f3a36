"""A copy of a destination as it was with one release, and the way back: tables at their versions, log, reports.

`objects/<key>` holds the copies, and `backup.json` their digests. That is written last: without it there is no backup.
The release log is the log of `labels`; it is put back last, so that a release exists once all of it does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pydantic import ValidationError

from labelaudit.contracts.model import Contract
from labelaudit.errors import InvalidInput, ReleaseConflict, ReleaseInvalid, StorageUnavailable
from labelaudit.publish import finishing, verifying
from labelaudit.storage import layout, release_log, table_files, tables
from labelaudit.storage.files import sha256_of
from labelaudit.storage.store import Store
from labelaudit.values.value import Value

MANIFEST, OBJECTS = "backup.json", "objects/"
Progress = Callable[[int, int], None]


class Copied(Value):
    path: str
    bytes: int
    sha256: str


class Backup(Value):
    """A whole backup; `files` in the order in which they are put back, `made` as ISO time."""

    format: int = 1
    customer: str
    dataset: str
    release: str
    digest: str
    sequence: int
    made: str
    tables: dict[str, int]
    files: tuple[Copied, ...]


def back_up(
    contract: Contract, store: Store, destination: Store, to: Store, made: str, progress: Progress | None = None
) -> Backup:
    """Copy the destination as it is with its last release; what is published meanwhile is not in it.

    Repeated after a kill, it begins anew in the same place. Raises InvalidInput where there is no release, or another
    backup, or anything else, lies there.
    """
    _require_free(to)
    finishing.finish(contract, store, destination)
    releases = release_log.log(destination)
    if not releases:
        raise InvalidInput(f"{contract.id} has no release at {destination.uri}: there is nothing to back up")
    last = releases[-1]
    versions = {layout.LABELS: last.version} | _versions(destination, last.sequence)
    keys: dict[str, bool] = {}
    for name in versions:
        needed, older = table_files.data_keys(destination, name, versions[name])
        keys |= dict.fromkeys(sorted(older), False) | dict.fromkeys(sorted(needed), True)
    for logged in releases:
        keys |= dict.fromkeys(destination.list(logged.files), True)
    for name in (*(name for name in versions if name != layout.LABELS), layout.LABELS):
        keys |= dict.fromkeys(table_files.log_keys(destination, name, versions[name]), True)
    for key in set(to.list(OBJECTS)) - {OBJECTS + key for key in keys}:
        to.delete(key)
    files = []
    for number, (key, is_needed) in enumerate(keys.items()):
        if progress:
            progress(number, len(keys))
        try:
            files.append(_copy(destination, key, to, OBJECTS + key))
        except KeyError as error:
            if is_needed:
                raise StorageUnavailable(f"{destination.uri_of(key)} is gone; `labelaudit verify` says more") from error
    backup = Backup(
        customer=contract.customer,
        dataset=contract.dataset,
        release=last.release,
        digest=last.digest,
        sequence=last.sequence,
        made=made,
        tables=versions,
        files=tuple(files),
    )
    to.write(MANIFEST, backup.model_dump_json(indent=1).encode())
    return backup


def restore(contract: Contract, source: Store, destination: Store, progress: Progress | None = None) -> Backup:
    """Put a backup back, and verify the release. Safe to repeat.

    An empty destination, an older one, or a damaged one of the same release becomes the one that was backed up.
    Raises InvalidInput where it is no whole backup of this dataset, or the destination has newer or other releases;
    ReleaseInvalid where the backup is damaged; in all three nothing was written.
    """
    backup = read_backup(source)
    if (backup.customer, backup.dataset) != (contract.customer, contract.dataset):
        raise InvalidInput(f"{source.uri} is a backup of {backup.customer}/{backup.dataset}, not of {contract.id}")
    _require_whole(source, backup)
    _require_older(source, backup, destination)
    for number, file in enumerate(backup.files):
        if progress:
            progress(number, len(backup.files))
        if f"/{table_files.LOG}" in file.path and file.path.endswith(".json"):
            _put_entry(source, file, destination)
        elif not destination.exists(file.path) or destination.sha256(file.path) != file.sha256:
            _copy(source, OBJECTS + file.path, destination, file.path)
    verifying.verify(destination, backup.release)
    return backup


def read_backup(source: Store) -> Backup:
    """The backup that lies there. Raises InvalidInput where none does."""
    try:
        return Backup.model_validate_json(source.read(MANIFEST))
    except KeyError as error:
        raise InvalidInput(f"{source.uri} has no {MANIFEST}: it is no backup, or one that was cut off") from error
    except ValidationError as error:
        raise InvalidInput(f"{source.uri_of(MANIFEST)} is none of ours: {str(error)[:300]}") from error


def _require_free(to: Store) -> None:
    keys = to.list("")
    if MANIFEST in keys:
        backup = read_backup(to)
        told = f"a backup of {backup.release} of {backup.customer}/{backup.dataset}"
        raise InvalidInput(f"{to.uri} is {told}; name another place, e.g. one of today's date")
    if other := [key for key in keys if not key.startswith(OBJECTS)]:
        raise InvalidInput(f"{to.uri} holds something else ({other[0]}); name an empty place")


def _versions(destination: Store, sequence: int) -> dict[str, int]:
    """Of the tables beside `labels`, the versions that belong to a release."""
    versions = {}
    for name in tables.PUBLISHED:
        at = None if name == layout.LABELS else table_files.version_at(destination, name, sequence)
        if at is not None and at[1] not in (0, sequence):
            raise StorageUnavailable(f"the rows of `{name}` are being written at this moment; call it again")
        if at is not None:
            versions[name] = at[0]
    return versions


def _copy(source: Store, key: str, target: Store, to: str) -> Copied:
    """Copy one object and read it back: no store is believed. Raises KeyError where there is none."""
    with source.local(key) as path:
        copied = Copied(path=key.removeprefix(OBJECTS), bytes=path.stat().st_size, sha256=sha256_of(path))
        target.upload(path, to)
    if target.sha256(to) != copied.sha256:
        raise StorageUnavailable(f"{target.uri_of(to)} is not what was written; call it again")
    return copied


def _put_entry(source: Store, file: Copied, destination: Store) -> None:
    """An entry of a table's log is a commit: it is never written over."""
    content = source.read(OBJECTS + file.path)
    if not destination.put_if_absent(file.path, content) and destination.read(file.path) != content:
        raise ReleaseConflict(f"another run has just written {destination.uri_of(file.path)}; its release stays")


def _require_whole(source: Store, backup: Backup) -> None:
    problems = []
    for file in backup.files:
        try:
            if source.sha256(OBJECTS + file.path) != file.sha256:
                problems.append(f"{file.path} was changed")
        except KeyError:
            problems.append(f"{file.path} is missing")
    if problems:
        raise ReleaseInvalid(f"the backup {source.uri} is damaged, nothing was restored: {_few(problems)}")


def _few(problems: Iterable[str]) -> str:
    problems = list(problems)
    return "; ".join(problems[:5]) + (f"; and {len(problems) - 5} more" if len(problems) > 5 else "")


def _require_older(source: Store, backup: Backup, destination: Store) -> None:
    """The destination's releases are the first ones of the backup's."""
    there = release_log.log(destination)
    if there and there[-1].sequence > backup.sequence:
        raise InvalidInput(
            f"{destination.uri} has {there[-1].release}, which is newer than the backup's {backup.release}: nothing was"
            " restored. Move it away first, or restore with a contract that names another destination"
        )
    kept = {logged.sequence: logged.digest for logged in release_log.log(source.below(OBJECTS))}
    if other := [logged.release for logged in there if kept.get(logged.sequence) != logged.digest]:
        raise InvalidInput(
            f"{destination.uri} has {_few(other)}, which the backup {source.uri} does not know: nothing was restored"
        )
