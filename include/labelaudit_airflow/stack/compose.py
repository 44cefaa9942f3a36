"""docker-compose.yaml as compose sees it, and what it says in the places of this machine."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from labelaudit_airflow.local import PROJECT

FILE = PROJECT / "docker-compose.yaml"
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(?:(:\?|:-)([^}]*))?\}")


def variables(path: Path) -> dict[str, str]:
    """Those of an environment file; SystemExit where there is none."""
    if not path.exists():
        raise SystemExit(f"{path} is not there: the services' secrets. Write it: make secrets")
    lines = (line.strip() for line in path.read_text("utf-8").splitlines())
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def resolved(environment: Mapping[str, str], text: str | None = None) -> dict[str, Any]:
    """The file with the variables of `environment`. SystemExit for a variable that has no default and is not set."""

    def value(reference: re.Match[str]) -> str:
        name, kind, default = reference.groups()
        if environment.get(name):
            return environment[name]
        if kind != ":-":
            raise SystemExit(f"{name} has no default and is not set: {default or 'docker-compose.yaml names it'}")
        return default

    said = FILE.read_text("utf-8") if text is None else text
    return _texts(yaml.safe_load(said), lambda text: VARIABLE.sub(value, text).replace("$$", "$"))


def in_order(services: Mapping[str, Any], profiles: frozenset[str]) -> Iterator[str]:
    """The names of the services of these profiles, each after those that it depends on."""
    chosen = {name for name, service in services.items() if profiles.issuperset(service.get("profiles", ()))}
    given: set[str] = set()

    def after(name: str) -> Iterator[str]:
        if name in given:
            return
        given.add(name)
        for needed in services[name].get("depends_on", ()):
            yield from after(needed)
        yield name

    for name in services:
        if name in chosen:
            yield from after(name)


def moved(said: Any, places: Mapping[str, str]) -> Any:
    """A text, or all texts of a list or mapping, with the containers' places and addresses changed for this machine's;
    the longest first, where one begins with another."""

    longest_first = "|".join(re.escape(inside) for inside in sorted(places, key=len, reverse=True))
    return _texts(said, lambda text: re.sub(longest_first, lambda inside: places[inside.group()], text))


def _texts(said: Any, change: Callable[[str], str]) -> Any:
    """The same with every text changed; variables are values to compose, never syntax."""
    if isinstance(said, Mapping):
        return {name: _texts(value, change) for name, value in said.items()}
    if isinstance(said, list):
        return [_texts(value, change) for value in said]
    return change(said) if isinstance(said, str) else said
