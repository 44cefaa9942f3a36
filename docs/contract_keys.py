"""Tables of every key that a contract or a manifest can have, from the JSON Schema of its model."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel

from labelaudit.contracts.checks import FAMILIES
from labelaudit.contracts.model import Contract
from labelaudit.receive.manifest_file import Manifest

ESCAPED, MOST_SHOWN = "\\|", 30
FROM_THE_PATH = ("customer", "dataset")
KINDS = {"string": "text", "integer": "whole number", "number": "number", "boolean": "`true` or `false`"}
RANGES = {"minimum": "≥ {}", "exclusiveMinimum": "> {}", "maximum": "≤ {}", "exclusiveMaximum": "< {}"}
SIZES = {"minItems": "at least {}", "minProperties": "at least {}", "maxItems": "at most {}"}


class Section(NamedTuple):
    """The keys of one model: `path` is where they stand in the file (`vendors.<name>.dialect`; empty: the file)."""

    path: str
    schema: dict[str, Any]


def contract_keys() -> str:
    return _sections_of(Contract, FROM_THE_PATH)


def manifest_keys() -> str:
    return _sections_of(Manifest)


def expectations() -> str:
    """A table of the Great Expectations that a contract can name, with their arguments."""
    lines = ["| `type` | `kwargs` |", "|---|---|"]
    for family, names in FAMILIES.items():
        schema = family.model_json_schema()
        required = schema.get("required", ())
        given = [
            f"`{name}`" if name in required else f"`{name}` ({_default(terms)})"
            for name, terms in sorted(schema["properties"].items(), key=lambda one: one[0] not in required)
        ]
        lines.append(f"| {'<br>'.join(f'`{name}`' for name in names)} | {', '.join(given)} |")
    return "\n".join(lines)


def _sections_of(model: type[BaseModel], left_out: Sequence[str] = ()) -> str:
    schema = model.model_json_schema()
    for key in left_out:
        del schema["properties"][key]
    below = dict(_below(Section("", schema), schema["$defs"], set()))
    places = {name: section.path for name, section in below.items()}
    return "\n\n".join(_shown(one, places) for one in (Section("", schema), *below.values()))


def _below(above: Section, known: dict[str, Any], seen: set[str]) -> Iterator[tuple[str, Section]]:
    """The models below a section, each once: (its name, its section)."""
    for key, terms in above.schema["properties"].items():
        for name, path in _models(terms, f"{above.path}.{key}".lstrip(".")):
            if name not in seen:
                seen.add(name)
                tag = next((one["const"] for one in known[name]["properties"].values() if "const" in one), "")
                section = Section(f"{path}: {{source: {tag}}}" if "discriminator" in terms else path, known[name])
                yield name, section
                yield from _below(section, known, seen)


def _models(terms: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
    """(model, path) of those that `terms` lead to."""
    if "$ref" in terms:
        yield terms["$ref"].rpartition("/")[2], path
    for one in (*terms.get("anyOf", ()), *terms.get("oneOf", ())):
        yield from _models(one, path)
    if "items" in terms:
        yield from _models(terms["items"], f"{path}[]")
    if inner := _values(terms):
        yield from _models(inner, f"{path}.<name>")


def _values(terms: dict[str, Any]) -> dict[str, Any] | None:
    """What a mapping's values may be."""
    patterns = list(terms.get("patternProperties", {}).values())
    inner = patterns[0] if patterns else terms.get("additionalProperties")
    return inner if isinstance(inner, dict) else None


def _shown(section: Section, places: dict[str, str]) -> str:
    lines = [f"### `{section.path}`", ""] if section.path else []
    lines += [section.schema["description"], ""]
    lines += ["| key | takes | default | meaning |", "|---|---|---|---|"]
    for key, terms in section.schema["properties"].items():
        default = "**required**" if key in section.schema.get("required", ()) else _default(terms)
        cells = (
            f"`{key}`",
            _takes(terms, places),
            default,
            " ".join(terms["description"].split()).replace("\\", "\\\\"),
        )
        lines.append(f"| {' | '.join(one.replace('|', ESCAPED) for one in cells)} |")
    return "\n".join(lines)


def _takes(terms: dict[str, Any], places: dict[str, str]) -> str:
    """What a value may be, in words."""
    if "$ref" in terms:
        path = places[terms["$ref"].rpartition("/")[2]]
        return f"[`{path}`](#{anchor(path)})"
    if either := terms.get("anyOf") or terms.get("oneOf"):
        return ", or ".join(_takes(one, places) for one in either)
    if "enum" in terms:
        return (
            ", ".join(f"`{one}`" for one in terms["enum"]) if len(terms["enum"]) <= MOST_SHOWN else "a name, see below"
        )
    if "const" in terms:
        return f"`{terms['const']}`"
    if terms.get("type") == "array":
        if "prefixItems" in terms:
            return f"[{'; '.join(_takes(one, places) for one in terms['prefixItems'])}]"
        return f"list of {_takes(terms['items'], places)}{_limits(terms, SIZES)}"
    if terms.get("type") == "object":
        inner = _values(terms)
        return f"mapping to {_takes(inner, places)}{_limits(terms, SIZES)}" if inner else "mapping"
    if terms.get("type") == "null":
        return "`null`"
    return KINDS[terms["type"]] + _limits(terms, RANGES)


def _limits(terms: dict[str, Any], words: dict[str, str]) -> str:
    return "".join(f", {text.format(f'{terms[name]:,}')}" for name, text in words.items() if name in terms)


def _default(terms: dict[str, Any]) -> str:
    value = terms.get("default", {})
    if isinstance(value, dict):
        return "as below" if value or "$ref" in terms else "`{}`"
    return f"`{json.dumps(value, ensure_ascii=False)}`"


def anchor(heading: str) -> str:
    """Where GitHub leads a link to a heading.

    >>> anchor("`vendors.<name>.dialect`")
    'vendorsnamedialect'
    """
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
