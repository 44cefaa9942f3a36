"""What file managers and archivers leave behind: never a part of a delivery or an archive, and never missed."""

from __future__ import annotations

LITTER = {".ds_store", "thumbs.db", "desktop.ini", ".keep", ".gitkeep"}


def is_litter(path: str) -> bool:
    """`path` with `/`, of a file in a delivery or of a member of an archive."""
    name = path.rsplit("/", 1)[-1]
    return name.lower() in LITTER or name.startswith("._") or "__MACOSX" in path.split("/")
