"""Landlock, the kernel's own sandbox of unprivileged processes: which files may be opened, whatever their modes say.

Versions of its ABI: 1 files, 3 truncation, 4 TCP, 5 devices, 6 signals and abstract sockets.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterable
from pathlib import Path

from labelaudit.readers.confined.seccomp import LIBC

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
ASK_VERSION, PATH_BENEATH = 1, 1
READ_FILE, READ_DIR = 1 << 2, 1 << 3
FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}  # since which version there are how many
TCP = 0b11  # bind, connect
SCOPES = 0b11  # abstract sockets, signals


def version() -> int:
    """The kernel's version of Landlock; 0 where it has none, or does not allow it."""
    return max(0, LIBC.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(ASK_VERSION)))


class Ruleset:
    """All that Landlock can forbid, but for reading below `readable`. Made first, enforced later.

    Raises OSError where the kernel has no Landlock.
    """

    def __init__(self, readable: Iterable[Path]):
        self.version = version()
        rights = max((bits for since, bits in FILE_RIGHTS.items() if since <= self.version), default=0)
        handled = struct.pack("QQQ", (1 << rights) - 1, TCP, SCOPES)
        size = 24 if self.version >= 6 else 16 if self.version >= 4 else 8
        self._file = LIBC.syscall(CREATE_RULESET, ctypes.c_char_p(handled), ctypes.c_size_t(size), ctypes.c_uint32(0))
        if self._file < 0:
            raise OSError(ctypes.get_errno(), f"landlock: {os.strerror(ctypes.get_errno())}")
        for path in readable:
            self._allow(path)

    def _allow(self, path: Path) -> None:
        try:
            there = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:  # not on this machine
            return
        try:
            rights = READ_FILE | READ_DIR if path.is_dir() else READ_FILE
            rule = struct.pack("=Qi", rights, there)
            if LIBC.syscall(ADD_RULE, self._file, PATH_BENEATH, ctypes.c_char_p(rule), ctypes.c_uint32(0)):
                raise OSError(ctypes.get_errno(), "landlock_add_rule", str(path))
        finally:
            os.close(there)

    def enforce(self) -> None:
        """From now on and for ever. To be called with no_new_privs set.

        Raises OSError where there are other threads: they would not be held.
        """
        try:
            if len(os.listdir("/proc/self/task")) > 1:
                raise OSError(errno.EBUSY, "the process has several threads")
            if LIBC.syscall(RESTRICT_SELF, self._file, ctypes.c_uint32(0)):
                raise OSError(ctypes.get_errno(), f"landlock_restrict_self: {os.strerror(ctypes.get_errno())}")
        finally:
            os.close(self._file)
