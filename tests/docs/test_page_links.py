"""Pages lead to one another and to files that are there, and say what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import PROJECT
from markdown_it import MarkdownIt

from docs import generate
from tests.docs.pages import FENCED, PAGES, text_of

LINK = re.compile(r"\]\(([^)\s]+)\)")
SEEN_BY_USERS = [PROJECT / ".env.example", PROJECT / "docker-compose.yaml", *(PROJECT / "include").rglob("*.py")]


def prose(page: Path) -> str:
    return FENCED.sub("", page.read_text("utf-8"))


def anchors(page: Path) -> list[str]:
    """Where GitHub lets a link lead: each heading in small letters, its spaces as hyphens, without other signs."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return [
        "".join(sign for sign in heading.lower().replace(" ", "-") if sign.isalnum() or sign in "-_")
        for heading in headings
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_link_leads_somewhere(page: Path):
    for link in LINK.findall(prose(page)):
        if re.match(r"https?://", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_file(), f"{page.name}: {link}"
        assert target.is_relative_to(PROJECT)
        if anchor:
            assert anchors(target).count(anchor) == 1, f"{page.name}: {link}; there are {anchors(target)}"


def test_the_readme_is_one_page_and_leads_to_all_others():
    assert len(text_of("README").splitlines()) <= 100
    linked = {PROJECT / link for link in LINK.findall(text_of("README"))}
    assert set(PAGES[1:]) <= linked


def test_every_picture_is_shown():
    shown = {(page.parent / link).resolve() for page in PAGES for link in LINK.findall(prose(page))}
    assert set((PROJECT / "docs").glob("*.png")) <= shown


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_nothing_vanishes_when_it_is_shown(page: Path):
    """A name in angle brackets would be taken for HTML and hidden; so would a cell beyond its table's columns."""
    tokens = MarkdownIt("commonmark").enable("table").parse(page.read_text("utf-8"))
    inner = [child for token in tokens for child in token.children or ()]
    html = [token.content for token in (*tokens, *inner) if token.type in ("html_block", "html_inline")]
    assert [tag for tag in html if not re.match(r"<!--|<br>$", tag)] == []
    for table in re.findall(r"(?:^\|.*\n)+", prose(page), re.MULTILINE):
        widths = {len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}
        assert len(widths) == 1, table


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_says_what_the_code_says(page: Path):
    """`make docs` writes it again: whoever adds a key, a code, a command or a detector has it in the pages."""
    assert page.read_text("utf-8") == generate.filled(page.read_text("utf-8")), "run `make docs`"


def test_everything_that_can_be_generated_stands_somewhere_once():
    used = [
        name for page in PAGES for name in re.findall(r"^<!-- generated: (\w+) -->$", page.read_text(), re.MULTILINE)
    ]
    assert sorted(used) == sorted(generate.BLOCKS)


def test_messages_name_pages_that_are_there():
    """An error that sends its reader to a page, or to a part of the README, sends them to what there is."""
    named = {name for path in SEEN_BY_USERS for name in re.findall(r"docs/[\w-]+\.md", path.read_text("utf-8"))}
    assert named
    assert {name for name in named if not (PROJECT / name).is_file()} == set()
    parts = {part for path in SEEN_BY_USERS for part in re.findall(r"README, ['\"]([^'\"]+)", path.read_text("utf-8"))}
    assert parts <= set(re.findall(r"^## (.*)$", text_of("README"), re.MULTILINE))
