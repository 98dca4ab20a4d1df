"""What `tfvision search` does: images in, a search folder with its best configuration out."""

import csv
import io
import shlex
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from tfvision.config.options import flatten_mapping
from tfvision.config.yaml import dump_yaml, load_yaml
from tfvision.data.splits.splits_file import describe_splits
from tfvision.errors import DataError, RunError, UsageError, WriteError
from tfvision.experiment.preparation import Prepared, read_images
from tfvision.runs.folder import Run, create_run, refuse_existing, training_alone
from tfvision.runs.names import ENVIRONMENT, SPLITS
from tfvision.runs.resume import check_data
from tfvision.search.best_models import BestModels
from tfvision.search.log import TrialLog
from tfvision.search.messages import TrialLines, describe_search
from tfvision.search.plan import Search, parse_search
from tfvision.search.results import BEST, write_search_results
from tfvision.search.settings import SECTION
from tfvision.search.stages import SearchLoop, rank_trials
from tfvision.system.environment import describe_environment
from tfvision.system.files import remove_leftovers, to_json
from tfvision.system.terminal import console, duration, say_result
from tfvision.training.config import TrainConfig

SEARCH = "search.yaml"
TRIALS = "trials"
MODELS = "models"

# What may change when a search goes on: where things lie, and how many trials it has.
_FREE = ("data", "output", f"{SECTION}.trials")


def search_from_options(
    options: Mapping[str, Any], *, dry_run: bool = False, resume: Path | None = None
) -> Path | None:
    """Do all that `tfvision search` does.

    Args:
        options: Nested options of training, ranges among them, and the section `search`.
        dry_run: Check everything, read the images and print the plan; write and train nothing.
        resume: The folder of a search to go on with; its options must be these, but for the number of trials.

    Returns:
        The search folder; None for a dry run.

    Raises:
        UsageError, DataError, RunError: One clear line each.
    """
    search = parse_search(options)
    config = search.first_config()
    objective = search.options.objective or config.monitor
    if resume:
        folder = resume
        _check_options(folder, options)
    else:
        folder = _output_folder(options)
    config, data = read_images(config)
    search = replace(search, base=_with_rule(search.base, config))
    plan = describe_search(search, config, data, objective)
    console.print(plan)
    if dry_run:
        console.print(f"dry run: nothing was trained or written, {folder} would be")
        return None
    splits = describe_splits(data.images, data.split, data.hashes)
    if resume:
        check_data(Run(folder), list(csv.DictReader(io.StringIO(splits, newline=""))))
    else:
        files = {SEARCH: dump_yaml(dict(options)), SPLITS: splits, ENVIRONMENT: to_json(describe_environment())}
        create_run(folder, files)
    _run(search, folder, config, data, objective)
    return folder


def open_search(folder: Path) -> dict[str, Any]:
    """Return the options of a search that was begun.

    Raises:
        DataError: The folder holds none.
    """
    path = folder / SEARCH
    if not path.is_file():
        state = "holds no search" if folder.is_dir() else "does not exist"
        raise DataError(f"cannot resume {folder}: it {state}; expected a folder that `tfvision search` wrote")
    return load_yaml(path)


def _run(search: Search, folder: Path, config: TrainConfig, data: Prepared, objective: str) -> None:
    from tfvision.search.trials import TrialRunner, full_config

    start = time.monotonic()
    with training_alone(folder), _resumable(folder):
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
    best = outcome.best
    again = f"tfvision train --config {shlex.quote(str(folder / BEST))}"
    say_result(
        f"\nbest: trial {best.number} of {len(outcome.trials)}, {objective} {best.scores[objective]:.4f}\n"
        f"train it: {again}\nreport: {report}"
    )
    console.print(f"done in {duration(time.monotonic() - start)}")


class _resumable:
    """Says with an interruption or a full disk how to go on."""

    def __init__(self, folder: Path) -> None:
        self.way_on = f"go on with `tfvision search --resume {shlex.quote(str(folder))}`"
        self.folder = folder

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: Any) -> None:
        if isinstance(error, WriteError):
            raise WriteError(f"{error}; then {self.way_on}") from error
        if isinstance(error, RunError):
            raise RunError(f"{error} (search folder: {self.folder})") from error
        if isinstance(error, KeyboardInterrupt):
            raise type(error)(f"interrupted; all finished trials are saved: {self.way_on}") from None


def _check_options(folder: Path, options: Mapping[str, Any]) -> None:
    """Refuse to go on with other options than a search began with.

    Raises:
        UsageError: With each difference.
    """
    was, now = flatten_mapping(open_search(folder)), flatten_mapping(options)
    changed = [
        f"{key}: {was.get(key, 'absent')} -> {now.get(key, 'absent')}"
        for key in {**was, **now}
        if key not in _FREE and was.get(key) != now.get(key)
    ]
    if changed:
        lines = [f"cannot resume {folder}: its options changed; put them back, or search anew into another --output"]
        raise UsageError("\n  ".join([*lines, *changed]))


def _with_rule(base: dict[str, Any], config: TrainConfig) -> dict[str, Any]:
    """Return the options with the rule by which the images were read."""
    return {**base, "source": {**(base.get("source") or {}), "pixel_rule": config.source.pixel_rule}}


def _output_folder(options: Mapping[str, Any]) -> Path:
    if options.get("output"):
        folder = Path(options["output"])
    else:
        name = Path(str(options.get("data", "digits"))).name.split(".")[0] or "data"
        folder = Path("runs") / f"{name}-search-{datetime.now():%Y%m%d-%H%M%S}"
    refuse_existing(folder)
    return folder
