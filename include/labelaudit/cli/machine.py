"""Is this machine fit for it? What `labelaudit doctor` finds, by trying: parsers held, store, contracts, versions."""

from __future__ import annotations

import os
import platform
import secrets
import socket
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from labelaudit.contracts import reading
from labelaudit.errors import InvalidInput, LabelauditError
from labelaudit.readers.confined.confinement import PROTECTIONS, Confinement
from labelaudit.readers.confined.isolation import REQUIRED, SETTING, Worker, isolation
from labelaudit.readers.confined.trial import try_all
from labelaudit.readers.terms import Field, Terms
from labelaudit.storage.opening import open_store

PACKAGES = ("labelaudit", "pyarrow", "pandas", "great-expectations", "deltalake", "apache-airflow")

ADVICE = {
    "seccomp": "Let the process use seccomp: in a container, keep the engine's default profile; the processor must be"
    " x86_64 or aarch64.",
    "landlock": "Take a kernel with Landlock (Linux 5.13; `landlock` in /sys/kernel/security/lsm), and a container"
    " engine that lets it through (Docker 23, containerd 1.7).",
    "user": "",
}
"""What to do where a layer is missing; a user of its own is root's alone to give, and nothing hangs on it."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `good` is None where it is only told; `advice` says what to do."""

    about: str
    good: bool | None
    said: str
    advice: str = ""


def examine(store: str, folder: Path) -> list[Finding]:
    """All findings about this machine, the store of that URI, and the folder of contracts; nothing stays behind."""
    return [*parsers(), _parses(), _store(store), _contracts(folder), _versions()]


def parsers() -> list[Finding]:
    """What a parsing process, started and confined as all are, was able to do."""
    try:
        required = isolation() == REQUIRED
    except InvalidInput as error:
        return [Finding("parser", False, str(error))]
    with socket.create_server(("127.0.0.1", 0)) as server, tempfile.TemporaryDirectory() as folder:
        secret = Path(folder, "secret")
        secret.write_text("not for parsers")
        try:
            said = try_all(server.getsockname()[1], secret, Path(folder))
        except OSError as error:
            return [Finding("parser", False, str(error), "Run the same command again; else tell us.")]
    confinement, possible = Confinement(**said["confinement"]), said["possible"]
    advice = " ".join(filter(None, (ADVICE[name] for name in confinement.missing)))
    findings = []
    for name, layers in confinement.held_by().items():
        could = possible.get(name, [])
        if could:
            said = f"NOT held: it could {'; it could '.join(could)}"
        else:
            said = f"held by {layers}" if layers else "it could not here, but nothing of ours holds it"
        good = not could and bool(layers)
        findings.append(Finding(f"parser: {PROTECTIONS[name]}", good, said, "" if good else advice))
    return [*findings, _setting(required, all(finding.good for finding in findings))]


def _setting(required: bool, whole: bool) -> Finding:
    if required:
        return Finding(SETTING, whole, "required: nothing is parsed where a line above is missing")
    advice = "" if whole else f"Mend what is missing, then set {SETTING}={REQUIRED}."
    return Finding(SETTING, True if whole else None, "best: files are parsed with whatever this machine gives", advice)


def _parses() -> Finding:
    terms = Terms("trial.csv", "csv", (Field("item", "item"), Field("label", "label")))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "trial.csv")
        path.write_text("item,label\na,cat\n")
        try:
            with Worker() as worker:
                rows = sum(batch.rows.num_rows for batch in worker.read(path, terms))
        except LabelauditError as error:
            return Finding("parser reads its file", False, str(error))
    return Finding("parser reads its file", rows == 1, f"{rows} of 1 row")


def _store(uri: str) -> Finding:
    about, key = f"store {uri}", f"doctor-{secrets.token_hex(8)}"
    store = None
    try:
        store = open_store(uri)
        first, second = store.put_if_absent(key, b"first"), store.put_if_absent(key, b"second")
        content = store.read(key)
    except (LabelauditError, OSError, KeyError) as error:
        return Finding(about, False, str(error), "Look at the URI, the credentials and the rights of this user.")
    finally:
        with suppress(LabelauditError, OSError):
            if store is not None:
                store.delete(key)
    if (first, second, content) != (True, False, b"first"):
        said = "an object that is there already was written over: conditional puts do not work"
        return Finding(about, False, said, "Releases would be lost. Take a store that knows `If-None-Match`.")
    return Finding(about, True, "written, read, deleted; conditional puts work")


def _contracts(folder: Path) -> Finding:
    about = f"contracts {folder}"
    good, broken = reading.read_contracts(folder)
    if broken:
        said = f"{len(good)} good, {len(broken)} broken: {', '.join(error.where for error in broken[:5])}"
        return Finding(about, False, said, "`labelaudit contracts` says what is wrong.")
    advice = "" if good else "`labelaudit new` writes the first, or name another folder with --contracts."
    return Finding(about, True if good else None, f"{len(good)} good", advice)


def _versions() -> Finding:
    said = [f"Python {platform.python_version()}", f"{platform.system()} {platform.release()} {platform.machine()}"]
    for name in PACKAGES:
        try:
            said.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            said.append(f"{name} is not installed")
    return Finding("versions", None, f"{', '.join(said)}; user {os.geteuid()}")
