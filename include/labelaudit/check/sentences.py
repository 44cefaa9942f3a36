"""What a failed check of the contract means, in a sentence for the vendor: what was found, and what was expected."""

from __future__ import annotations

import unicodedata
from typing import Any

from labelaudit.contracts.checks import Check
from labelaudit.values.text_forms import difference

SHOWN = 12


def sentence(check: Check, values: dict[str, Any], arguments: str) -> str:
    """`values` are the row's own in the columns that the check looks at; `arguments` as people read them."""
    named = " and ".join(f"`{name}` is {value!r}" for name, value in values.items()) or "the row"
    return f"{named}; expected: {_expected(check, arguments, values)}"


def _expected(check: Check, arguments: str, values: dict[str, Any]) -> str:
    given, kind = check.kwargs, check.type
    if kind in ("expect_column_values_to_be_between", "expect_column_value_lengths_to_be_between"):
        low, high = given.get("min_value"), given.get("max_value")
        what = "a length" if "lengths" in kind else "a value"
        if low is None or high is None:
            return f"{what} of {low} or more" if high is None else f"{what} of {high} or less"
        return f"{what} from {low} to {high}"
    if kind == "expect_column_values_to_be_in_set":
        allowed = list(given.get("value_set") or ())
        more = f" or {len(allowed) - SHOWN} others" if len(allowed) > SHOWN else ""
        return "one of " + ", ".join(map(str, allowed[:SHOWN])) + more + _nearly(values, allowed)
    if kind == "expect_column_values_to_not_be_in_set":
        return "none of " + ", ".join(map(str, list(given.get("value_set") or ())[:SHOWN]))
    if kind == "expect_column_values_to_not_be_null":
        return "a value"
    if kind in ("expect_column_values_to_be_unique", "expect_compound_columns_to_be_unique"):
        return "each only once in a delivery"
    if kind == "expect_column_values_to_match_regex":
        return f"a text like {given.get('regex')}"
    return f"{kind}({arguments})"


def _nearly(values: dict[str, Any], allowed: list[Any]) -> str:
    """Which allowed value a text looks like to every reader, and what differs."""
    for value in values.values():
        for candidate in allowed:
            if isinstance(value, str) and isinstance(candidate, str) and _looks(value) == _looks(candidate):
                return f". It looks like {candidate!r}, but {difference(value, candidate)}"
    return ""


def _looks(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())
