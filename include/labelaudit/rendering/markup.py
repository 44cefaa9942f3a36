"""Renders the package's templates: self-contained HTML, every value escaped."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from labelaudit.rendering.visible import visible

TEMPLATES = Path(__file__).parent / "templates"


def render(template: Path, **values: Any) -> str:
    """A page from a template file; it may extend and include those beside it, and the package's frame."""
    return environment(template.parent).get_template(template.name).render(**values)


@cache
def environment(*folders: Path) -> jinja2.Environment:
    """Templates of `folders` and of this one. Everything is escaped, and what is hidden in a text is shown; a value
    that a template names and nobody gives is an error, not an empty place."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader([*folders, TEMPLATES]),
        autoescape=True,
        finalize=_shown,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"percent": percent, "count": count, "number": number}
    return made


def _shown(value: Any) -> Any:
    """A value as it stands in a page; markup of our own (charts) is escaped already, and a missing one is an error."""
    if isinstance(value, Markup | jinja2.Undefined) or value is None:
        return value
    return visible(str(value))


def percent(rate: float | None, digits: int = 1) -> str:
    return "–" if rate is None else f"{100 * rate:.{digits}f} %"


def count(rows: float) -> str:
    """1234567 as 1 234 567, with thin spaces."""
    return f"{rows:,.0f}".replace(",", "\u202f")


def number(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
