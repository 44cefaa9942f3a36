"""Is this machine fit for it? What `labelaudit doctor` finds, by trying: parsers held, store, contracts, versions."""

from __future__ import annotations

import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from labelaudit.cli import store_trial
from labelaudit.cli.finding import Finding
from labelaudit.contracts import reading
from labelaudit.contracts.model import Contract
from labelaudit.errors import InvalidInput, LabelauditError
from labelaudit.readers.confined.confinement import PROTECTIONS, Confinement
from labelaudit.readers.confined.isolation import REQUIRED, SETTING, Worker, isolation
from labelaudit.readers.confined.trial import try_all
from labelaudit.readers.terms import Field, Terms
from labelaudit.run import steps
from labelaudit.storage.opening import open_store
from labelaudit.storage.store import Store

PACKAGES = ("labelaudit", "pyarrow", "pandas", "great-expectations", "deltalake", "apache-airflow")

ADVICE = {
    "seccomp": "Let the process use seccomp: in a container, keep the engine's default profile; the processor must be"
    " x86_64 or aarch64.",
    "landlock": "Take a kernel with Landlock (Linux 5.13; `landlock` in /sys/kernel/security/lsm), and a container"
    " engine that lets it through (Docker 23, containerd 1.7).",
    "user": "",
}
"""What to do where a layer is missing; a user of its own is root's alone to give, and nothing hangs on it."""


def examine(store: str, folder: Path) -> list[Finding]:
    """All findings about this machine, the store of that URI, and the folder of contracts with what these lead to;
    nothing stays behind."""
    return [*parsers(), _parses(), *_store(store), _contracts(folder), *_destinations(store, folder), _versions()]


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


def _store(uri: str) -> list[Finding]:
    try:
        opened = open_store(uri)
    except (LabelauditError, OSError, ValueError) as error:
        return [Finding(f"store {uri}", False, str(error), store_trial.LOOK)]
    return store_trial.try_store(opened)


def _destinations(uri: str, folder: Path) -> list[Finding]:
    """Of contracts that name one. What Airflow's Connections lead to, a process that knows Airflow tries."""
    contracts = reading.read_contracts(folder)[0]
    plain = [contract for contract in contracts if contract.destination.uri and not contract.destination.connection]
    named = any(
        contract.destination.connection or any(route.connection for route in contract.alerts) for contract in contracts
    )

    def opens(contract: Contract) -> Store:
        return steps.open_destination(contract, open_store(uri))

    tried = store_trial.destinations((contract.id, partial(opens, contract)) for contract in plain)
    return [*tried, *(_connections(folder) if named else ())]


def _connections(folder: Path) -> list[Finding]:
    if find_spec("airflow") is None or find_spec("labelaudit_airflow") is None:
        said = "contracts name Connections of Airflow, which is not installed here"
        return [Finding("connections", None, said, "Call this where Airflow's workers run.")]
    with tempfile.TemporaryDirectory() as home:  # Airflow writes into its home when it is imported
        tried = subprocess.run(  # noqa: S603 # our own module
            [sys.executable, "-m", "labelaudit_airflow.connection_trial", str(folder)],
            # its own database's Connections are read by servers only
            env={"AIRFLOW_HOME": home, "_AIRFLOW_PROCESS_CONTEXT": "server"} | os.environ,
            capture_output=True,
            text=True,
        )
    if tried.returncode:
        return [Finding("connections", False, tried.stderr[-500:], "Look at Airflow's settings: `airflow info`.")]
    return [Finding(**said) for said in json.loads(tried.stdout.splitlines()[-1])]


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
