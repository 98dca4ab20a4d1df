"""What `tfvision search` does: images in, a search folder with its best configuration out."""

import csv
import io
import shlex
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from tfvision.config.nested import flatten_mapping
from tfvision.config.yaml import dump_yaml
from tfvision.data.splits.splits_file import describe_splits
from tfvision.errors import RunError, UsageError, WriteError
from tfvision.experiment.preparation import Prepared, read_images
from tfvision.experiment.resolving import default_folder
from tfvision.runs.folder import Run, create_run, refuse_existing, training_alone
from tfvision.runs.names import ENVIRONMENT, SPLITS
from tfvision.runs.resume import check_data
from tfvision.search.best_models import BestModels
from tfvision.search.log import TrialLog
from tfvision.search.messages import TrialLines, describe_search
from tfvision.search.plan import Search, parse_search
from tfvision.search.reading import BEST, SEARCH, open_search, read_options
from tfvision.search.settings import SECTION
from tfvision.search.stages import SearchLoop, rank_trials
from tfvision.system.device import load_tensorflow
from tfvision.system.environment import describe_environment
from tfvision.system.files import remove_leftovers, to_json
from tfvision.system.terminal import console, duration, say_result
from tfvision.training.config import TrainConfig

TRIALS = "trials"
MODELS = "models"

# What may change when a search is resumed: where things are, and how many trials it has.
_FREE = ("data", "output", f"{SECTION}.trials")


def search(
    config: str | Path | None = None, *, resume: str | Path | None = None, dry_run: bool = False, **options: Any
) -> Path | None:
    """Search for the best options on the validation part, and write a search folder.

    Args:
        config: A YAML file of options with ranges, or the name of a recipe.
        resume: The folder of a search to resume, whose options are used if there is no file.
        dry_run: Check everything, read the images and print the plan; write and train nothing.
        **options: Options that replace those of the file, ranges included: `data="cells.zip"`,
            `search={"trials": 20}`.

    Returns:
        The search folder; None for a dry run.

    Raises:
        UsageError: No range, an invalid one, or options that do not go together.
        DataError: No such data, or unreadable images.
        RunError: All trials of a stage failed, or the disk is full.
    """
    folder = Path(resume) if resume else None
    return search_from_options(read_options(config, folder, options), dry_run=dry_run, resume=folder)


def search_from_options(
    options: Mapping[str, Any], *, dry_run: bool = False, resume: Path | None = None
) -> Path | None:
    """Do all that `tfvision search` does.

    Args:
        options: Nested options of training, some of them ranges, and the section `search`.
        dry_run: Check everything, read the images and print the plan; write and train nothing.
        resume: The folder of a search to resume; its options must be these, except for the number of trials.

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
    load_tensorflow()
    search = replace(search, base=_with_rule(search.base, config))
    plan = describe_search(search, config, data, objective)
    console.print(plan)
    if dry_run:
        console.print(f"dry run: nothing was trained, and nothing written to {folder}")
        return None
    splits = describe_splits(data.images, data.split, data.hashes)
    if resume:
        check_data(Run(folder), list(csv.DictReader(io.StringIO(splits, newline=""))))
    else:
        files = {SEARCH: dump_yaml(dict(options)), SPLITS: splits, ENVIRONMENT: to_json(describe_environment())}
        create_run(folder, files)
    _run(search, folder, config, data, objective)
    return folder


def _run(search: Search, folder: Path, config: TrainConfig, data: Prepared, objective: str) -> None:
    from tfvision.search.results import write_search_results  # with matplotlib
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
    """Adds to the message of an interruption or a full disk how to resume."""

    def __init__(self, folder: Path) -> None:
        self.way_on = f"go on with `tfvision search --resume {shlex.quote(str(folder))}`"
        self.folder = folder

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, WriteError):
            raise WriteError(f"{error}; then {self.way_on}") from error
        if isinstance(error, RunError):
            raise RunError(f"{error} (search folder: {self.folder})") from error
        if isinstance(error, KeyboardInterrupt):
            raise type(error)(f"interrupted; all finished trials are saved: {self.way_on}") from None


def _check_options(folder: Path, options: Mapping[str, Any]) -> None:
    """Refuse to resume a search with options other than those it began with.

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
        lines = [f"cannot resume {folder}: its options changed; put them back, or search again into another --output"]
        raise UsageError("\n  ".join([*lines, *changed]))


def _with_rule(base: dict[str, Any], config: TrainConfig) -> dict[str, Any]:
    """Return the options with the pixel rule by which the images were read."""
    return {**base, "source": {**(base.get("source") or {}), "pixel_rule": config.source.pixel_rule}}


def _output_folder(options: Mapping[str, Any]) -> Path:
    data = str(options.get("data", TrainConfig.data))
    folder = Path(options["output"]) if options.get("output") else default_folder(data, "search")
    refuse_existing(folder)
    return folder
