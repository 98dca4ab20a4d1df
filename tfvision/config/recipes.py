"""The recipes that come with tfvision, by name."""

import re
from dataclasses import dataclass
from pathlib import Path

from tfvision.errors import UsageError, nearest, worded

# An installed package contains them; in a checkout they are beside it.
_FOLDERS = (Path(__file__).parents[1] / "configs", Path(__file__).parents[2] / "configs")


def recipes() -> dict[str, Path]:
    """Return the file of each recipe, by its name."""
    folder = next((folder for folder in _FOLDERS if any(folder.glob("*.yaml"))), _FOLDERS[0])
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def find_recipe(name: str) -> Path:
    """Return the path of a YAML file, or of the recipe with that name.

    Args:
        name: A path, or the name of a recipe.

    Returns:
        The path. It may not exist if it was given with a suffix or a folder.

    Raises:
        UsageError: There is neither a file nor a recipe of that name; the message gives the nearest recipe.
    """
    known = recipes()
    path = Path(name)
    # A folder is not a configuration: one that has the name of a recipe, such as its run, must not hide the recipe.
    if path.is_file() or path.suffix or len(path.parts) > 1:
        return path
    if name not in known:
        raise UsageError(
            f"no file and no recipe {worded(name)}{nearest(name, known)}; `tfvision list recipes` shows all"
        )
    return known[name]


@dataclass(frozen=True)
class RecipeHeader:
    """What the comments at the top of a recipe say.

    Attributes:
        what: Its first sentence.
        verb: The verb of its command, such as `crossval`.
        figure: The score that it reached, such as `accuracy 0.9833 [0.9778, 0.9884]`, or `not yet run`.
    """

    what: str
    verb: str
    figure: str


def read_recipe_header(path: Path) -> RecipeHeader:
    """Read the header of a recipe.

    Args:
        path: The YAML file.

    Returns:
        What it says; the figure is empty if there is none.
    """
    comments = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        comments.append(line[1:].strip())
    text = " ".join(comments)
    command = re.search(r" tfvision (train|crossval|search|ensemble) ", text)
    reached = re.search(r" here: .*?((?:mean |macro-|val_)?(?:accuracy|IoU|F1|f1) \d\.\d+(?: \[[\d., ]+\])?)", text)
    figure = reached[1] if reached else "not yet run" if " not yet run" in text else ""
    what = re.split(r"\. | tfvision (?:train|crossval|search|ensemble) ", text)[0].rstrip(".")
    return RecipeHeader(what, command[1] if command else "train", figure)
