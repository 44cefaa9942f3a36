"""Reading contracts from a folder: `<contracts>/<customer>/<dataset>.yaml`.

An error names the file, the line, the field, and the nearest name that would have been valid. One broken contract never
hides the others.
"""

from __future__ import annotations

import difflib
import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from labelaudit.contracts import plain_yaml
from labelaudit.contracts.model import Contract
from labelaudit.contracts.model_errors import in_words
from labelaudit.contracts.plain_yaml import Document
from labelaudit.errors import ContractError

SHOWN_PROBLEMS = 50


def read_contract(path: Path) -> Contract:
    """Read one contract; customer and dataset come from the path.

    Raises ContractError with every problem of the file: what, in which line and field, and what would be valid.
    """
    where = _shown(f"{path.parent.name}/{path.name}")
    if path.suffix != ".yaml":
        raise ContractError(where, [f"is called `{path.suffix}`; a contract is `<customer>/<dataset>.yaml`"])
    return contract_of(path.parent.name, path.stem, read_terms(path, where, within=path.parent), where)


def read_terms(path: Path, where: str, within: Path | None = None) -> Document:
    """The terms of a YAML file. Only a regular file is read (a pipe would hang all), if asked only one of a folder."""
    try:
        real = path.resolve(strict=True)
        if within and not real.is_relative_to(within.resolve()):  # links within it are how Kubernetes mounts files
            raise ContractError(where, ["is a link that leads out of its customer's folder; put the file itself here"])
        if not stat.S_ISREG(real.stat().st_mode):
            raise ContractError(where, ["is not a regular file (a folder, pipe or device)"])
        with real.open("rb") as file:
            content = file.read(plain_yaml.LARGEST_BYTES + 1)
    except (OSError, RuntimeError) as error:  # RuntimeError: a circle of links
        raise ContractError(where, [f"can't be read: {getattr(error, 'strerror', None) or error}"]) from error
    if len(content) > plain_yaml.LARGEST_BYTES:
        raise ContractError(where, [f"is larger than {plain_yaml.LARGEST_BYTES} bytes"])
    try:
        return plain_yaml.parse(content.decode("utf-8-sig"), where)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ContractError(where, [f"line {line}: not UTF-8 at byte {error.start}"]) from error
    except ContractError:
        raise
    except Exception as error:  # whatever one file brings up, the other contracts are read
        raise ContractError(where, [f"can't be read: {type(error).__name__}: {_shown(str(error))}"]) from error


def contract_of(customer: str, dataset: str, document: Document, where: str) -> Contract:
    """The contract of these terms. Raises ContractError with every problem."""
    terms = document.value
    if not isinstance(terms, dict):
        raise ContractError(where, ["is not a mapping of fields; see the README, 'Add a customer'"])
    for field in ("customer", "dataset"):
        if field in terms:
            line = document.lines.get((field,), 1)
            raise ContractError(where, [f"line {line}: `{field}` comes from the path of the file; take it out"])
    try:
        return Contract(customer=customer, dataset=dataset, **terms)
    except ValidationError as error:
        problems = [_explained(finding, document.lines) for finding in error.errors()]
        more = [f"and {len(problems) - SHOWN_PROBLEMS} more"] if len(problems) > SHOWN_PROBLEMS else []
        raise ContractError(where, problems[:SHOWN_PROBLEMS] + more) from error
    except Exception as error:  # as above
        raise ContractError(where, [f"can't be read: {type(error).__name__}: {_shown(str(error))}"]) from error


def read_contracts(
    folder: Path, wanted: Callable[[Path], bool] = lambda path: True
) -> tuple[list[Contract], list[ContractError]]:
    """The contracts below `folder` whose path is wanted, sorted by path, and the errors of those that can't be read."""
    contracts, errors = [], []
    for path in filter(wanted, contract_paths(folder)):
        try:
            contracts.append(read_contract(path))
        except ContractError as error:
            errors.append(error)
    return contracts, errors


def contract_paths(folder: Path) -> list[Path]:
    """The files below `folder` that are, or were meant as, contracts; hidden ones are editors' and Kubernetes' own."""
    paths = (path for pattern in ("*/*.yaml", "*/*.yml") for path in folder.glob(pattern))
    return sorted(path for path in paths if not path.name.startswith(".") and not path.parent.name.startswith("."))


def contract_names(folder: Path) -> list[str]:
    """The files of `contract_paths`, below `folder`, as text that can be told: what is no text in a name is escaped."""
    return [_shown(str(path.relative_to(folder)), 1000) for path in contract_paths(folder)]


def json_schema() -> str:
    """The JSON Schema of a contract file, for editors."""
    schema = Contract.model_json_schema()
    for field in ("customer", "dataset"):
        del schema["properties"][field]
        schema["required"].remove(field)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Labelaudit contract"
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


def _explained(finding: dict[str, Any], lines: dict[tuple, int]) -> str:
    """One line for one finding of pydantic."""
    loc = finding["loc"]
    message = in_words(finding)
    if finding["type"] == "extra_forbidden":
        valid = _fields(Contract, loc[:-1])
        near = difflib.get_close_matches(str(loc[-1]), valid, n=1, cutoff=0)
        message = (
            f"unknown key; the nearest valid one is `{near[0]}` (all: {', '.join(valid)})" if near else "unknown key"
        )
    keys, line = _located(lines, loc)
    field = ".".join(keys)
    if loc[:2] in (("customer",), ("dataset",)):
        pattern = finding.get("ctx", {}).get("pattern", "")
        return f"the path's {loc[0]} {_shown(repr(finding['input']))} must match {pattern}"
    return _shown(f"line {line}: {f'`{field}`: ' if field else ''}{message}", 1000)


def _shown(text: str, length: int = 120) -> str:
    """Text of a file or path as it can stand in any message: one line, no half characters, not too long."""
    safe = "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)
    return safe if len(safe) <= length else f"{safe[:length]}…"


def _fields(model: type[BaseModel], loc: tuple) -> list[str]:
    """The field names that are valid at `loc`, following pydantic's location through containers and unions."""
    kinds: list[Any] = [model]
    for step in loc:
        annotations = []
        for kind in _models(kinds):
            if step in kind.model_fields:
                annotations.append(kind.model_fields[step].annotation)
            elif "source" in kind.model_fields and step in get_args(kind.model_fields["source"].annotation):
                annotations.append(kind)
        if annotations:
            kinds = annotations
    names = {name for kind in _models(kinds) for name in kind.model_fields}
    return sorted(names - {"customer", "dataset"} if kinds == [model] else names)


def _models(kinds: list[Any]) -> list[type[BaseModel]]:
    found = []
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found.append(kind)
        else:
            found += _models(list(get_args(kind)))
    return found


def _located(lines: dict[tuple, int], loc: tuple) -> tuple[list[str], int]:
    """The keys of `loc` that stand in the file (pydantic adds the tags of unions), and the line of the last one."""
    path: tuple[str | int, ...] = ()
    keys = []
    for step in loc:
        if (*path, step) in lines:
            path = (*path, step)
            keys.append(str(step))
        elif step == loc[-1] and isinstance(step, str):
            keys.append(step)
    return keys, lines.get(path, 1)
