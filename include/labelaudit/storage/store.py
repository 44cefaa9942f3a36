"""Objects in a folder or a bucket: list, read, write, put if absent, sha256. Nothing here knows what an object means.

A `Store` is opened for one root URI (`file:///folder` or `s3://bucket/prefix`); keys are relative to it, with `/`.
Every failure of the service is StorageUnavailable (AccessDenied where an object is there, and not for us); a missing
key is KeyError; one with a link, a pipe or a device on its way is NotAFile: below the root, nothing is ever followed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Entry:
    """What lies under a key. `version` changes whenever the object does; `modified` in seconds since 1970.

    `problem` says in words why it is no object (a symbolic link, a named pipe, …); "": it is one. `denied`: it would be
    one, if we were allowed to read it.
    """

    bytes: int = 0
    modified: float = 0.0
    version: str = ""
    problem: str = ""
    denied: bool = False


class Store(Protocol):
    """What steps need of an object store. `uri` has no trailing slash."""

    uri: str

    def list(self, prefix: str) -> list[str]:
        """All keys that start with `prefix` (a folder, ending in `/`, or empty), sorted; objects only."""

    def entries(self, prefix: str) -> dict[str, Entry]:
        """As `list`, with what each is; also what is no object, and what keeps us from seeing what is below it.

        Where the way to `prefix` itself is barred, the one entry is the place where it is.
        """

    def folders(self, prefix: str) -> list[str]:
        """The names directly below `prefix` that have keys below them, sorted."""

    def read(self, key: str) -> bytes: ...

    def write(self, key: str, content: bytes) -> None:
        """Write the object whole or not at all, replacing an older one."""

    def put_if_absent(self, key: str, content: bytes) -> bool:
        """Write the object unless one is there; whether it was written, by this very call.

        A reply that was lost is asked for again: what we wrote is never taken for somebody else's.
        """

    def write_if(self, key: str, content: bytes, version: str) -> bool:
        """Write in place of the object that has this `Entry.version`; False where it is another by now, or gone.

        A bucket decides by `If-Match`; in a folder, who writes between our look and our rename is written over.
        """

    def upload(self, path: Path, key: str) -> None:
        """As `write`, from a local file."""

    def local(self, key: str):
        """A context with the object as a local file (read-only for the caller): for objects of our own making."""

    def download(self, key: str, path: Path) -> None:
        """Copy the object to a local file that nobody else can reach: for what others may change meanwhile."""

    def sha256(self, key: str) -> str: ...

    def exists(self, key: str) -> bool: ...

    def size(self, key: str) -> int: ...

    def modified(self, key: str) -> float:
        """When the object was last written, seconds since 1970."""

    def delete(self, key: str) -> None: ...

    def keep_private(self, prefix: str) -> None:
        """Let nobody else on this machine read what is, or will be, below a folder; of a bucket its policy decides."""

    def uri_of(self, key: str) -> str: ...

    def below(self, prefix: str) -> Store:
        """The same store with `prefix` as its root."""

    def clock(self) -> float:
        """What time it is for the store, in seconds since 1970: by its own clock, to a second."""

    def table_options(self) -> dict[str, str]:
        """`storage_options` for deltalake."""
