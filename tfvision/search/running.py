"""Running a search that was checked: images read, every trial, results."""

import io
import shlex
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tfvision.config.yaml import dump_yaml
from tfvision.data.splits.splits_file import describe_splits
from tfvision.experiment.preparation import Prepared, read_images
from tfvision.runs.folder import Run, create_run, training_alone
from tfvision.runs.names import ENVIRONMENT, SPLITS
from tfvision.runs.resume import check_data, part_of
from tfvision.search.best_models import BestModels
from tfvision.search.log import TrialLog
from tfvision.search.messages import TrialLines, describe_search
from tfvision.search.plan import Search
from tfvision.search.reading import SEARCH
from tfvision.search.scores import SearchScores
from tfvision.search.stages import SearchLoop, rank_trials
from tfvision.system.csv_table import read_mappings
from tfvision.system.device import load_tensorflow
from tfvision.system.environment import describe_environment
from tfvision.system.files import remove_leftovers, to_json
from tfvision.system.terminal import console, duration, say_result
from tfvision.training.config import TrainConfig

TRIALS = "trials"
MODELS = "models"


def run_search(
    search: Search, options: Mapping[str, Any], folder: Path, objective: str, *, dry_run: bool, resume: bool
) -> SearchScores | None:
    """Read the images and run every trial.

    Args:
        search: The search.
        options: The options that it was parsed from, which are written to its folder.
        folder: The search folder.
        objective: The score to be maximized or minimized.
        dry_run: Print the plan; write and train nothing.
        resume: Whether to go on with what is in the folder.

    Returns:
        The trials and the search folder; None for a dry run.

    Raises:
        DataError: Unreadable images, or others than the resumed search has.
        RunError: All trials of a stage failed, or the disk is full.
    """
    config, data = read_images(search.first_config())
    load_tensorflow()
    search = replace(search, base=_with_rule(search.base, config))
    plan = describe_search(search, config, data, objective)
    console.print(plan)
    if dry_run:
        console.print(f"dry run: nothing was trained, and nothing written to {folder}")
        return None
    splits = describe_splits(data.images, data.split, data.hashes)
    with part_of(folder, f"`tfvision search --resume {shlex.quote(str(folder))}`", kept="trials"):
        if resume:
            check_data(Run(folder), read_mappings(io.StringIO(splits, newline="")))
        else:
            files = {SEARCH: dump_yaml(dict(options)), SPLITS: splits, ENVIRONMENT: to_json(describe_environment())}
            create_run(folder, files)
        return _run(search, folder, config, data, objective)


def _run(search: Search, folder: Path, config: TrainConfig, data: Prepared, objective: str) -> SearchScores:
    from tfvision.search.results import write_search_results  # with matplotlib
    from tfvision.search.trials import TrialRunner, full_config

    start = time.monotonic()
    with training_alone(folder):
        remove_leftovers(folder)
        log = TrialLog(folder / TRIALS)
        console.print(f"search folder: {folder}\n")
        loop = SearchLoop(
            search,
            objective=objective,
            seed=config.seed,
            log=log,
            models=BestModels(folder / MODELS, search.options.keep, lambda trials: rank_trials(trials, objective)),
            run_trial=TrialRunner(data),
            on_trial=TrialLines(search, objective),
        )
        outcome = loop.run()
        report = write_search_results(folder, search, outcome, full_config(outcome.config, data), objective)
    found = SearchScores(folder, objective, tuple(outcome.trials), outcome.best, (report,))
    say_result("\n" + "\n".join([*found.remarks(), f"report: {report}"]))
    console.print(f"done in {duration(time.monotonic() - start)}")
    return found


def _with_rule(base: dict[str, Any], config: TrainConfig) -> dict[str, Any]:
    """Return the options with the pixel rule by which the images were read."""
    return {**base, "source": {**(base.get("source") or {}), "pixel_rule": config.source.pixel_rule}}
