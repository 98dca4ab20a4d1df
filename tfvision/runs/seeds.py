"""A folder with a run for each of several seeds."""

from pathlib import Path
from typing import Any

from tfvision.config.yaml import load_written_yaml
from tfvision.errors import DataError
from tfvision.runs.names import SEEDS


def seed_folder(folder: Path, seed: int) -> Path:
    """Return the folder of a seed's run."""
    return folder / f"seed_{seed}"


def holds_seeds(folder: Path) -> bool:
    """Whether a folder was begun by `tfvision train --seeds`."""
    return (folder / SEEDS).is_file()


def read_seeds_file(folder: Path) -> dict[str, Any]:
    """Read which seeds a folder is for, and their options.

    Args:
        folder: A folder that `tfvision train --seeds` began.

    Returns:
        The options that all seeds share, and `seeds`, the list of them.

    Raises:
        DataError: It is no such folder.
    """
    if not holds_seeds(folder):
        raise DataError(f"{folder} has no {SEEDS}; expected a folder written by `tfvision train --seeds`")
    return load_written_yaml(folder / SEEDS)
