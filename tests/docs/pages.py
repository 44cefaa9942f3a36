"""The pages as tests see them: their blocks and what stands between backticks, with the page that says it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import PROJECT

PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


class Block(NamedTuple):
    page: str
    language: str
    text: str


def text_of(name: str) -> str:
    """A page by its name: README, contracts, …"""
    (page,) = [page for page in PAGES if page.stem == name]
    return page.read_text("utf-8")


def blocks(page: Path) -> list[Block]:
    return [Block(page.stem, language, text) for language, text in FENCED.findall(page.read_text("utf-8"))]


def every_block(*languages: str) -> list:
    """Blocks of all pages in these languages, as parameters of a test."""
    found = [block for page in PAGES for block in blocks(page) if block.language in languages]
    return [pytest.param(block, id=f"{block.page}-{number}") for number, block in enumerate(found)]


def inline(pattern: str) -> list:
    """What stands between backticks outside of blocks and begins so, as parameters of a test."""
    found: dict[tuple[str, str], None] = {}
    for page in PAGES:
        prose = FENCED.sub("", page.read_text("utf-8"))
        for text in re.findall(r"(?<!`)`([^`]+)`(?!`)", prose):
            if re.match(pattern, said := " ".join(text.split())):
                found[page.stem, said] = None
    return [pytest.param(text, id=f"{page}-{text[:40]}") for page, text in found]


def commands(text: str) -> list[str]:
    """The command lines of a block of shell, without their comments."""
    lines = text.replace("\\\n", "").splitlines()
    return [line.partition(" #")[0].strip() for line in lines if line.strip()]
