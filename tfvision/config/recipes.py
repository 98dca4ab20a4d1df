"""The recipes that come with tfvision, by name."""

import re
from pathlib import Path

from tfvision.errors import UsageError, nearest

# In an installed package they lie inside it, in a checkout beside it.
_FOLDERS = (Path(__file__).parents[1] / "configs", Path(__file__).parents[2] / "configs")


def recipes() -> dict[str, Path]:
    """Return the file of each recipe."""
    folder = next((folder for folder in _FOLDERS if any(folder.glob("*.yaml"))), _FOLDERS[0])
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def find_recipe(name: str) -> Path:
    """Return the YAML file `name`, or the recipe called so.

    Raises:
        UsageError: Neither is there; the nearest recipe is named.
    """
    known = recipes()
    path = Path(name)
    # A folder is no configuration: one that is called like a recipe, such as its run, does not hide it.
    if path.is_file() or path.suffix or len(path.parts) > 1:
        return path
    if name not in known:
        raise UsageError(f"no file and no recipe {name!r}{nearest(name, known)}; `tfvision list recipes` shows all")
    return known[name]


def header(path: Path) -> tuple[str, str]:
    """Return the first sentence of a recipe's header, and the line of the figure it reached."""
    comments = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        comments.append(line[1:].strip())
    figure = next((line for line in comments if line.startswith(("here:", "not yet run"))), "")
    first = re.split(r"\. | tfvision (?:train|crossval|search) ", " ".join(comments))[0]
    return first.rstrip("."), figure.removeprefix("here: ")
