"""The system calls that a parser may make, as a filter of the kernel's (seccomp-BPF): a list, and all else is refused.

What is listed works on files that are open already, on memory, threads and clocks. No call in it makes a socket, starts
a program, signals or traces another process, or changes a name, an owner or a mode.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct

LIBC = ctypes.CDLL(None, use_errno=True)
SET_MODE_FILTER, ALL_THREADS = 1, 1
LOAD, EQUAL, ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06
ALLOW, ERRNO, KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
NUMBER, ARCH, ARGUMENTS = 0, 4, 16  # where `struct seccomp_data` has them

MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""The kernel's name of each architecture whose numbers are known here; the numbers stand in this order."""

# from Linux' asm/unistd_64.h and asm-generic/unistd.h; None: it has no such call
ALWAYS: dict[str, tuple[int | None, int | None]] = {
    "read": (0, 63),
    "write": (1, 64),
    "pread64": (17, 67),
    "preadv": (295, 69),
    "preadv2": (327, 286),
    "lseek": (8, 62),
    "futex": (202, 98),
    "mmap": (9, 222),
    "munmap": (11, 215),
    "mremap": (25, 216),
    "mprotect": (10, 226),
    "madvise": (28, 233),
    "brk": (12, 214),
    "recvmsg": (47, 212),
    "close": (3, 57),
    "pwrite64": (18, 68),
    "pwritev": (296, 70),
    "pwritev2": (328, 287),
    "readv": (19, 65),
    "writev": (20, 66),
    "ftruncate": (77, 46),
    "fadvise64": (221, 223),
    "fstat": (5, 80),
    "stat": (4, None),
    "lstat": (6, None),
    "newfstatat": (262, 79),
    "statx": (332, 291),
    "access": (21, None),
    "faccessat": (269, 48),
    "faccessat2": (439, 439),
    "readlink": (89, None),
    "readlinkat": (267, 78),
    "getcwd": (79, 17),
    "getdents64": (217, 61),
    "dup": (32, 23),
    "dup2": (33, None),
    "dup3": (292, 24),
    "pipe2": (293, 59),
    "poll": (7, None),
    "ppoll": (271, 73),
    "select": (23, None),
    "pselect6": (270, 72),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "nanosleep": (35, 101),
    "gettimeofday": (96, 169),
    "time": (201, None),
    "getrandom": (318, 278),
    "getrusage": (98, 165),
    "getrlimit": (97, 163),
    "getpid": (39, 172),
    "getppid": (110, 173),
    "gettid": (186, 178),
    "getuid": (102, 174),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getegid": (108, 177),
    "uname": (63, 160),
    "sysinfo": (99, 179),
    "getcpu": (309, 168),
    "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123),
    "membarrier": (324, 283),
    "rseq": (334, 293),
    "set_robust_list": (273, 99),
    "get_robust_list": (274, 100),
    "set_tid_address": (218, 96),
    "arch_prctl": (158, None),
    "restart_syscall": (219, 128),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "exit": (60, 93),
    "exit_group": (231, 94),
}

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | 0o20000000  # the last: __O_TMPFILE
CLONE_THREAD = 0x00010000
FCNTL = (0, 1, 2, 3, 4, 1030, 1032)  # F_DUPFD to F_SETFL, F_DUPFD_CLOEXEC, F_GETPIPE_SZ: none names whom to signal
PR_SET_NAME, PR_GET_NAME, PR_SET_VMA = 15, 16, 0x53564D41


def available() -> bool:
    """Whether the calls of this machine's architecture are known here."""
    return platform.machine() in MACHINES and struct.calcsize("P") == 8


def restrict(opens: bool) -> None:
    """Refuse, from now on and for ever, what is not listed; `opens`: files may be opened for reading.

    All threads are held. To be called with no_new_privs set. Raises OSError where the kernel does not give it.
    """
    if not available():
        raise OSError(errno.ENOSYS, f"no list of system calls for {platform.machine()}")
    code = b"".join(_program(opens, os.getpid()))
    held = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(held))
    call = (317, 277)[_place()]
    if LIBC.syscall(call, SET_MODE_FILTER, ALL_THREADS, ctypes.c_char_p(program)):
        raise OSError(ctypes.get_errno(), f"seccomp: {os.strerror(ctypes.get_errno())}")


def _program(opens: bool, process: int) -> list[bytes]:
    place, arch = _place(), MACHINES[platform.machine()]
    made = [
        _step(LOAD, ARCH),
        _step(EQUAL, arch, 1, 0),
        _step(RETURN, KILL_PROCESS),
        _step(LOAD, NUMBER),
    ]
    for numbers in ALWAYS.values():
        made += _on(numbers[place], [_step(RETURN, ALLOW)])
    if opens:
        made += _on((2, None)[place], _unless(1, WRITING))
        made += _on((257, 56)[place], _unless(2, WRITING))
    made += _on((56, 220)[place], _only_with(0, CLONE_THREAD))
    made += _on((72, 25)[place], _only(1, *FCNTL))
    made += _on((157, 167)[place], _only(0, PR_SET_NAME, PR_GET_NAME, PR_SET_VMA))
    made += _on((302, 261)[place], _only(0, 0, process))  # prlimit64, of itself
    made += _on((160, 164)[place], [_step(RETURN, ALLOW)])  # setrlimit, likewise
    made += _on((234, 131)[place], _only(0, process))  # tgkill: abort() ends itself
    made += _on((16, 29)[place], [_refuse(errno.ENOTTY)])  # ioctl: "is it a terminal?"
    made += _on((2, None)[place], [_refuse(errno.EACCES)])
    made += _on((257, 56)[place], [_refuse(errno.EACCES)])
    # the C library takes ENOSYS for an older kernel, and does without: clone for clone3, whose flags can't be seen
    return [*made, _refuse(errno.ENOSYS)]


def _place() -> int:
    return list(MACHINES).index(platform.machine())


def _step(code: int, value: int, true: int = 0, false: int = 0) -> bytes:
    return struct.pack("HBBI", code, true, false, value)


def _refuse(number: int) -> bytes:
    return _step(RETURN, ERRNO | number)


def _on(number: int | None, steps: list[bytes]) -> list[bytes]:
    """`steps` for the call of that number; they end with a verdict, since they may have loaded something else."""
    return [] if number is None else [_step(EQUAL, number, 0, len(steps)), *steps]


def _only(argument: int, *values: int) -> list[bytes]:
    checks = [_step(EQUAL, value, len(values) - place, 0) for place, value in enumerate(values)]
    return [_load(argument), *checks, _refuse(errno.EPERM), _step(RETURN, ALLOW)]


def _only_with(argument: int, bits: int) -> list[bytes]:
    return [_load(argument), _step(ANY_BIT, bits, 1, 0), _refuse(errno.EPERM), _step(RETURN, ALLOW)]


def _unless(argument: int, bits: int) -> list[bytes]:
    return [_load(argument), _step(ANY_BIT, bits, 0, 1), _refuse(errno.EACCES), _step(RETURN, ALLOW)]


def _load(argument: int) -> bytes:
    """The lower half of an argument: all that the kernel looks at in those which are asked for."""
    return _step(LOAD, ARGUMENTS + 8 * argument)
