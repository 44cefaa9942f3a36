"""An S3 server over HTTP: Ceph's radosgw from Debian, with the one monitor and the one disk file that it keeps its
objects with. It checks signatures, decides conditional puts, and keeps what it has answered for."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from labelaudit_airflow.stack.processes import Services

USER = "labelaudit"
DISK_BYTES = 64 << 30
"""What the disk file may grow to; it takes no more of the machine's than is in it."""
CONFIGURATION = """\
[global]
fsid = {fsid}
mon host = v2:127.0.0.1:{monitor_port}
mon initial members = a
mon data = {folder}/monitor
osd data = {folder}/disk
keyring = {folder}/keyring
run dir = {folder}
admin socket =
pid file =
log file =
log to stderr = false
err to stderr = true
ms bind ipv6 = false
public network = 127.0.0.0/8
cluster network = 127.0.0.0/8
mon allow pool size one = true
mon data avail warn = 1
mon data avail crit = 1
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd objectstore = bluestore
osd memory target = 939524096
bluestore block size = {disk_bytes}
[client.admin]
rgw frontends = beast endpoint=127.0.0.1:{port}
rgw override bucket index max shards = 1
"""


class RadosGateway:
    """What compose's object store does, in `folder`. Its keys are those of the service's configuration."""

    name = "objects"

    def __init__(
        self,
        services: Services,
        keys: Mapping[str, str],
        folder: Path,
        port: int,
        monitor_port: int,
        base: Mapping[str, Any],
    ):
        self.services, self.keys, self.folder = services, keys, folder
        self.port, self.monitor_port, self.environment = port, monitor_port, dict(base)
        self.configuration, self.keyring = folder / "ceph.conf", folder / "keyring"

    def start(self) -> None:
        """The three servers, each when it can reach the one before, and the user of our keys."""
        new = not (self.folder / "made").exists()
        if new:
            shutil.rmtree(self.folder, ignore_errors=True)  # what a killed start left
            self.folder.mkdir(parents=True, mode=0o700)
            (self.folder / "fsid").write_text(str(uuid.uuid4()))
            self._make_keyring()
        self.configuration.write_text(
            CONFIGURATION.format(
                fsid=self._fsid(),
                folder=self.folder,
                port=self.port,
                monitor_port=self.monitor_port,
                disk_bytes=DISK_BYTES,
            )
        )
        self._address_monitor(new)
        self._start("objects-monitor", 0, "ceph-mon", "-i", "a")
        if new:
            self._run("ceph", "osd", "new", self._fsid())
            self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", self._fsid())
            (self.folder / "made").touch()
        self._start("objects-disk", 1, "ceph-osd", "-i", "0")
        self._make_user()
        self._start(self.name, 2, "radosgw", "--name", "client.admin")

    def healthy(self) -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/", timeout=10) as answer:
                return answer.status == 200
        except (URLError, OSError):
            return False

    def _fsid(self) -> str:
        return (self.folder / "fsid").read_text()

    def _make_keyring(self) -> None:
        """Ceph's own keys: of the monitor, of the disk, and of whoever asks them."""
        every = ["--cap", "mon", "allow *", "--cap", "osd", "allow *"]
        for number, (name, leave) in enumerate(
            {
                "mon.": ["--cap", "mon", "allow *"],
                "client.admin": every,
                "osd.0": ["--cap", "mon", "allow profile osd", "--cap", "osd", "allow *"],
            }.items()
        ):
            create = [] if number else ["--create-keyring"]
            self._run("ceph-authtool", str(self.keyring), *create, "--gen-key", "-n", name, *leave, configured=False)

    def _address_monitor(self, new: bool) -> None:
        """Make the monitor, or tell it its port, which may be another than the last time."""
        monitors = str(self.folder / "monitors")
        address = ["--addv", "a", f"[v2:127.0.0.1:{self.monitor_port}]"]
        self._run("monmaptool", "--create", "--clobber", "--fsid", self._fsid(), *address, monitors, configured=False)
        if new:
            (self.folder / "monitor").mkdir()
            (self.folder / "disk").mkdir()
            self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monitors, "--keyring", str(self.keyring))
        else:
            self._run("ceph-mon", "-i", "a", "--inject-monmap", monitors)

    def _make_user(self) -> None:
        """The one user, with the keys that .env has now."""
        keys = ["--access-key", self.keys["AWS_ACCESS_KEY_ID"], "--secret-key", self.keys["AWS_SECRET_ACCESS_KEY"]]
        user = ["--name", "client.admin", "--uid", USER]
        try:
            self._run("radosgw-admin", *user, "user", "create", "--display-name", USER, *keys)
        except SystemExit as error:
            if f"user: {USER} exists" not in str(error):
                raise
            self._run("radosgw-admin", *user, "key", "create", "--key-type", "s3", *keys)

    def _start(self, name: str, level: int, program: str, *arguments: str) -> None:
        command = [program, "-c", str(self.configuration), "-f", *arguments]
        self.services.start(name, command, self.environment, level)

    def _run(self, program: str, *arguments: str, configured: bool = True) -> None:
        """Run one of Ceph's commands to its end. SystemExit with what it said where it fails."""
        command = [program, *(["-c", str(self.configuration)] if configured else []), *arguments]
        self.services.run(f"{self.name}-setup", command, self.environment, 2)
