"""One thing that `labelaudit doctor` looked at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """`good` is None where it is only told; `advice` says what to do."""

    about: str
    good: bool | None
    said: str
    advice: str = ""
