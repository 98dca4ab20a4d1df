"""The verb search."""

import argparse

from tfvision.cli.train import add_training, training_flags
from tfvision.cli.verbs import Verbs, add_running, add_verb
from tfvision.config.flags import Parser, add_flags, flags_to_dict
from tfvision.config.recipes import find_recipe
from tfvision.config.yaml import load_yaml
from tfvision.search.settings import SECTION, SearchOptions

_SEARCH_FLAGS = ["algorithm", "trials", "objective", "keep", "epochs_scale", "factor"]

_EXAMPLES = (
    "search --config head_search photos/",
    "search photos/ --config space.yaml --trials 30 --output runs/search",
)


def add_search(verbs: Verbs) -> None:
    """Add the verb `search`."""
    add_verb(verbs, "search", search, _add_flags, _EXAMPLES)


def _add_flags(command: Parser) -> None:
    command.add_argument("--config", metavar="FILE", help="YAML file of options with ranges, or the name of a recipe")
    command.add_argument("--resume", metavar="FOLDER", help="resume a search that was interrupted")
    command.add_argument(
        "--dry-run", action="store_true", help="check everything, print the stages and their trials, and stop"
    )
    add_flags(command, SearchOptions, _SEARCH_FLAGS, only=_SEARCH_FLAGS, title="searching")
    add_training(command)
    add_running(command)


def search(args: argparse.Namespace) -> None:
    """Search for the best options on the validation part, and write a search folder."""
    from tfvision.search.search import search

    given = training_flags(args, load_yaml(find_recipe(args.config)) if args.config else {})
    given[SECTION] = flags_to_dict(SearchOptions, vars(args))
    search(args.config, resume=args.resume, dry_run=args.dry_run, **given)
