"""The recipes that come with tfvision, by name."""

import re
from pathlib import Path

from tfvision.errors import UsageError, nearest

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
        raise UsageError(f"no file and no recipe {name!r}{nearest(name, known)}; `tfvision list recipes` shows all")
    return known[name]


def header(path: Path) -> tuple[str, str]:
    """Return the first sentence of a recipe's header, and the line with the score it reached."""
    comments = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        comments.append(line[1:].strip())
    figure = next((line for line in comments if line.startswith(("here:", "not yet run"))), "")
    first = re.split(r"\. | tfvision (?:train|crossval|search|ensemble) ", " ".join(comments))[0]
    return first.rstrip("."), figure.removeprefix("here: ")
