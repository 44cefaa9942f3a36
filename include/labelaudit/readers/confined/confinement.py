"""What a parsing process gives up before it sees the first foreign byte: network, names of files, programs, others.

Layers, each as far as the machine gives it; no one of them has to be there:

* a user of its own, where we are root (a number that owns no file and no other process), and no capabilities;
* Landlock (Linux 5.13): nothing can be opened but Python's own libraries, for reading;
* seccomp: a list of system calls, without sockets, programs, signals, tracing and writing by name. Where Landlock is
  missing, or the libraries could not be read by the user of its own, no file is opened at all: `closed`.

The file to parse, and the one unnamed file to unpack to, come as open descriptors.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path

import numpy
import pyarrow

import labelaudit
from labelaudit.readers.confined import landlock, seccomp
from labelaudit.readers.confined.seccomp import LIBC

PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 38, 47, 4
CAPABILITIES_3 = 0x20080522
NEEDED = {5: "CAP_KILL", 6: "CAP_SETGID", 7: "CAP_SETUID"}  # the first, so that the parent can end it
USERS = 61_184, 4_336
"""First and count of the numbers for users that exist for a moment (systemd's DynamicUser takes them, too)."""

SHARED = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/share/zoneinfo", "/etc/ld.so.cache", "/etc/localtime")


@dataclass(frozen=True)
class Confinement:
    """Which layers hold a process: 0, or False, where one is missing, and why. `user` is its own user's number."""

    user: int = 0
    landlock: int = 0
    seccomp: bool = False
    closed: bool = False
    missing: dict[str, str] = field(default_factory=dict)

    def held_by(self) -> dict[str, str]:
        """Each protection, and the layers that give it; empty where none does."""
        user = f"user of its own ({self.user})" if self.user else ""
        landlock, calls = f"Landlock {self.landlock}" if self.landlock else "", "seccomp" if self.seccomp else ""
        return {
            "network": _words(calls),
            "reading": _words(landlock, calls if self.closed else ""),
            # Landlock alone lets an owner change modes and times
            "writing": _words(landlock if self.landlock >= 3 and self.user else "", calls),
            "others": _words(user, landlock if self.landlock >= 6 else "", calls),
            "programs": _words(calls),
        }


PROTECTIONS = {
    "network": "no network",
    "reading": "reads no file but the one that it is given, and Python's own",
    "writing": "writes and changes no file",
    "others": "can't end, signal or watch another process",
    "programs": "starts no process and no program",
}
"""What a parsing process must not be able to do, in the words of `labelaudit doctor`."""


def libraries() -> list[Path]:
    """Where Python's own modules and the shared libraries lie."""
    places = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    places |= {str(Path(module.__file__).parents[1]) for module in (numpy, pyarrow)}
    return [Path(labelaudit.__file__).parent, *map(Path, sorted(filter(None, places))), *map(Path, SHARED)]


def is_closed() -> bool:
    """Whether a process that is confined here will be unable to open even Python's own modules."""
    if not landlock.version() or not _is_alone():
        return True
    some = (labelaudit, numpy, pyarrow, os)
    return _capabilities() > 0 and not all(_is_public(Path(module.__file__)) for module in some)


def confine() -> Confinement:
    """Give up what a parser does not need, for ever; gives what the machine made of it.

    Where `is_closed`, whatever the process needs is to be imported before.
    """
    closed, missing = is_closed(), {}
    rules = None
    try:
        rules = landlock.Ruleset(libraries())  # while the libraries can still be found
    except OSError as error:
        missing["landlock"] = str(error)
    user, why = _own_user()
    if user:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    else:
        missing["user"] = why
    _drop_capabilities()
    LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if rules is not None:
        try:
            rules.enforce()
        except OSError as error:
            rules, missing["landlock"] = None, str(error)
    filtered = True
    try:
        seccomp.restrict(opens=not closed)
    except OSError as error:
        filtered, missing["seccomp"] = False, str(error)
    return Confinement(user, rules.version if rules else 0, filtered, closed and filtered, missing)


def _is_alone() -> bool:
    """Whether this is the process's only thread: Landlock holds no other."""
    return len(os.listdir("/proc/self/task")) == 1


def _own_user() -> tuple[int, str]:
    """The number of a user of its own, or 0 and why there is none."""
    if os.geteuid() != 0:
        return 0, "we are not root, who alone can change the user"
    lost = [name for bit, name in NEEDED.items() if not _capabilities() >> bit & 1]
    if lost:
        return 0, f"root lacks {', '.join(lost)} here"
    number = USERS[0] + os.getpid() % USERS[1]
    if not _is_mapped(number):
        return 0, f"user {number} does not exist in this user namespace"
    return number, ""


def _is_mapped(number: int) -> bool:
    for which in ("uid_map", "gid_map"):
        ranges = (tuple(map(int, line.split())) for line in Path(f"/proc/self/{which}").read_text().splitlines())
        if not any(first <= number < first + count for first, _, count in ranges):
            return False
    return True


def _is_public(path: Path) -> bool:
    """Whether everybody can read the file."""
    real = path.resolve()
    return bool(real.stat().st_mode & 0o004) and all(parent.stat().st_mode & 0o001 for parent in real.parents)


def _capabilities() -> int:
    """Those in effect, a bit each: what root, and nobody else as a rule, has and a parser gives up."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("CapEff")), 16)


def _drop_capabilities() -> None:
    """Those of a process that is not root, too: nothing is said where there were none."""
    LIBC.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header, none = struct.pack("Ii", CAPABILITIES_3, 0), bytes(24)
    LIBC.capset(ctypes.c_char_p(header), ctypes.c_char_p(none))


def _words(*layers: str) -> str:
    return ", ".join(filter(None, layers))
