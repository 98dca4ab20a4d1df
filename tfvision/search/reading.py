"""Options of a search: from its file or its folder, and what overrides them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfvision.config.nested import flatten_mapping, merge, to_plain
from tfvision.config.recipes import find_recipe
from tfvision.config.yaml import load_written_yaml, load_yaml
from tfvision.errors import DataError, UsageError
from tfvision.search.ranges import names_range
from tfvision.search.settings import SECTION

# Files of a search folder.
SEARCH = "search.yaml"
BEST = "best.yaml"

_PHASE_KEYS = ("epochs", "learning_rate", "unfreeze")


def read_options(config: str | Path | None, resume: Path | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the nested options of a search; a given option replaces a range, in the stages too.

    Args:
        config: A YAML file of options with ranges, or the name of a recipe.
        resume: The folder of a search whose options are used if there is no file.
        given: Nested options that override the file: those of training and the section `search`.

    Returns:
        Nested options of training, some of them ranges, and the section `search`.

    Raises:
        UsageError: No file, or one that gives phases and short options; `parse_search` checks the rest.
        DataError: There is no search to resume.
    """
    if config:
        in_file = load_yaml(find_recipe(str(config)))
    elif resume:
        in_file = open_search(resume)
    elif _holds_range(to_plain(given)):
        in_file = {}  # from Python, where ranges are given like any option
    else:
        raise UsageError("search needs --config, a YAML file of options with ranges, or --resume")
    both = [key for key in _PHASE_KEYS if in_file.get(key) is not None and key not in given]
    if in_file.get("phases") and both:
        raise UsageError(f"{config or resume} gives phases and also {' or '.join(both)}; keep one of them")
    options = merge(in_file, to_plain({SECTION: {}, **given}), is_value=names_range)
    fixed = flatten_mapping({key: value for key, value in given.items() if key != SECTION}, is_value=names_range)
    for stage in options[SECTION].get("stages") or []:
        if isinstance(stage, dict) and isinstance(stage.get("ranges"), dict):
            stage["ranges"] = {key: value for key, value in stage["ranges"].items() if key not in fixed}
    return options


def open_search(folder: Path) -> dict[str, Any]:
    """Return the options of a search that was started before.

    Args:
        folder: The folder of the search.

    Returns:
        Nested options, as `read_options` returned them.

    Raises:
        DataError: The folder contains no search.
    """
    path = folder / SEARCH
    if not path.is_file():
        state = "holds no search" if folder.is_dir() else "does not exist"
        raise DataError(f"cannot resume {folder}: it {state}; expected a folder that `tfvision search` wrote")
    return load_written_yaml(path)


def _holds_range(value: Any) -> bool:
    """Tell whether a range stands anywhere in options, also in those of a phase or of a layer, which are lists."""
    if names_range(value):
        return True
    inside = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    return any(_holds_range(each) for each in inside)
