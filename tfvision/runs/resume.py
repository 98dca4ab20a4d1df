"""Resume an interrupted run, but only if nothing that its result depends on has changed."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from tfvision.config.nested import flatten
from tfvision.config.yaml import load_written_yaml
from tfvision.errors import DataError, RunError, UsageError, WriteError, listing
from tfvision.runs.folder import Run, best_run
from tfvision.runs.names import CHECKPOINTS, CONFIG, REPORT, SPLITS
from tfvision.runs.seeds import holds_seeds, read_seeds_file
from tfvision.system.interruption import what_came
from tfvision.system.terminal import console
from tfvision.training.config import TrainConfig

# Where data and results are stored does not affect the result: the data is compared by its content.
_FREE = ("data", "output", "track", "tensorboard")
_COMPARED = (("hash", "content"), ("label", "label"), ("part", "part of the split"))


def open_unfinished(folder: Path) -> Run:
    """Open the folder of a run to resume it.

    Args:
        folder: The run folder.

    Returns:
        The run.

    Raises:
        DataError: The folder holds no run.
    """
    if (folder / CONFIG).is_file():
        return Run(folder)
    state = "holds no run" if folder.is_dir() else "does not exist"
    raise DataError(f"cannot resume {folder}: it {state}; expected a folder written by `tfvision train`")


def options_of_unfinished(folder: Path) -> dict[str, Any]:
    """Return the options of a run that is to be resumed, or those that all seeds in a folder share.

    Args:
        folder: The run folder, or the folder of several seeds.

    Returns:
        Options as a file holds them.

    Raises:
        DataError: The folder holds neither.
    """
    if holds_seeds(folder):
        return {key: value for key, value in read_seeds_file(folder).items() if key != "seeds"}
    return load_written_yaml(open_unfinished(folder).folder / CONFIG)


def finished(folder: Path) -> Run | None:
    """Return the run if it is finished, or the best if the folder compares several; None if it is unfinished."""
    open_unfinished(folder)
    if not (folder / REPORT).is_file():
        return None
    from tfvision.training.checkpoints import Checkpoints

    Checkpoints(folder / CHECKPOINTS).remove()  # still there if the run was killed after writing its last file
    console.print(f"{folder} is finished already: {folder / REPORT}")
    return best_run(folder)


def check_config(run: Run, config: TrainConfig) -> None:
    """Refuse to resume a run with options other than those it started with.

    Args:
        run: The run.
        config: The options asked for now.

    Raises:
        UsageError: Some options differ; the message lists each with both values.
    """
    refuse_changed(run.folder, run.config, config)


def refuse_changed(folder: Path, before: TrainConfig, after: TrainConfig) -> None:
    """Refuse to go on in a folder with options other than those it was begun with.

    Args:
        folder: A run folder, or that of several runs.
        before: The options it was begun with.
        after: The options asked for now.

    Raises:
        UsageError: Some options differ; the message lists each with both values.
    """
    was, now = flatten(before), flatten(after)
    both = {key: (was.get(key, "absent"), now.get(key, "absent")) for key in {**was, **now} if key not in _FREE}
    if changed := [f"{key}: {first} -> {second}" for key, (first, second) in both.items() if first != second]:
        raise _changed(folder, "options", changed, UsageError)


def check_data(run: Run, splits: Sequence[Mapping[str, Any]]) -> None:
    """Refuse to resume a run with other images, labels, classes or another split than it started with.

    Args:
        run: The run.
        splits: Rows of `splits.csv` as they would be written now.

    Raises:
        DataError: Some images differ; the message says which are missing, new or changed.
    """
    was, now = ({row["id"]: dict(row) for row in rows} for rows in (run.splits, splits))
    differences = []
    for verb, ids in (("gone", [i for i in was if i not in now]), ("new", [i for i in now if i not in was])):
        if ids:
            differences.append(f"{len(ids):,} images are {verb}: {listing(ids)}")
    for column, what in (*_COMPARED, *([("box", "box")] if any("box" in row for row in now.values()) else [])):
        if ids := [i for i in was if i in now and was[i].get(column) != now[i][column]]:
            shown = ids if column == "hash" else [f"{i} ({was[i].get(column)} -> {now[i][column]})" for i in ids]
            differences.append(f"{len(ids):,} images have another {what}: {listing(shown)}")
    if differences:
        raise _changed(run.folder, f"data ({SPLITS})", differences, DataError)


# What goes on with the whole that a run is a part of: folds, seeds, an ensemble.
_WHOLE: ContextVar[str] = ContextVar("whole", default="")


@contextmanager
def part_of(folder: Path, way_on: str, kept: str = "runs") -> Iterator[None]:
    """Let an interruption say how to go on with the whole that runs are a part of, within a run and between two.

    Args:
        folder: The folder of the whole.
        way_on: What comes after "go on with".
        kept: What is saved of it whenever it is interrupted.

    Yields:
        Nothing.

    Raises:
        RunError, KeyboardInterrupt: As raised within, see `resumable`.
    """
    token = _WHOLE.set(way_on)
    try:
        with resumable(Run(folder), kept=kept):
            yield
    finally:
        _WHOLE.reset(token)


@contextmanager
def resumable(run: Run, kept: str = "epochs") -> Iterator[None]:
    """Add to a failure where the run is, and to an interruption or a full disk how to resume it.

    Nothing is added before the folder of the run is there, nor twice: the innermost block knows most.

    Args:
        run: The run that the `with` block begins or goes on with.
        kept: What is saved of it whenever it is interrupted.

    Yields:
        Nothing.

    Raises:
        RunError: As raised within, with the folder of the run.
        KeyboardInterrupt: As raised within, with the command that resumes the run.
    """
    way_on = f"go on with {_WHOLE.get() or resume_command(run.folder)}"
    try:
        yield
    except (Exception, KeyboardInterrupt) as caught:
        error = what_came(caught)
        if not run.folder.is_dir() or _says(error, (way_on, "run folder:")):
            if error is caught:
                raise
            raise error from None
        if isinstance(error, WriteError):
            raise WriteError(f"{error}; then {way_on}") from error
        if isinstance(error, RunError):
            raise RunError(f"{error} (run folder: {run.folder})") from error
        if isinstance(error, KeyboardInterrupt):
            raise type(error)(f"interrupted; all finished {kept} are saved: {way_on}") from None
        raise


def _says(error: BaseException, what: Sequence[str]) -> bool:
    return any(each in str(error) for each in ("interrupted", *what))


def resume_command(folder: Path, verb: str = "train") -> str:
    """Return the command that goes on with a folder, in backquotes, for a message."""
    if verb == "train":
        return f"`tfvision train --resume {shlex.quote(str(folder))}`"
    return f"the same options of `tfvision {verb}` and --output {shlex.quote(str(folder))} --resume"


def _changed(folder: Path, what: str, differences: list[str], kind: type[Exception]) -> Exception:
    lines = [f"cannot resume {folder}: its {what} changed; restore them, or start a new run in another --output"]
    return kind("\n  ".join([*lines, *differences]))
