"""Pieces of Markdown; text from a run is escaped, so that a class may be called `a|b` or `<i>`."""

import re
from collections.abc import Sequence

_MARKS = re.compile(r"([\\`*\[\]<>|#~]|(?<!\w)_|_(?!\w))")


def plain_text(text: object) -> str:
    """Return text that Markdown shows as it is, on one line."""
    return _MARKS.sub(r"\\\1", " ".join(str(text).split()))


def code(text: object) -> str:
    """Return text in backticks, on one line."""
    line = " ".join(str(text).split())
    fence = "``" if "`" in line else "`"
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{space}{line}{space}{fence}"


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: bool = True) -> str:
    """Return a table of escaped cells; after the first column numbers stand to the right, text to the left."""
    lines = [
        head,
        ["---", *["---:" if numbers else "---"] * (len(head) - 1)],
        *([plain_text(cell) for cell in row] for row in rows),
    ]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def facts(rows: Sequence[tuple[str, str]]) -> str:
    """Return a table of names and what is said of them, which is Markdown already."""
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {text} |" for name, text in rows)])


def bullets(lines: Sequence[str]) -> str:
    """Return a list, a line each, which is Markdown already."""
    return "\n".join(f"- {line}" for line in lines)


def fenced(text: str, language: str) -> str:
    """Return a block of code."""
    return f"```{language}\n{text.strip()}\n```"


def section(title: str, *pieces: str, level: int = 2) -> str:
    """Return a section with those pieces that are not empty; nothing if all are."""
    told = [piece for piece in pieces if piece]
    return "\n\n".join([f"{'#' * level} {title}", *told]) if told else ""
