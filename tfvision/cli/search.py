"""The verb search."""

import argparse
from pathlib import Path
from typing import Any

from tfvision.cli.train import add_training
from tfvision.cli.verbs import add_running, add_verb, load_tensorflow
from tfvision.config.flags import add_flags
from tfvision.search.settings import SearchOptions

_SEARCH_FLAGS = ["algorithm", "trials", "objective", "keep", "epochs_scale", "factor"]


def add_search(verbs: Any) -> None:
    """Add the verb `search`."""
    command = add_verb(verbs, "search", search)
    command.add_argument("--config", metavar="FILE", help="YAML file of options with ranges, or the name of a recipe")
    command.add_argument("--resume", metavar="FOLDER", help="go on with a search that was interrupted")
    command.add_argument(
        "--dry-run", action="store_true", help="check all, print the stages and their trials, and stop"
    )
    add_flags(command, SearchOptions, _SEARCH_FLAGS, only=_SEARCH_FLAGS, title="searching")
    add_training(command)
    add_running(command)


def search(args: argparse.Namespace) -> None:
    """Search for the best options on the validation part, and write a search folder."""
    from tfvision.search.reading import read_options

    options = read_options(args)
    resume = Path(args.resume) if args.resume else None
    load_tensorflow(args)
    from tfvision.search.search import search_from_options

    search_from_options(options, dry_run=args.dry_run, resume=resume)
