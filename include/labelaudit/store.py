"""Objects in a folder or a bucket: list, read, write, put if absent, sha256. Nothing here knows what an object means.

A `Store` is opened for one root URI (`file:///folder` or `s3://bucket/prefix`); keys are relative to it, with `/`.
Every failure of the service is StorageUnavailable; a missing key is KeyError.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, unquote, urlsplit

from labelaudit.errors import InvalidInput, StorageUnavailable

BLOCK_BYTES = 1 << 20
PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600


class Store(Protocol):
    """What steps need of an object store. `uri` has no trailing slash."""

    uri: str

    def list(self, prefix: str) -> list[str]:
        """All keys that start with `prefix` (a folder, ending in `/`, or empty), sorted."""

    def folders(self, prefix: str) -> list[str]:
        """The names directly below `prefix` that have keys below them, sorted."""

    def read(self, key: str) -> bytes: ...

    def write(self, key: str, content: bytes) -> None:
        """Write the object whole or not at all, replacing an older one."""

    def put_if_absent(self, key: str, content: bytes) -> bool:
        """Write the object unless one is there; whether it was written."""

    def upload(self, path: Path, key: str) -> None:
        """As `write`, from a local file."""

    def local(self, key: str):
        """A context with the object as a local file (read-only for the caller)."""

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

    def table_options(self) -> dict[str, str]:
        """`storage_options` for deltalake."""


def open_store(uri: str, credentials: dict[str, Any] | None = None) -> Store:
    """Open `file:///folder` or `s3://bucket[/prefix]`.

    `credentials` (S3 only) are arguments of `boto3.client`: aws_access_key_id, aws_secret_access_key,
    aws_session_token, region_name, endpoint_url, and profile_name. What is left out comes from boto3's own chain.
    """
    parts = urlsplit(uri)
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        return FolderStore(Path(unquote(parts.path)))
    if parts.scheme == "s3" and parts.netloc:
        from labelaudit.store_s3 import S3Store

        return S3Store(parts.netloc, parts.path.strip("/"), credentials or {})
    if not parts.scheme and uri:
        return FolderStore(Path(uri).resolve())
    raise InvalidInput(f"not a store: {uri!r}; use file:///folder or s3://bucket/prefix")


class FolderStore:
    """Objects as files below one folder."""

    def __init__(self, root: Path):
        self.root = root

    @cached_property
    def uri(self) -> str:
        return "file://" + quote(str(self.root))

    def list(self, prefix: str) -> list[str]:
        top = self._path(prefix)
        return sorted(
            (Path(folder) / name).relative_to(self.root).as_posix()
            for folder, _, names in os.walk(top)
            for name in names
            if not name.startswith(".tmp-")
        )

    def folders(self, prefix: str) -> list[str]:
        top = self._path(prefix)
        return sorted(entry.name for entry in os.scandir(top) if entry.is_dir()) if top.is_dir() else []

    def read(self, key: str) -> bytes:
        with _missing(key):
            return self._path(key).read_bytes()

    def write(self, key: str, content: bytes) -> None:
        with self._written(key) as path:
            path.write_bytes(content)

    def upload(self, path: Path, key: str) -> None:
        with self._written(key) as target:
            shutil.copyfile(path, target)

    def put_if_absent(self, key: str, content: bytes) -> bool:
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.parent / f".tmp-{uuid.uuid4().hex}"
        temporary.write_bytes(content)
        _as_private_as_its_folder(temporary)
        try:
            os.link(temporary, path)  # fails where the name exists: the only atomic create of a whole file
            return True
        except FileExistsError:
            return False
        finally:
            temporary.unlink()

    @contextmanager
    def local(self, key: str) -> Iterator[Path]:
        path = self._path(key)
        if not path.is_file():
            raise KeyError(key)
        yield path

    def exists(self, key: str) -> bool:
        return self._path(key).is_file()

    def size(self, key: str) -> int:
        with _missing(key):
            return self._path(key).stat().st_size

    def modified(self, key: str) -> float:
        with _missing(key):
            return self._path(key).stat().st_mtime

    def delete(self, key: str) -> None:
        self._path(key).unlink(missing_ok=True)

    def keep_private(self, prefix: str) -> None:
        folder = self._path(prefix)
        for part in [*reversed(folder.relative_to(self.root).parents[:-1]), folder.relative_to(self.root)]:
            (self.root / part).mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
            _close(self.root / part, PRIVATE_FOLDER)
        for name in self.list(prefix):
            _close(self.root / name, PRIVATE_FILE)

    def uri_of(self, key: str) -> str:
        return f"{self.uri}/{quote(key)}"

    def below(self, prefix: str) -> FolderStore:
        return FolderStore(self._path(prefix))

    def table_options(self) -> dict[str, str]:
        return {}

    def _path(self, key: str) -> Path:
        path = self.root / key
        if ".." in Path(key).parts or Path(key).is_absolute():
            raise InvalidInput(f"not a key: {key!r}")
        if not path.resolve().is_relative_to(self.root.resolve()):  # a link that a vendor left in the inbox
            raise InvalidInput(f"the key {key!r} leads out of the store")
        return path

    @contextmanager
    def _written(self, key: str) -> Iterator[Path]:
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.parent / f".tmp-{uuid.uuid4().hex}"
        try:
            yield temporary
            _as_private_as_its_folder(temporary)
            os.replace(temporary, path)
        except OSError as error:
            raise StorageUnavailable(f"can't write {path}: {error.strerror}") from error
        finally:
            temporary.unlink(missing_ok=True)


def _close(path: Path, mode: int) -> None:
    with suppress(PermissionError):  # of another user, who then decides
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            path.chmod(mode)


def _as_private_as_its_folder(path: Path) -> None:
    if not stat.S_IMODE(path.parent.stat().st_mode) & 0o077:
        path.chmod(PRIVATE_FILE)


@contextmanager
def _missing(key: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise KeyError(key) from error
    except OSError as error:
        raise StorageUnavailable(f"can't read {key}: {error.strerror}") from error


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def scratch() -> Iterator[Path]:
    """A temporary folder, gone at the end."""
    with tempfile.TemporaryDirectory(prefix="labelaudit-") as folder:
        yield Path(folder)
