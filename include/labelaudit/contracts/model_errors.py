"""What pydantic found wrong with a contract, a manifest or another document, in words for who wrote it."""

from __future__ import annotations

from typing import Any

SHOWN_CHARACTERS = 80
_KINDS = {
    "string": "text; put it in quotes",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "set": "a list",
    "frozen_set": "a list",
    "dict": "a mapping of keys to values",
    "mapping": "a mapping of keys to values",
    "model": "a mapping of keys to values",
    "model_attributes": "a mapping of keys to values",
    "date": "a date, such as 2026-11-25",
    "datetime": "a time in ISO 8601, such as 2026-11-25T06:00:00Z",
}
_LIMITS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


def in_words(finding: dict[str, Any]) -> str:
    """One finding of `ValidationError.errors()` without its place: what is expected, and what was found."""
    kind, context = finding["type"], finding.get("ctx", {})
    if kind == "value_error":
        return str(finding["msg"]).removeprefix("Value error, ")
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        return "unknown key"
    return f"{_expected(kind, context, finding['msg'])}, found {_shown(finding['input'])}"


def _expected(kind: str, context: dict[str, Any], message: str) -> str:
    if kind in _LIMITS:
        key, words = _LIMITS[kind]
        return f"must be {words} {_plain(context[key])}"
    if kind in ("too_short", "string_too_short"):
        return f"needs at least {_amount(context['min_length'], kind)}"
    if kind in ("too_long", "string_too_long"):
        return f"may have at most {_amount(context['max_length'], kind)}"
    if kind == "finite_number":
        return "must be a finite number"
    if kind in ("literal_error", "enum", "union_tag_invalid"):
        return f"must be {context.get('expected') or context.get('expected_tags')}"
    if kind == "union_tag_not_found":
        return f"needs the key {context['discriminator']}"
    if kind == "string_pattern_mismatch":
        return f"must match {context['pattern']}"
    wanted = _KINDS.get(kind.removesuffix("_type").removesuffix("_parsing").removesuffix("_from_float"))
    return f"must be {wanted}" if wanted else message


def _plain(limit: Any) -> Any:
    return int(limit) if isinstance(limit, float) and limit.is_integer() else limit


def _amount(count: int, kind: str) -> str:
    what = "character" if kind.startswith("string") else "entry"
    return f"{count} {what if count == 1 else 'entries' if what == 'entry' else 'characters'}"


def _shown(value: Any) -> str:
    if value in ([], (), {}, ""):
        return "none"
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
