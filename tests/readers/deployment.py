"""A process as another deployment has it: `python deployment.py '{"user": 65534, "without": ["landlock"]}' < code`.

It becomes that user, loses what the kernel is to be without, and runs the code.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_DUMPABLE, PR_SET_KEEPCAPS, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 4, 8, 22, 38, 47
DAC_OVERRIDE, DAC_READ_SEARCH = 1, 2
CALLS = {"landlock": (444, 444), "seccomp": (317, 277), "setresuid": (117, 147)}
"""The system call that a kernel lacks: of x86_64, of others."""


def run_as(code: str, user: int | None = None, without: tuple[str, ...] = (), **environment: str) -> Any:
    """The JSON that the code prints."""
    said = json.dumps({"user": user if os.geteuid() == 0 else None, "without": without})
    done = subprocess.run(
        [sys.executable, str(Path(__file__).resolve()), said],
        input=code,
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environment},
        cwd="/",
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def become(user: int) -> None:
    """A user without rights, but for finding the interpreter, which may lie in root's own folder."""
    LIBC.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    bits = 1 << DAC_OVERRIDE | 1 << DAC_READ_SEARCH
    header, data = struct.pack("Ii", 0x20080522, 0), bytearray(24)
    LIBC.capget(header, (ctypes.c_char * 24).from_buffer(data))
    bits &= struct.unpack("6I", data)[1]
    LIBC.capset(header, struct.pack("6I", bits, bits, bits, 0, 0, 0))
    for bit in (DAC_OVERRIDE, DAC_READ_SEARCH):
        LIBC.prctl(PR_CAP_AMBIENT, 2, bit, 0, 0)
    LIBC.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)


def lose(calls: list[str]) -> None:
    """Make the kernel answer ENOSYS to them."""
    numbers = [CALLS[name][platform.machine() != "x86_64"] for name in calls]
    steps = [(0x20, 0, 0, 0)]
    steps += [(0x15, len(numbers) - place, 0, number) for place, number in enumerate(numbers)]
    code = b"".join(struct.pack("HBBI", *step) for step in [*steps, (0x06, 0, 0, 0x7FFF0000), (0x06, 0, 0, 0x50026)])
    held = ctypes.create_string_buffer(code, len(code))
    LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    program = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(held))
    assert LIBC.prctl(PR_SET_SECCOMP, 2, program, 0, 0) == 0


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    if asked["user"] is not None:
        become(asked["user"])
    if asked["without"]:
        lose(asked["without"])
    exec(compile(sys.stdin.read(), "<code>", "exec"), {"__name__": "code"})  # noqa: S102 - the test's own
