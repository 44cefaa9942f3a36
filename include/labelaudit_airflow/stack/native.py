"""The services of docker-compose.yaml in the places of one folder of this machine: their commands, environments and
healthchecks are compose's own; addresses, folders and users are this machine's."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labelaudit_airflow import local
from labelaudit_airflow.stack import compose
from labelaudit_airflow.stack.objects import RadosGateway
from labelaudit_airflow.stack.processes import Services
from labelaudit_airflow.stack.servers import Postgres, Redis

UI_PORT = 8080
"""The container's."""
INHERITED = ("HOME", "LANG", "LC_ALL", "LOGNAME", "TMPDIR", "USER")
"""What a service gets of our own environment, besides PATH: nothing that could stand in for what compose forgot."""
HEALTHCHECK_SECONDS = 120
API_SERVER_LEVEL, LEVEL = 3, 4
"""The api-server ends after those that report to it, and before the servers below, which have 0 to 2."""


class Ours:
    """A service of our own image."""

    def __init__(self, services: Services, name: str, service: Mapping[str, Any], environment: dict[str, str]):
        self.services, self.name, self.service, self.environment = services, name, service, environment

    def start(self) -> None:
        level = API_SERVER_LEVEL if self.name == "api-server" else LEVEL
        self.services.start(self.name, self._command(), self.environment, level)

    def run(self) -> None:
        """Run it to its end. SystemExit where it fails."""
        self.services.run(self.name, self._command(), self.environment, LEVEL)

    def _command(self) -> list[str]:
        Path(self.environment["AIRFLOW_HOME"]).mkdir(parents=True, exist_ok=True)
        return self.service["command"]

    def healthy(self) -> bool:
        kind, *command = self.service["healthcheck"]["test"]
        command = ["/bin/sh", "-c", *command] if kind == "CMD-SHELL" else command
        try:
            asked = subprocess.run(  # noqa: S603 - compose's own command
                command, env=self.environment, capture_output=True, cwd="/", timeout=HEALTHCHECK_SECONDS
            )
        except subprocess.TimeoutExpired:
            return False
        return asked.returncode == 0


Standing = Ours | Postgres | Redis | RadosGateway


class Native:
    """All services, made from the file and the environment file; `variables` are the latter's."""

    def __init__(self, home: Path, variables: Mapping[str, str], ports: Mapping[str, int], contracts: Path):
        self.home, self.ports, self.contracts = home, ports, contracts
        self.services = Services(home)
        self.said = compose.resolved(variables)["services"]
        self.host = variables.get("BIND") or "127.0.0.1"
        self.url = f"http://localhost:{ports['ui']}"

    def order(self, profiles: frozenset[str]) -> list[str]:
        return list(compose.in_order(self.said, profiles))

    def made(self, name: str, number: int = 1) -> Standing:
        """A service, or the stand-in for it; `number` tells one of several workers from the others."""
        volumes = self.home / "volumes"
        if name == "postgres":
            return Postgres(self.services, self.said[name], volumes / "postgres", self.ports["postgres"], self._base())
        if name == "redis":
            return Redis(self.services, self.said[name], volumes / "queue", self.ports["redis"], self._base())
        if name == "seaweedfs":
            keys = self.said["init"]["environment"]
            ports = self.ports["objects"], self.ports["monitor"]
            return RadosGateway(self.services, keys, volumes / "objects", *ports, self._base())
        return self._ours(name, number)

    def outside(self) -> dict[str, str]:
        """What the command line needs to reach the store of these services, as a task does."""
        environment = compose.moved(self.said["worker"]["environment"], self._places("worker"))
        wanted = ("AWS_", "LABELAUDIT_STORE", "LABELAUDIT_CONTRACTS")
        return {name: value for name, value in environment.items() if name.startswith(wanted)}

    def _ours(self, name: str, number: int) -> Ours:
        service = dict(self.said[name])
        own_name = name if number == 1 else f"{name}-{number}"
        places = self._places(own_name, service.get("volumes", ()))
        service["command"] = compose.moved(service["command"], places)
        if name == "api-server":
            service["command"] = [part.replace(str(UI_PORT), str(self.ports["ui"])) for part in service["command"]]
            service["command"] += ["--host", self.host]
        host = socket.gethostname() if number == 1 else f"{socket.gethostname()}-{number}"
        if number > 1:
            service["command"] += ["--celery-hostname", f"celery@{host}"]
        if "healthcheck" in service:
            service["healthcheck"] = service["healthcheck"] | {
                "test": compose.moved(service["healthcheck"]["test"], places)
            }
        environment = self._base() | local.PATIENCE | compose.moved(service["environment"], places)
        environment |= {"HOSTNAME": host, "AIRFLOW__CORE__HOSTNAME_CALLABLE": "socket.gethostname"}
        environment |= {"PYTHONPATH": str(local.PROJECT / "include")}
        environment |= {"C_FORCE_ROOT": "1"} if os.getuid() == 0 else {}  # celery's own question
        return Ours(self.services, own_name, service, environment)

    def _places(self, name: str, volumes: Any = ()) -> dict[str, str]:
        places = {
            "postgres:5432": f"127.0.0.1:{self.ports['postgres']}",
            "redis:6379": f"127.0.0.1:{self.ports['redis']}",
            "http://seaweedfs:8333": f"http://127.0.0.1:{self.ports['objects']}",
            f"http://api-server:{UI_PORT}": f"http://127.0.0.1:{self.ports['ui']}",
            f"http://localhost:{UI_PORT}": self.url,
            "/opt/airflow": str(self.home / "airflow" / name),
            "/tmp": str(self.home / "scratch"),  # noqa: S108 - the container's
            "/opt/labelaudit/include/contracts": str(self.contracts),
            "/opt/labelaudit": str(local.PROJECT),
        }
        for volume in volumes:
            source, inside, *_ = volume.split(":")
            if not source.startswith("."):
                places[inside] = str(self.home / "volumes" / source)
        return places

    def _base(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in INHERITED if name in os.environ}
        return kept | {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])}
