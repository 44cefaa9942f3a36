"""Services that outlive the command that starts them: each is a session of its own, and a file says which.

The process itself writes its file before it becomes the service, so that whoever kills the command at any moment leaves
nothing that `make stack-down` does not find. Pids come again: a process is ours only if it began when its file says.
Linux only (/proc).
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

GRACE_SECONDS = 60
SHOWN_LINES = 15
BEGIN = 'echo "$$ $(cut -d" " -f22 "/proc/$$/stat") $2 $3" > "$1.new" && mv "$1.new" "$1" && shift 3 && exec "$@"'


@dataclass(frozen=True)
class Service:
    """A service that was started: its first process, which leads its session, and how it is ended: those with the
    highest `level` first, by `signum`."""

    name: str
    pid: int
    began: int
    level: int
    signum: int

    def runs(self) -> bool:
        return self.pid in self.processes()

    def processes(self) -> set[int]:
        """What lives of its session; nothing where the pid is another's by now."""
        table = _processes()
        if self.pid in table and table[self.pid][1] != self.began:
            return set()
        return {pid for pid, (session, _) in table.items() if session == self.pid}


class Services:
    """Those of one folder."""

    def __init__(self, home: Path):
        self.pids, self.logs = home / "pids", home / "logs"

    def start(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        level: int,
        signum: int = signal.SIGTERM,
    ) -> None:
        """Start a service, and wait until its file is there."""
        self._begin(name, command, environment, level, signum)

    def run(self, name: str, command: Sequence[str], environment: Mapping[str, str], level: int) -> None:
        """Run a command to its end. SystemExit with the end of its log where it fails."""
        begun = self._begin(name, command, environment, level, signal.SIGTERM)
        if begun.wait():
            raise SystemExit(f"{name}: {command[0]} failed with {begun.returncode}. {self.last_lines(name)}")
        (self.pids / name).unlink()

    def _begin(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], level: int, signum: int
    ) -> subprocess.Popen:
        for made in (self.pids, self.logs):
            made.mkdir(parents=True, exist_ok=True)
        entry = self.pids / name
        entry.unlink(missing_ok=True)
        with self.log(name).open("ab") as output:
            begun = subprocess.Popen(  # noqa: S603 - the services' own commands
                ["/bin/sh", "-c", BEGIN, "sh", str(entry), str(level), str(int(signum)), *command],
                env=dict(environment),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            while not entry.exists() and begun.poll() is None:
                time.sleep(0.01)
        except BaseException:
            begun.kill()  # nobody else would know of it
            raise
        return begun

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def last_lines(self, name: str) -> str:
        lines = self.log(name).read_text(errors="replace").splitlines()[-SHOWN_LINES:]
        return f"The end of its log, {self.log(name)}:\n" + "\n".join(lines)

    def started(self) -> list[Service]:
        """What was started and not ended, by its files; it may have died meanwhile."""
        entries = sorted(path for path in self.pids.glob("*") if path.suffix != ".new")
        return [Service(path.name, *map(int, path.read_text().split())) for path in entries]

    def require(self, name: str) -> None:
        """SystemExit where a service has ended by itself."""
        if not next(service for service in self.started() if service.name == name).runs():
            raise SystemExit(f"{name} ended. {self.last_lines(name)}")

    def end(self) -> list[str]:
        """End all of them with all that they started, and give the names of those that still ran."""
        services = self.started()
        ran = [service.name for service in services if service.processes()]
        for level in sorted({service.level for service in services}, reverse=True):
            group = [service for service in services if service.level == level]
            for service in group:
                if service.runs():
                    _send(service.pid, service.signum)
            _until_ended(group)
            for service in group:
                (self.pids / service.name).unlink()
        return ran


def _until_ended(group: list[Service]) -> None:
    """Wait for the first processes, then for what is left of the sessions, which gets no more time."""
    limit = time.monotonic() + GRACE_SECONDS
    while any(service.runs() for service in group) and time.monotonic() < limit:
        time.sleep(0.1)
    while left := set().union(*(service.processes() for service in group)):
        for pid in left:
            _send(pid, signal.SIGKILL)
        time.sleep(0.1)


def _send(pid: int, signum: int) -> None:
    try:
        os.kill(pid, signum)
    except ProcessLookupError:
        return


def _processes() -> dict[int, tuple[int, int]]:
    """Session and beginning (in ticks since the machine's) of every process that is not dead yet."""
    table = {}
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            text = Path(entry.path, "stat").read_text(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        state, _, _, session, *rest = text.rpartition(")")[2].split()
        if state not in "ZX":
            table[int(entry.name)] = int(session), int(rest[15])
    return table
