"""A local folder as a `Store`. Vendors can write to parts of it, so nothing below the root is ever followed.

Every access walks from the root down, folder by folder, each opened without following links and below the one before:
what is swapped for a link while we look is not followed either. The root itself may be reached through links.

A hard link can't be told from a file and is read as one: Linux (`fs.protected_hardlinks`) lets nobody link to what he
can't write anyway, and tools that save space make them.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from labelaudit.errors import AccessDenied, InvalidInput, NotAFile, StorageUnavailable
from labelaudit.storage.folder_descriptors import (
    FOLDER,
    PRIVATE_FILE,
    PRIVATE_FOLDER,
    Walked,
    below,
    close_to_others,
    entered,
    entry_of,
    lying,
    require_file,
    temporary,
)
from labelaudit.storage.store import Entry


class FolderStore:
    """Objects as files below one folder."""

    def __init__(self, root: Path):
        self.root = root

    @cached_property
    def uri(self) -> str:
        return "file://" + quote(str(self.root))

    def list(self, prefix: str) -> list[str]:
        return sorted(key for key, entry, _ in self._walk(prefix) if entry and entry.is_file(follow_symlinks=False))

    def entries(self, prefix: str) -> dict[str, Entry]:
        seen = {}
        for key, entry, here in self._walk(prefix):
            if entry is None:
                seen[key] = here
                continue
            with suppress(FileNotFoundError):  # gone since it was listed
                seen[key] = entry_of(entry.name, here)
        return dict(sorted(seen.items()))

    def folders(self, prefix: str) -> list[str]:
        with suppress(KeyError, NotAFile), _missing(prefix), self._folder(prefix) as here, os.scandir(here) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
        return []

    def read(self, key: str) -> bytes:
        with self._opened(key) as file, _missing(key):
            return file.read()

    def write(self, key: str, content: bytes) -> None:
        with self._written(key) as file:
            file.write(content)

    def write_if(self, key: str, content: bytes, version: str) -> bool:
        try:
            with _missing(key), self._folder(_parent(key)) as here, temporary(here) as (name, file):
                file.write(content)
                file.close()
                if entry_of(_name(key), here).version != version:
                    return False
                os.replace(name, _name(key), src_dir_fd=here, dst_dir_fd=here)
        except KeyError:
            return False
        return True

    def upload(self, path: Path, key: str) -> None:
        with self._written(key) as file, path.open("rb") as source:
            shutil.copyfileobj(source, file, 1 << 20)

    def put_if_absent(self, key: str, content: bytes) -> bool:
        with _writing(key), self._folder(_parent(key), make=True) as here, temporary(here) as (name, file):
            file.write(content)
            file.close()
            target = _name(key)
            try:
                os.link(name, target, src_dir_fd=here, dst_dir_fd=here)  # the only atomic create of a whole file
            except FileExistsError:
                # over a network, the reply to our own link may have been lost, and the link been tried again
                return os.path.samestat(lying(name, here), lying(target, here))
            return True

    @contextmanager
    def local(self, key: str) -> Iterator[Path]:
        self._found(key)
        yield self.root / key

    def download(self, key: str, path: Path) -> None:
        with self._opened(key) as file, path.open("wb") as target:
            shutil.copyfileobj(file, target, 1 << 20)

    def sha256(self, key: str) -> str:
        with self._opened(key) as file, _missing(key):
            return hashlib.file_digest(file, "sha256").hexdigest()

    def exists(self, key: str) -> bool:
        try:
            self._found(key)
        except (KeyError, NotAFile):
            return False
        return True

    def size(self, key: str) -> int:
        return self._found(key).st_size

    def modified(self, key: str) -> float:
        return self._found(key).st_mtime

    def delete(self, key: str) -> None:
        with suppress(FileNotFoundError, KeyError), _missing(key), self._folder(_parent(key)) as here:
            os.unlink(_name(key), dir_fd=here)

    def keep_private(self, prefix: str) -> None:
        parts = _parts(prefix)
        for depth in range(1, len(parts) + 1):
            with _writing(prefix), self._folder("/".join(parts[:depth]), make=True) as here:
                close_to_others(here, PRIVATE_FOLDER)
        for key in self.list(prefix):
            with self._opened(key) as file:
                close_to_others(file.fileno(), PRIVATE_FILE)

    def uri_of(self, key: str) -> str:
        return f"{self.uri}/{quote(key)}"

    def below(self, prefix: str) -> FolderStore:
        return FolderStore(self.root.joinpath(*_parts(prefix)))

    def clock(self) -> float:
        with _writing(""), self._folder("", make=True) as here, temporary(here) as (name, file):
            file.write(b"now")  # a folder may lie on another machine: its times are that one's
            file.flush()
            return lying(name, here).st_mtime

    def table_options(self) -> dict[str, str]:
        return {}

    @contextmanager
    def _folder(self, prefix: str, make: bool = False) -> Iterator[int]:
        """The folder's descriptor. Raises NotAFile, with the key of it, where something else is on the way."""
        parts = _parts(prefix)
        if make:
            self.root.mkdir(parents=True, exist_ok=True)
        here = os.open(self.root, FOLDER)
        try:
            for depth, part in enumerate(parts, 1):
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(part, dir_fd=here)
                inner = entered(part, here, "/".join(parts[:depth]))
                os.close(here)
                here = inner
            yield here
        finally:
            os.close(here)

    @contextmanager
    def _opened(self, key: str) -> Iterator[BinaryIO]:
        with _missing(key), self._folder(_parent(key)) as here:
            require_file(lying(_name(key), here), key)  # opening a device may do something
            # a pipe that took the file's place in between: neither waited for, nor read
            descriptor = os.open(_name(key), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=here)
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            require_file(os.fstat(descriptor), key)
            yield file

    def _found(self, key: str) -> os.stat_result:
        with _missing(key), self._folder(_parent(key)) as here:
            return require_file(lying(_name(key), here), key)

    def _walk(self, prefix: str) -> Walked:
        try:
            with _missing(prefix), self._folder(prefix) as here:
                yield from below("/".join(_parts(prefix)), here)
        except KeyError:
            return
        except NotAFile as error:
            yield error.key, None, Entry(problem=error.problem)
        except AccessDenied:
            yield prefix.rstrip("/"), None, Entry(problem="a folder that we may not read", denied=True)

    @contextmanager
    def _written(self, key: str) -> Iterator[BinaryIO]:
        with _writing(key), self._folder(_parent(key), make=True) as here, temporary(here) as (name, file):
            yield file
            file.close()
            os.replace(name, _name(key), src_dir_fd=here, dst_dir_fd=here)


def _parts(key: str) -> list[str]:
    parts = [part for part in key.split("/") if part not in ("", ".")]
    if ".." in parts or key.startswith("/") or "\0" in key:
        raise InvalidInput(f"not a key: {key!r}")
    return parts


def _parent(key: str) -> str:
    return "/".join(_parts(key)[:-1])


def _name(key: str) -> str:
    parts = _parts(key)
    if not parts:
        raise KeyError(key)
    return parts[-1]


@contextmanager
def _missing(key: str) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise AccessDenied(f"we may not read {key!r}: {error.strerror}") from error
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG):
            raise KeyError(key) from error
        if error.errno in (errno.ELOOP, errno.ENXIO):  # swapped for a link, or a pipe, just now
            raise NotAFile(key, "a link, or a pipe, since we looked") from error
        raise StorageUnavailable(f"can't read {key}: {error.strerror}") from error


@contextmanager
def _writing(key: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageUnavailable(f"can't write {key}: {error.strerror}") from error
