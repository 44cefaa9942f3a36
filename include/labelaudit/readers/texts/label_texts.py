"""A label that is no text in its file (true, 5, 4.5) as the text that is published."""

from __future__ import annotations

import math
from typing import Any

EXACT = 2.0**53


def label_text(value: Any) -> str | None:
    """The label as text: `true`, `false`, digits, and the shortest decimal that is the number; None for what is none.

    A whole number is the same label however it is written (4 and 4.0: Arrow and JSON don't tell), so it is `4`.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, float) or not math.isfinite(value):
        return None
    return str(int(value)) if value.is_integer() and abs(value) < EXACT else repr(float(value))
