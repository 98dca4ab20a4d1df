"""Going on with a run that was interrupted: only if nothing that decides its result has changed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tfvision.config import TrainConfig
from tfvision.data.listing import listing
from tfvision.errors import DataError, UsageError
from tfvision.options import flatten
from tfvision.runs import CONFIG, SPLITS, Run

# Where data and results lie does not decide what they are: the data is compared by its content.
_FREE = ("data", "output", "tensorboard")


def open_unfinished(folder: Path) -> Run:
    """Open the folder of a run to go on with it.

    Raises:
        DataError: It holds no run.
    """
    if (folder / CONFIG).is_file():
        return Run(folder)
    state = "holds no run" if folder.is_dir() else "does not exist"
    raise DataError(f"cannot resume {folder}: it {state}; expected a folder that `tfvision train` wrote")


def check_config(run: Run, config: TrainConfig) -> None:
    """Refuse to go on with other options than a run began with.

    Raises:
        UsageError: With each difference, what it was and what was asked for.
    """
    was, now = flatten(run.config), flatten(config)
    changed = [key for key in now if was[key] != now[key] and key not in _FREE]
    if changed:
        raise _changed(run, "options", [f"{key}: {was[key]} -> {now[key]}" for key in changed], UsageError)


def check_data(run: Run, splits: Sequence[Mapping[str, Any]]) -> None:
    """Refuse to go on with other images, labels, classes or another split than a run began with.

    Args:
        run: The run.
        splits: Rows of `splits.csv` as they would be written now.

    Raises:
        DataError: With what is missing, new or changed.
    """
    was, now = ({row["id"]: dict(row) for row in rows} for rows in (run.splits, splits))
    differences = []
    for verb, ids in (("gone", [i for i in was if i not in now]), ("new", [i for i in now if i not in was])):
        if ids:
            differences.append(f"{len(ids):,} images are {verb}: {listing(ids)}")
    for column, what in (("hash", "content"), ("label", "label"), ("part", "part of the split")):
        if ids := [i for i in was if i in now and was[i].get(column) != now[i][column]]:
            shown = ids if column == "hash" else [f"{i} ({was[i].get(column)} -> {now[i][column]})" for i in ids]
            differences.append(f"{len(ids):,} images have another {what}: {listing(shown)}")
    if differences:
        raise _changed(run, f"data ({SPLITS})", differences, DataError)


def _changed(run: Run, what: str, differences: list[str], kind: type[Exception]) -> Exception:
    lines = [f"cannot resume {run.folder}: its {what} changed; put them back, or train anew into another --output"]
    return kind("\n  ".join([*lines, *differences]))
