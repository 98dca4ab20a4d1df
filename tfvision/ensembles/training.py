"""Training the members of an ensemble, one after the other, on one split."""

from dataclasses import replace
from pathlib import Path

from tfvision.ensembles.recipe import PlannedMember, Recipe
from tfvision.experiment.train import train_part
from tfvision.runs.folder import Run
from tfvision.runs.names import SPLITS
from tfvision.system.terminal import console


def train_members(recipe: Recipe, folder: Path, *, resume: bool) -> list[Path]:
    """Train every member into a folder of its own.

    All have the split of the first. Features of a frozen backbone are shared by those that have the same, also with earlier
    runs.

    Args:
        recipe: The members.
        folder: Where their folders lie.
        resume: Keep finished members and go on with an unfinished one.

    Returns:
        The run folders, in order.

    Raises:
        UsageError, DataError, RunError: One clear line each.
    """
    runs: list[Run] = []
    for number, member in enumerate(recipe.members, start=1):
        console.print(f"\nmember {number} of {len(recipe.members)}: {member.name}")
        runs.append(_train(member, folder / member.name, runs[0].folder / SPLITS if runs else None, resume))
    return [run.folder for run in runs]


def _train(member: PlannedMember, output: Path, splits: Path | None, resume: bool) -> Run:
    config = member.config
    if splits and not config.split.file:
        config = replace(config, split=replace(config.split, file=str(splits)))
    return train_part(config, output, resume=resume)
