"""Tables of text: what a terminal prints in columns and a notebook shows as HTML."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class TextTable:
    """A table of text.

    Attributes:
        head: The names of the columns; the first says what the rows are.
        rows: As many cells each.
        right: Whether columns end at one place, as numbers do, rather than begin there.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: bool = False

    def lines(self) -> list[str]:
        """Return the head and the rows in columns of equal width."""
        rows = [self.head, *self.rows]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        justify = str.rjust if self.right else str.ljust
        return ["  ".join(map(justify, row, widths)).rstrip() for row in rows]


def first_lines(lines: Sequence[str], most: int = 20) -> list[str]:
    """Return the first of many lines, and how many more there are."""
    return [*lines[:most], *([f"and {len(lines) - most:,} more"] if len(lines) > most else [])]
