"""Objects that show themselves in a notebook.

The room that draws them stands above theirs, so it is found by name when a notebook asks: the one way up in the house.
"""

from importlib import import_module
from typing import Any, ClassVar


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
