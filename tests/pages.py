"""The README and the pages of docs/, cut into their fenced blocks."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
README = ROOT / "README.md"
PAGES = (README, *sorted(DOCS.rglob("*.md")))


class Block(NamedTuple):
    """A fenced block: the page it stands on, its language, its title and its text."""

    page: str
    language: str
    title: str
    text: str


def read_blocks(page: Path, language: str) -> list[Block]:
    """Return the blocks of a language on a page, in order."""
    found = re.findall(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    return [Block(_name(page), *block) for block in found if block[0] == language]


def all_blocks(language: str) -> list[Block]:
    """Return the blocks of a language on all pages.

    Raises:
        AssertionError: There are none, so whoever asks would test nothing.
    """
    found = [block for page in PAGES for block in read_blocks(page, language)]
    assert found, f"no {language} blocks on {len(PAGES)} pages"
    return found


def commands(page: Path) -> list[str]:
    """Return the lines of a page's console blocks."""
    return [line for block in read_blocks(page, "console") for line in block.text.splitlines()]


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()
