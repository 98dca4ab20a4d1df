"""Objects that show themselves in a notebook.

The room that draws them stands above theirs, so it is found by name when a notebook asks: the one way up in the house.
"""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from tfvision.system.tables import TextTable


class Shown:
    """An object that a notebook shows as a card, drawn by the module of the room `notebook` that is named for it.

    Attributes:
        drawn_by: Name of that module; it has a function `card_of_<name>`.
    """

    drawn_by: ClassVar[str]

    @property
    def drawing(self) -> Any:
        """The module that draws it."""
        return import_module(f"tfvision.notebook.{self.drawn_by}")

    def _repr_html_(self) -> str:
        return str(getattr(self.drawing, f"card_of_{self.drawn_by}")(self))


class Record(Shown):
    """What a verb found: tables and remarks, as text on a terminal and as a card with pictures in a notebook.

    Attributes:
        written: The files that were written: pictures are shown, pages are linked.
    """

    drawn_by: ClassVar[str] = "record"
    written: tuple[Path, ...] = ()

    def tables(self) -> Sequence[TextTable]:
        """Return the figures."""
        return ()

    def remarks(self) -> Sequence[str]:
        """Return what else was found, and what the figures rest on, a line each."""
        return ()

    def describe(self) -> str:
        """Return the tables and remarks as lines of text."""
        return "\n".join([*(line for table in self.tables() for line in table.lines()), *self.remarks()])

    def __repr__(self) -> str:
        return self.describe()
