"""One delivered file against what its manifest says: that it is there, a file, as long as said, and the very bytes.

`require` asks the listing, which costs nothing; `fetch` reads it. Both raise DeliveryRejected, in the vendor's words.
"""

from __future__ import annotations

from pathlib import Path

from labelaudit.errors import AccessDenied, DeliveryRejected, NotAFile, StorageUnavailable
from labelaudit.storage import layout
from labelaudit.storage.files import sha256_of
from labelaudit.storage.store import Entry, Store
from labelaudit.values.deliveries import DeliveredFile, Delivery

OF_THE_BYTES = ("missing_file", "size_mismatch", "digest_mismatch", "unsafe_path")
"""Refusals for files that are not what the manifest says: looked at anew once the files are other ones."""

PASSING = ("moved_away", "not_readable")
"""Refusals for what happened while a run was at it: looked at anew by the next run."""


def require(file: DeliveredFile, entry: Entry | None) -> None:
    """Raises where the listing shows that the file can't be the one: missing_file, size_mismatch."""
    if entry is None:
        raise DeliveryRejected(
            "missing_file",
            f"manifest.json names {file.path}, which is not there. Upload it, or deliver under a new id.",
        )
    _require_size(file, entry.bytes)


def link_refused(path: str, problem: str) -> DeliveryRejected:
    return DeliveryRejected(
        "unsafe_path",
        f"{path[:200]!r} is {problem}: nothing in an inbox is followed. Deliver the file itself, under a new id.",
    )


def fetch(store: Store, delivery: Delivery, file: DeliveredFile, path: Path) -> None:
    """Copy the file to `path`, where nobody changes it while it is read; its size and digest are verified."""
    folder = layout.delivery(delivery.vendor, delivery.customer, delivery.dataset, delivery.id)
    key = folder + layout.safe_path(file.path)
    try:
        store.download(key, path)
    except NotAFile as error:
        raise link_refused(error.key.removeprefix(folder), error.problem) from error
    except KeyError as error:
        raise DeliveryRejected(
            "moved_away",
            f"{file.path} was there when the run began, and is gone. Put it back, and the next run takes the delivery.",
        ) from error
    except AccessDenied as error:
        raise DeliveryRejected(
            "not_readable",
            f"{file.path} may not be read by us ({error}). Allow it, and the next run takes the delivery.",
        ) from error
    except OSError as error:
        raise StorageUnavailable(
            f"can't copy {file.path} to {path.parent}: {error.strerror or error}; TMPDIR may name another disk"
        ) from error
    _require_size(file, path.stat().st_size)
    sha256 = sha256_of(path)
    if sha256 != file.sha256:
        raise DeliveryRejected(
            "digest_mismatch",
            f"{file.path} has the sha256 {sha256}, manifest.json says {file.sha256}: it is not the file that the"
            " manifest was written for. Upload that one, or deliver under a new id.",
        )


def is_intact(store: Store, delivery: Delivery) -> bool:
    """Whether all files hold what the manifest says. Reads them."""
    folder = layout.delivery(delivery.vendor, delivery.customer, delivery.dataset, delivery.id)
    try:
        return all(store.sha256(folder + layout.safe_path(file.path)) == file.sha256 for file in delivery.files)
    except (KeyError, NotAFile, AccessDenied, DeliveryRejected):
        return False


def _require_size(file: DeliveredFile, found_bytes: int) -> None:
    if found_bytes != file.bytes:
        raise DeliveryRejected(
            "size_mismatch",
            f"{file.path} has {found_bytes} bytes, manifest.json says {file.bytes}: the upload was cut, or the file"
            " changed after the manifest was written. Upload it again, whole, or deliver under a new id.",
        )
