"""What `tfvision search` does: images in, a search folder with its best configuration out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfvision.config.nested import flatten_mapping
from tfvision.data.sources.digits import refuse_missing_data
from tfvision.errors import UsageError
from tfvision.experiment.resolving import default_folder
from tfvision.runs.folder import refuse_existing
from tfvision.search.plan import parse_search
from tfvision.search.reading import open_search, read_options
from tfvision.search.scores import SearchScores
from tfvision.search.settings import SECTION
from tfvision.system.terminal import in_one_output
from tfvision.training.config import TrainConfig

# What may change when a search is resumed: where things are, and how many trials it has.
_FREE = ("data", "output", f"{SECTION}.trials")


@in_one_output
def search(
    config: str | Path | None = None, *, resume: str | Path | None = None, dry_run: bool = False, **options: Any
) -> SearchScores | None:
    """Search for the best options on the validation part, and write a search folder.

    Args:
        config: A YAML file of options with ranges, or the name of a recipe.
        resume: The folder of a search to resume, whose options are used if there is no file.
        dry_run: Check everything, read the images and print the plan; write and train nothing.
        **options: Options that replace those of the file, ranges included: `data="cells.zip"`,
            `search={"trials": 20}`.

    Returns:
        The trials and the search folder; None for a dry run.

    Raises:
        UsageError: No range, an invalid one, or options that do not go together.
        DataError: No such data, or unreadable images.
        RunError: All trials of a stage failed, or the disk is full.
    """
    folder = Path(resume) if resume else None
    return search_from_options(read_options(config, folder, options), dry_run=dry_run, resume=folder)


def search_from_options(
    options: Mapping[str, Any], *, dry_run: bool = False, resume: Path | None = None
) -> SearchScores | None:
    """Do all that `tfvision search` does.

    Args:
        options: Nested options of training, some of them ranges, and the section `search`.
        dry_run: Check everything, read the images and print the plan; write and train nothing.
        resume: The folder of a search to resume; its options must be these, except for the number of trials.

    Returns:
        The trials and the search folder; None for a dry run.

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
    refuse_missing_data(config.data)
    from tfvision.search.running import run_search

    return run_search(search, options, folder, objective, dry_run=dry_run, resume=resume is not None)


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


def _output_folder(options: Mapping[str, Any]) -> Path:
    data = str(options.get("data", TrainConfig.data))
    folder = Path(options["output"]) if options.get("output") else default_folder(data, "search")
    refuse_existing(folder)
    return folder
