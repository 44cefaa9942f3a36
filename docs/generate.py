"""Writes what the code says itself into the pages (`make docs`): between two comments, here of the block `commands`.

    <!-- generated: commands -->
    <!-- end -->

A test holds the pages against it. What is written by hand stands around the blocks, and stays.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import typer.main

import labelaudit
from docs import contract_keys
from labelaudit.cli.app import app
from labelaudit.contracts.formats import FORMATS
from labelaudit.rejects.words import KNOWN
from labelaudit_airflow import alerts_dag, audit_dag, inbox_dag, upkeep_dag

PROJECT = Path(__file__).resolve().parents[1]
PACKAGE = PROJECT / "include" / "labelaudit"
BLOCK = re.compile(r"(?<=<!-- generated: )(\w+)( -->\n).*?(?=<!-- end -->)", re.DOTALL)
DAGS = {
    "audit__<customer>__<dataset>": audit_dag,
    "labelaudit__inbox": inbox_dag,
    "labelaudit__alerts": alerts_dag,
    "labelaudit__upkeep": upkeep_dag,
}


def commands() -> str:
    """Every command, in a sentence."""
    known = typer.main.get_command(app).commands
    rows = [f"| `labelaudit {name}` | {_first(known[name].help)} |" for name in sorted(known)]
    return "\n".join(["| command | what it does |", "|---|---|", *rows])


def codes() -> str:
    """Every code of a reject or a rejection."""
    rows = [f"| `{code}` | {wrong} | {advice} |" for code, (wrong, advice) in KNOWN.items()]
    return "\n".join(["| code | what is wrong | what to do |", "|---|---|---|", *rows])


def formats() -> str:
    """Every format of a delivery."""
    rows = [f"| `{name}` | {', '.join(entry.containers)} | {entry.about} |" for name, entry in FORMATS.items()]
    return "\n".join(["| `format` | lies in | what it is |", "|---|---|---|", *rows])


def dags() -> str:
    """The runbook that each DAG shows in Airflow."""
    parts = []
    for name, module in DAGS.items():
        text = module.DOC.replace("{id}", "<customer>/<dataset>").replace("{asset}", "audit__<customer>__<dataset>")
        text = text.replace("{schedule}", "On the contract's `schedule`").replace("{description}\n\n", "")
        text = text.replace("{vendors}", "the contract's vendors").replace(
            "`{destination}`", "the contract's destination"
        )
        text = text.replace("**<customer>/<dataset>**", "one dataset")
        parts.append(f"### `{name}`\n\n" + re.sub(r"^## (.*)\n", r"**\1.**\n", text.strip(), flags=re.MULTILINE))
    return "\n\n".join(parts)


def detectors() -> str:
    """The public functions and what they give, module by module: signatures and docstrings."""
    modules: dict[ModuleType, list] = {}
    for name in labelaudit.__all__:
        public = getattr(labelaudit, name)
        modules.setdefault(inspect.getmodule(public), []).append(public)
    parts = []
    for module in sorted(modules, key=lambda one: one.__name__):
        parts.append(f"## {_first(module.__doc__)}")
        for public in sorted(modules[module], key=lambda one: (inspect.isclass(one), one.__name__)):
            parts.append(f"### `{public.__name__}`")
            parts.append(f"`{_signature(public)}`")
            parts.append(_examples_fenced(inspect.getdoc(public)))
    return "\n\n".join(parts)


def kernels() -> str:
    """What each kernel says of itself: the method, its formulas, its source."""
    parts = []
    for path in sorted((PACKAGE / "kernels").glob("[!_]*.py")):
        first, _, rest = _docstring(path).partition("\n\n")
        parts.append(f"### `{path.stem}`\n\n{' '.join(first.split())}" + (f"\n\n```text\n{rest}\n```" if rest else ""))
    return "\n\n".join(parts)


def tree() -> str:
    """The folders of the package and the modules beside them, each in its own words."""
    names = [*sorted(PACKAGE.glob("*/__init__.py")), *sorted(PACKAGE.glob("*.py"))]
    rows = [(f"{one.parent.name}/" if one.stem == "__init__" else one.name, _first(_docstring(one))) for one in names]
    rows[rows.index(next(row for row in rows if row[0] == f"{PACKAGE.name}/"))] = (
        "__init__.py",
        "the public detectors",
    )
    return "\n".join(["| `include/labelaudit/` | |", "|---|---|", *(f"| `{name}` | {said} |" for name, said in rows)])


def layers() -> str:
    """Who may import whom, from the ground up: as `make lint` checks it."""
    checked = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (floors,) = [one["layers"] for one in checked if one["type"] == "layers"]
    return " · ".join(floor.replace(" | ", ", ") for floor in reversed(floors))


def _docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""


def _signature(public) -> str:
    """As Python writes it, with types as the source has them.

    >>> def f(a, b: "float" = 0.5) -> "str": ...
    >>> _signature(f)
    'f(a, b: float = 0.5) -> str'
    """
    given = inspect.signature(public)
    if inspect.isclass(public):
        given = given.replace(return_annotation=inspect.Signature.empty)
    return public.__name__ + re.sub(r"'([^']*)'(?=[,)=\s]|$)", r"\1", str(given))


def _examples_fenced(text: str) -> str:
    """A docstring with its examples as blocks of Python."""
    parts = re.split(r"\n\n(?=>>>)", text)
    return "\n\n".join([parts[0], *(f"```python\n{one}\n```" for one in parts[1:])])


def _first(text: str) -> str:
    """The first sentence of a docstring, without its full stop."""
    return " ".join(text.strip().split("\n\n")[0].split()).removesuffix(".")


BLOCKS: dict[str, Callable[[], str]] = {
    "codes": codes,
    "commands": commands,
    "contract": contract_keys.contract_keys,
    "dags": dags,
    "detectors": detectors,
    "expectations": contract_keys.expectations,
    "formats": formats,
    "kernels": kernels,
    "layers": layers,
    "manifest": contract_keys.manifest_keys,
    "tree": tree,
}


def pages() -> list[Path]:
    """All pages, README first."""
    return [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]


def filled(text: str) -> str:
    """A page with its blocks as the code has them now."""
    return BLOCK.sub(lambda found: f"{found[1]}{found[2]}{BLOCKS[found[1]]()}\n", text)


def main() -> None:
    for page in pages():
        before = page.read_text("utf-8")
        if (now := filled(before)) != before:
            page.write_text(now, encoding="utf-8")
            print(f"wrote {page.relative_to(PROJECT)}", file=sys.stderr)


if __name__ == "__main__":
    main()
