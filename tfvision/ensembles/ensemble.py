"""What `tfvision ensemble` does: finished runs combined into one that answers better than its best member, if it does."""

from collections.abc import Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from tfvision.config.options import from_dict
from tfvision.data.sources.digits import refuse_missing_data
from tfvision.ensembles.options import EnsembleOptions
from tfvision.ensembles.recipe import read_recipe
from tfvision.errors import UsageError, listing
from tfvision.experiment.resolving import default_folder
from tfvision.runs.folder import Run, open_run, refuse_existing, refuse_missing_model
from tfvision.runs.names import REPORT
from tfvision.runs.resume import part_of, resume_command
from tfvision.system.terminal import console, in_one_output

COMBINED = "ensemble"  # the folder of the ensemble beside those of members that were trained for it


@in_one_output
def ensemble(
    *runs: str | PathLike[str],
    config: str | Path | None = None,
    output: str | Path | None = None,
    resume: bool = False,
    method: str | None = None,
    objective: str | None = None,
    seed: int | None = None,
    trust: bool = False,
    **training: Any,
) -> Run:
    """Combine finished runs, or train the members that a file describes and combine them.

    Combining runs no model: all follows from the members' `predictions.csv`.

    Args:
        *runs: Run folders, or SavedModels in whose folder a `predictions.csv` lies; two or more, of the same classes, with
            the same images in each part. Folds of one cross-validation need images held out of all folds.
        config: In place of runs, a YAML file of members, or the name of a recipe, see `read_recipe`.
        output: The folder of the ensemble; default `runs/<data>-ensemble-<time>`. With `config` each member has a folder
            in it, and the ensemble is in `ensemble`.
        resume: With `config`, go on in `output`: finished members are kept.
        method: `choose`, the rule that does best by cross-validation inside the validation part, the best member alone
            among the candidates; or the name of a rule, see `EnsembleOptions`; default choose.
        objective: What the rule is chosen for, and what greedy selection maximizes: `accuracy`, `f1_macro` or `log_loss`; default accuracy.
        seed: Seed of the folds in which rules are compared; with `config` also of the training, unless a member has its own.
        trust: Take a SavedModel even if its graph might read files, open connections or run Python.
        **training: With `config`, options of training for all members: `data="eurosat.zip"`, `limit=500`.

    Returns:
        The ensemble, a run like any other but without a model of its own.

    Raises:
        UsageError: Fewer than two runs, an unknown method, a run that finds boxes, or an output that exists.
        DataError: A path that is no model, or runs of other classes, images or labels; or one was trained on images that
            the ensemble is chosen or tested on.
        RunError: The folder cannot be written.
    """
    given = {name: value for name, value in (("method", method), ("objective", objective)) if value is not None}
    if config is not None:
        if runs:
            raise UsageError(f"ensemble takes runs or --config, got both: {listing([fspath(run) for run in runs])}")
        seeded = training if seed is None else {**training, "seed": seed}
        return _from_recipe(config, seeded, given, None if output is None else Path(output), resume=resume)
    if resume or training:
        raise UsageError(
            f"ensemble: {'resume' if resume else next(iter(training))} means nothing without --config; leave it out"
        )
    options = from_dict(EnsembleOptions, given | ({} if seed is None else {"seed": seed}))
    return _of_runs(runs, options, output, trust=trust)


def _from_recipe(
    config: str | Path, training: dict[str, Any], combined: dict[str, Any], output: Path | None, *, resume: bool
) -> Run:
    """Train the members that a file describes, and combine them."""
    recipe = read_recipe(config, training, combined)
    refuse_missing_data(recipe.data)
    if resume and output is None:
        raise UsageError("resume needs --output, the folder of the members to go on with")
    folder = output or default_folder(recipe.data, "ensemble")
    if not resume:
        refuse_existing(folder)
    elif (folder / COMBINED / REPORT).is_file():
        console.print(f"{folder / COMBINED} is finished already")
        return open_run(folder / COMBINED)
    from tfvision.ensembles.training import train_members

    with part_of(folder, resume_command(folder, "ensemble")):
        members = train_members(recipe, folder, resume=resume)
        return _of_runs(members, recipe.options, folder / COMBINED)


def _of_runs(
    runs: Sequence[str | PathLike[str]], options: EnsembleOptions, output: str | Path | None, *, trust: bool = False
) -> Run:
    paths = [Path(run) for run in runs]
    if len({path.resolve() for path in paths}) < max(2, len(paths)):
        raise UsageError(
            f"ensemble needs two different runs or more, got {listing([fspath(run) for run in runs]) or 'none'}"
        )
    for path in paths:
        refuse_missing_model(path)
    from tfvision.ensembles.combining import combine_members, remove_unfinished

    if output is not None:
        remove_unfinished(Path(output))
        refuse_existing(Path(output))
    from tfvision.ensembles.members import read_member

    members = [read_member(path, trust=trust) for path in paths]
    data = next((member.options["data"] for member in members if member.options), "")
    folder = Path(output) if output is not None else default_folder(data, "ensemble")
    return combine_members(members, options, folder)
