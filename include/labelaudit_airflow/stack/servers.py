"""What stands in for the images that are not ours: Debian's Postgres and Redis, on the loopback interface."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labelaudit_airflow.stack.processes import Services

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1:]
"""Debian's newest."""


def missing() -> list[str]:
    """Debian's packages that the stand-ins need, and that are not there."""
    programs = {"redis-server": "redis-server", "ceph-mon": "ceph-mon", "ceph-osd": "ceph-osd", "radosgw": "radosgw"}
    absent = [package for program, package in programs.items() if shutil.which(program) is None]
    return absent + ([] if BINARIES else ["postgresql"])


class Postgres:
    """A cluster in `folder`. Its server refuses to run as root: then it is Debian's user postgres."""

    name = "postgres"

    def __init__(self, services: Services, service: Mapping[str, Any], folder: Path, port: int, base: dict[str, str]):
        self.services, self.folder, self.port = services, folder, port
        self.given = service["environment"]
        self.as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
        self.environment = base | {"PGHOST": "127.0.0.1", "PGPORT": str(port), "PGUSER": self.given["POSTGRES_USER"]}

    def start(self) -> None:
        if not self._made().exists():
            self._initialise()
        options = ["-D", str(self.folder), "-p", str(self.port), "-h", "127.0.0.1", "-k", ""]
        command = [*self.as_user, str(BINARIES[0] / "postgres"), *options]
        self.services.start(self.name, command, self.environment, 0, signal.SIGINT)

    def healthy(self) -> bool:
        """Answers, and has the database."""
        access = self.environment | {"PGPASSWORD": self.given["POSTGRES_PASSWORD"], "PGDATABASE": "postgres"}
        database = self.given["POSTGRES_DB"]
        there = f"select 1 from pg_database where datname = '{database}'"  # noqa: S608 - compose's own name
        asked = _done([str(BINARIES[0] / "psql"), "-qtAc", there], access)
        if asked.returncode:
            if "password authentication failed" in asked.stderr:
                raise SystemExit(f"{self.folder} was made with another POSTGRES_PASSWORD than .env has now")
            return False
        return bool(asked.stdout.strip()) or not _done([str(BINARIES[0] / "createdb"), database], access).returncode

    def _made(self) -> Path:
        return self.folder.with_suffix(".made")

    def _initialise(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)  # what a killed initdb left
        self.folder.mkdir(parents=True, mode=0o700)
        if self.as_user:
            shutil.chown(self.folder, "postgres", "postgres")
            if _done([*self.as_user, "test", "-r", str(self.folder)], self.environment).returncode:
                raise SystemExit(f"the user postgres can't reach {self.folder}: take a folder that all may enter")
        command = [str(BINARIES[0] / "initdb"), "-U", self.given["POSTGRES_USER"], "--auth=scram-sha-256", "-E", "UTF8"]
        with tempfile.NamedTemporaryFile("w") as password:
            password.write(self.given["POSTGRES_PASSWORD"])
            password.flush()
            if self.as_user:
                shutil.chown(password.name, "postgres", "postgres")
            command += ["--locale=C.UTF-8", f"--pwfile={password.name}", str(self.folder)]
            self.services.run(self.name, [*self.as_user, *command], self.environment, 0)
        self._made().touch()


class Redis:
    """The service's own command, with this machine's address and folder."""

    name = "redis"

    def __init__(self, services: Services, service: Mapping[str, Any], folder: Path, port: int, base: dict[str, str]):
        self.services, self.folder, self.port = services, folder, port
        self.command, self.environment = service["command"], base | service["environment"]

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        *shell, script = self.command
        script += f" --bind 127.0.0.1 --port {self.port} --dir '{self.folder}'"
        self.services.start(self.name, [*shell, script], self.environment, 0)

    def healthy(self) -> bool:
        return "PONG" in _done(["redis-cli", "-p", str(self.port), "ping"], self.environment).stdout


def _done(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=environment, capture_output=True, text=True, cwd="/")  # noqa: S603
