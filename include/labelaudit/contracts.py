"""Reading contracts from a folder: `<contracts>/<customer>/<dataset>.yaml`.

An error names the file, the line, the field, and the nearest name that would have been valid. One broken contract never
hides the others.
"""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from labelaudit.contract import Contract
from labelaudit.errors import ContractError


def read_contract(path: Path) -> Contract:
    """Read one contract; customer and dataset come from the path.

    Raises ContractError with every problem of the file: what, in which line and field, and what would be valid.
    """
    where = f"{path.parent.name}/{path.name}"
    try:
        text = path.read_text("utf-8")
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        _refuse_duplicates(tree, where)
        terms = yaml.safe_load(text)
    except UnicodeDecodeError as error:
        raise ContractError(where, [f"not UTF-8 at byte {error.start}"]) from error
    except OSError as error:
        raise ContractError(where, [f"can't be read: {error.strerror}"]) from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise ContractError(where, [f"line {line}: not YAML: {error.problem}"]) from error
    except yaml.YAMLError as error:
        raise ContractError(where, [f"not YAML: {error}"]) from error
    if not isinstance(terms, dict):
        raise ContractError(where, ["is not a mapping of fields; see the README, 'Add a customer'"])
    for field in ("customer", "dataset"):
        if field in terms:
            raise ContractError(where, [f"`{field}` comes from the path of the file; take it out"])
    try:
        return Contract(customer=path.parent.name, dataset=path.stem, **{str(key): terms[key] for key in terms})
    except ValidationError as error:
        raise ContractError(where, [_explained(finding, tree) for finding in error.errors()]) from error


def read_contracts(folder: Path) -> tuple[list[Contract], list[ContractError]]:
    """All contracts below `folder`, sorted by path, and the errors of those that can't be read."""
    contracts, errors = [], []
    for path in contract_paths(folder):
        try:
            contracts.append(read_contract(path))
        except ContractError as error:
            errors.append(error)
    return contracts, errors


def contract_paths(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/*.yaml"))


def json_schema() -> str:
    """The JSON Schema of a contract file, for editors."""
    schema = Contract.model_json_schema()
    for field in ("customer", "dataset"):
        del schema["properties"][field]
        schema["required"].remove(field)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Labelaudit contract"
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


def _explained(finding: dict[str, Any], tree: yaml.Node) -> str:
    """One line for one finding of pydantic."""
    loc = finding["loc"]
    message = finding["msg"].removeprefix("Value error, ")
    if finding["type"] == "extra_forbidden":
        valid = _fields(Contract, loc[:-1])
        near = difflib.get_close_matches(str(loc[-1]), valid, n=1, cutoff=0)
        message = (
            f"unknown key; the nearest valid one is `{near[0]}` (all: {', '.join(valid)})" if near else "unknown key"
        )
    elif finding["type"] == "string_type":
        message = f"{message}, found {finding['input']!r}; put it in quotes"
    elif finding["type"] not in ("value_error", "missing"):
        message = f"{message}, found {finding['input']!r}"
    keys, line = _located(tree, loc)
    field = ".".join(keys)
    if loc[:2] in (("customer",), ("dataset",)):
        return f"the path's {loc[0]} {finding['input']!r} must match {finding.get('ctx', {}).get('pattern', '')}"
    return f"line {line}: {f'`{field}`: ' if field else ''}{message}"


def _fields(model: type[BaseModel], loc: tuple) -> list[str]:
    """The field names that are valid at `loc`, following pydantic's location through containers and unions."""
    kinds: list[Any] = [model]
    for step in loc:
        found = []
        for kind in _models(kinds):
            if step in kind.model_fields:
                found.append(kind.model_fields[step].annotation)
            elif "source" in kind.model_fields and step in get_args(kind.model_fields["source"].annotation):
                found.append(kind)
        if found:
            kinds = found
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


def _located(tree: yaml.Node, loc: tuple) -> tuple[list[str], int]:
    """The keys of `loc` that stand in the file (pydantic adds the tags of unions), and the line of the last one."""
    keys, line, node = [], 1, tree
    for step in loc:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == str(step):
                    keys, line, node = [*keys, str(step)], key.start_mark.line + 1, value
                    break
            else:
                if step == loc[-1]:
                    keys.append(str(step))
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            keys, line = [*keys, str(step)], node.start_mark.line + 1
    return keys, line


def _refuse_duplicates(node: yaml.Node | None, where: str) -> None:
    """YAML keeps the last of two equal keys without a word."""
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if str(key.value) in seen:
                raise ContractError(where, [f"line {line}: `{key.value}` is given twice (line {seen[key.value]})"])
            seen[str(key.value)] = line
            _refuse_duplicates(value, where)
    elif isinstance(node, yaml.SequenceNode):
        for child in node.value:
            _refuse_duplicates(child, where)
