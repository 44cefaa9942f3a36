"""What `pip install .` gives: the command, installed from the wheel into an environment that knows no Airflow.

The environment holds the wheel, what its metadata asks for, and what that asks for; nothing else. These are links to
what is installed here, so that nothing is downloaded, and a dependency that nobody declared is missing.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from conftest import GOOD, PROJECT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

pytestmark = pytest.mark.slow

INSIDE_AIRFLOW = "labelaudit.page"
"""The part of `labelaudit` that is served by Airflow's web server, and comes with the extra `airflow`."""
ASKS = """
import os, sys

class Asked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("airflow", "labelaudit_airflow") and "ASKED" in os.environ:
            with open(os.environ["ASKED"], "a") as file:
                file.write(name + "\\n")

sys.meta_path.insert(0, Asked())
"""
"""A sitecustomize that notes who looks for Airflow, even where that is caught."""
IMPORTS_ALL = """
import importlib, pkgutil, sys, labelaudit

def fail(name):
    raise

for module in pkgutil.walk_packages(labelaudit.__path__, "labelaudit.", fail):
    if not module.name.startswith(sys.argv[1]) and not module.name.endswith("__main__"):
        importlib.import_module(module.name)
        print(module.name)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: setuptools would leave its own folders here, and take what an earlier build left in them."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, source)
    skipped = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(PROJECT / "include", source / "include", ignore=skipped)
    offline = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *offline, "--wheel-dir", target, source], check=True)
    (path,) = target.iterdir()
    return path


@pytest.fixture(scope="module")
def binaries(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the environment's programs."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, symlinks=True)
    places = {"base": str(home), "platbase": str(home)}
    packages = Path(sysconfig.get_path("purelib", "venv", vars=places))
    python = Path(sysconfig.get_path("scripts", "venv", vars=places), "python")
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel]
    # make sets PYTHONPATH, where the checkout itself is an installed package
    subprocess.run(install, check=True, env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"})
    (installed,) = packages.glob("labelaudit-*.dist-info")
    for dependency in needed(Distribution.at(installed).requires):
        link(dependency, packages)
    (packages / "sitecustomize.py").write_text(ASKS)
    return python.parent


@pytest.fixture
def call(binaries: Path, tmp_path: Path):
    """Runs a program of the environment in an empty folder."""

    def run(program: str, *arguments: str, code: int = 0, **environment: str) -> subprocess.CompletedProcess:
        settings = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "COLUMNS": "200"}
        settings |= {"LABELAUDIT_STORE": f"file://{tmp_path / 'store'}", "LABELAUDIT_CONTRACTS": "contracts"}
        command = [str(binaries / program), *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=settings | environment, capture_output=True, text=True)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return run


def needed(requirements: Iterable[str] | None, extras: frozenset[str] = frozenset()) -> list[Distribution]:
    """The distributions that these requirements ask for, and all that those ask for."""
    chosen: dict[str, Distribution] = {}
    looked_at: set[tuple[str, str]] = set()

    def take(lines: Iterable[str] | None, extra: str) -> None:
        for requirement in map(Requirement, lines or ()):
            if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
                continue
            name = canonicalize_name(requirement.name)
            chosen.setdefault(name, distribution(name))
            for wanted in {"", *requirement.extras}:
                if (name, wanted) not in looked_at:
                    looked_at.add((name, wanted))
                    take(chosen[name].requires, wanted)

    for extra in {"", *extras}:
        take(requirements, extra)
    return list(chosen.values())


def link(dependency: Distribution, packages: Path) -> None:
    """A package as a whole; what several distributions may have a part in (`google`), file by file."""
    for file in dependency.files or ():
        if file.parts[0] in ("..", "__pycache__"):  # programs, and what Python writes anew
            continue
        top = Path(dependency.locate_file(file.parts[0]))
        whole = (top / "__init__.py").exists() or top.suffix == ".dist-info"
        source = top if whole else Path(dependency.locate_file(file))
        target = packages / (file.parts[0] if whole else file)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(source)


def imported_names(folder: Path) -> Iterator[str]:
    """The packages that Python files ask for, also late, inside functions."""
    for path in folder.rglob("*.py"):
        if "page" in path.relative_to(folder).parts:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                yield (node.module or "").partition(".")[0]


def test_without_airflow_a_delivery_becomes_a_verified_release(call, tmp_path):
    """The whole way, and nothing on it so much as looks whether Airflow is there."""
    (tmp_path / "pets.csv").write_text(GOOD)
    asked = tmp_path / "asked"
    for arguments in (
        ["new", "acme/pets", "--from", "pets.csv", "--vendor", "alder"],
        ["deliver", "pets.csv", "--vendor", "alder", "--to", "acme/pets", "--id", "d1"],
        ["run", "acme/pets"],
        ["releases", "acme/pets"],
    ):
        assert "Traceback" not in call("labelaudit", *arguments, ASKED=str(asked)).stderr
    assert "is whole" in call("labelaudit", "verify", "acme/pets", ASKED=str(asked)).stdout
    (report,) = tmp_path.glob("store/published/acme/pets/releases/*/report.html")
    assert "<style>" in report.read_text("utf-8")
    assert not asked.exists()
    call("python", "-c", "import airflow", code=1, ASKED=str(asked))
    assert asked.read_text() == "airflow\n"


def test_nothing_of_airflow_is_installed(call):
    """Neither by the wheel's requirements nor by theirs; else the test above would prove nothing."""
    names = "import importlib.metadata as m, json; print(json.dumps([d.name for d in m.distributions()]))"
    installed = set(map(canonicalize_name, json.loads(call("python", "-c", names).stdout)))
    assert {"labelaudit", "great-expectations", "deltalake"} <= installed
    assert not [name for name in installed if "airflow" in name or name in ("celery", "fastapi", "pytest")]
    assert "No module named 'airflow'" in call("python", "-c", "import airflow", code=1).stderr


def test_every_module_finds_what_it_imports(call):
    """What a module imports at its head or late is declared, or comes with what is."""
    modules = call("python", "-c", IMPORTS_ALL, INSIDE_AIRFLOW).stdout.split()
    assert len(modules) > 80
    names = sorted(set(imported_names(PROJECT / "include" / "labelaudit")))
    missing = "import sys; from importlib.util import find_spec; print([n for n in sys.argv[1:] if not find_spec(n)])"
    assert call("python", "-c", missing, *names).stdout == "[]\n"


def test_the_rest_says_how_to_get_airflow(call):
    """`labelaudit_airflow` is there and can't be used: it says why, and what to install."""
    for module in ("labelaudit_airflow", "labelaudit_airflow.demo_run"):
        said = call("python", "-c", f"import {module}", code=1).stderr
        assert "pip install 'labelaudit[airflow]'" in said


def test_contracts_are_checked_but_for_their_dags_and_it_is_said(call, tmp_path):
    (tmp_path / "pets.csv").write_text(GOOD)
    call("labelaudit", "new", "acme/pets", "--from", "pets.csv")
    done = call("labelaudit", "contracts", "--json")
    reason = "Airflow is not installed here"
    assert json.loads(done.stdout) == {"contracts": ["acme/pets"], "problems": {}, "dags": f"not tried: {reason}"}
    assert reason in call("labelaudit", "contracts").stderr


def test_doctor_needs_no_airflow(call):
    """It says that Airflow is not there, and counts it as no fault."""
    found = {finding["about"]: finding for finding in json.loads(call("labelaudit", "doctor", "--json").stdout)}
    assert "apache-airflow is not installed" in found["versions"]["said"]
    assert found["parser reads its file"]["good"]


def test_the_wheel_holds_all_that_is_not_python_and_nothing_else(wheel):
    """Templates, styles, tables of numbers; no contracts of the demo under a name that others use."""
    held = set(zipfile.ZipFile(wheel).namelist())
    include = PROJECT / "include"
    packages = [include / "labelaudit", include / "labelaudit_airflow"]
    files = [
        path
        for folder in packages
        for path in folder.rglob("*")
        if path.is_file() and path.parent.name != "__pycache__"
    ]
    assert {str(path.relative_to(include)) for path in files} <= held
    assert {name.partition("/")[0].partition("-")[0] for name in held} == {"labelaudit", "labelaudit_airflow"}


def test_what_make_installs_has_airflow():
    """`make run`, the DAGs and the image install requirements.txt: it pins what is plain and what is the extra's."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["airflow"]]
    for path in ("requirements.txt", "tests/requirements.txt", "benchmarks/requirements.txt"):
        pinned = {
            canonicalize_name(name) for name in re.findall(r"^[\w.-]+", (PROJECT / path).read_text(), re.MULTILINE)
        }
        assert not {canonicalize_name(Requirement(line).name) for line in wanted} - pinned
