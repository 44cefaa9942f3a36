"""The tree shows the way of a delivery: a folder is a verb of the run, or a thing that verbs share."""

from __future__ import annotations

import ast
from pathlib import Path

import grimp
import pytest
from conftest import PROJECT

PACKAGE = PROJECT / "include" / "labelaudit"
FLAT = {"__init__.py", "__main__.py", "demo.py", "errors.py"}
"""What lies beside the folders: the package's own, and what all of them share."""
LONGEST_LINES = 320
SOURCES = sorted([*PACKAGE.rglob("*.py"), *(PROJECT / "include" / "labelaudit_airflow").rglob("*.py")])


def test_no_module_lies_flat_but_those_that_are_named():
    assert {path.name for path in PACKAGE.glob("*.py")} == FLAT


def test_every_folder_says_what_belongs_in_it():
    silent = [path for path in PACKAGE.rglob("__init__.py") if not ast.get_docstring(ast.parse(path.read_text()))]
    assert silent == []
    assert {path.parent for path in PACKAGE.rglob("*.py")} == {path.parent for path in PACKAGE.rglob("__init__.py")}


def test_no_modules_import_each_other_in_a_circle():
    """Also within a folder, where the linter's layers do not look."""
    graph = grimp.build_graph("labelaudit", "labelaudit_airflow", cache_dir=None)
    circles = []
    for module in sorted(graph.modules):
        for imported in graph.find_modules_directly_imported_by(module):
            if graph.chain_exists(importer=imported, imported=module):
                circles.append((module, imported))
    assert circles == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PROJECT / "include")))
def test_a_module_keeps_the_rules_of_the_house(path: Path):
    """No private name of another module, no import for a type checker's eyes only, no file that nobody reads to its
    end. The package's own front imports its detectors when they are asked for: there a type checker must be told."""
    text = path.read_text("utf-8")
    tree = ast.parse(text)
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert [name.name for node in imports for name in node.names if name.name.startswith("_")] == []
    modules = {name.asname or name.name for node in imports for name in node.names if name.name[0].islower()}
    reached = [
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules
    ]
    assert [name for name in reached if name.split(".")[1].startswith("_") and not name.endswith("__")] == []
    assert "TYPE_CHECKING" not in text or path == PACKAGE / "__init__.py" or path.parent.name == "labelaudit_airflow"
    assert len(text.splitlines()) <= LONGEST_LINES


def test_tests_lie_where_what_they_test_lies():
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir()} | {"labelaudit_airflow", "docs"}
    tests = PROJECT / "tests"
    assert {path.name for path in tests.iterdir() if path.is_dir() and path.name != "__pycache__"} <= rooms
    assert {path.name for path in tests.glob("test_*.py")} == {Path(__file__).name}
