"""A tree of folders that is walked from its root down and never followed: by descriptors, each opened below the last.

A path can be swapped for a link between a look at it and its opening; a descriptor can't. Only here and in
`folder`, nothing of this knows what a file means.
"""

from __future__ import annotations

import errno
import os
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from labelaudit.errors import NotAFile
from labelaudit.storage.store import Entry

TEMPORARY = ".tmp-"
PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600
MAX_DEPTH = 64
"""Folders nested deeper than this are not walked: no delivery has them, and each takes an open file."""

FOLDER = os.O_RDONLY | os.O_DIRECTORY
_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}

Walked = Iterator[tuple[str, os.DirEntry | None, int | Entry]]
"""(key, what lies there, descriptor of its folder) of all but folders; (key, None, why not) of barred ones."""


def below(key: str, here: int, depth: int = 1) -> Walked:
    """All that lies below the folder `here`, whose key is `key`."""
    with os.scandir(here) as listed:
        entries = list(listed)
    for entry in entries:
        inner = f"{key}/{entry.name}" if key else entry.name
        if not entry.is_dir(follow_symlinks=False):
            if not entry.name.startswith(TEMPORARY):
                yield inner, entry, here
        elif depth > MAX_DEPTH:
            yield inner, None, Entry(problem=f"a folder nested deeper than {MAX_DEPTH}")
        else:
            try:
                inside = entered(entry.name, here, inner)
            except NotAFile as error:
                yield inner, None, Entry(problem=error.problem)
            except PermissionError:
                yield inner, None, Entry(problem="a folder that we may not read", denied=True)
            except (FileNotFoundError, NotADirectoryError):  # gone since it was listed
                continue
            else:
                try:
                    yield from below(inner, inside, depth + 1)
                finally:
                    os.close(inside)


def entry_of(name: str, here: int) -> Entry:
    """What `name` is in the folder `here`. Raises FileNotFoundError."""
    there = lying(name, here)
    if problem := _problem(there.st_mode):
        return Entry(problem=problem)
    if not os.access(name, os.R_OK, dir_fd=here, effective_ids=True):
        return Entry(problem="a file that we may not read", denied=True)
    # the time of the last change is the kernel's: `cp -p`, `rsync -a` and unzip can't set it
    version = f"{there.st_mtime_ns}-{there.st_ctime_ns}"
    return Entry(bytes=there.st_size, modified=there.st_mtime, version=version)


def entered(name: str, here: int, key: str) -> int:
    """The descriptor of the folder `name` in the folder `here`. Raises NotAFile with its `key`, and OSError."""
    try:
        return os.open(name, FOLDER | os.O_NOFOLLOW, dir_fd=here)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR) and (problem := _problem(lying(name, here).st_mode)):
            raise NotAFile(key, problem) from error
        raise


def lying(name: str, here: int) -> os.stat_result:
    """What lies there itself, a link too."""
    return os.stat(name, dir_fd=here, follow_symlinks=False)


def _problem(mode: int) -> str:
    """What it is where it is neither a file nor a folder; else empty."""
    return "" if stat.S_ISREG(mode) or stat.S_ISDIR(mode) else _KINDS.get(stat.S_IFMT(mode), "no file")


def require_file(status: os.stat_result, key: str) -> os.stat_result:
    """Raises KeyError of a folder, and NotAFile of what is neither."""
    if stat.S_ISDIR(status.st_mode):
        raise KeyError(key)
    if problem := _problem(status.st_mode):
        raise NotAFile(key, problem)
    return status


def close_to_others(descriptor: int, mode: int) -> None:
    """Take from everybody else what they may do with an open file or folder."""
    with suppress(PermissionError):  # of another user, who then decides
        if stat.S_IMODE(os.fstat(descriptor).st_mode) & 0o077:
            os.fchmod(descriptor, mode)


@contextmanager
def temporary(here: int) -> Iterator[tuple[str, BinaryIO]]:
    """A new file in the folder `here`, as private as that, and gone at the end under this name."""
    name = TEMPORARY + uuid.uuid4().hex
    private = not stat.S_IMODE(os.fstat(here).st_mode) & 0o077
    mode = PRIVATE_FILE if private else 0o666
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode, dir_fd=here)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield name, file
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=here)
