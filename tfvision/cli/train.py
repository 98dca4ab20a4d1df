"""The verb train, and the options of a training that other verbs share."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfvision.cli.verbs import Verbs, add_print_config, add_running, add_verb
from tfvision.config.flags import Parser, add_flags, flags_to_dict
from tfvision.config.nested import merge
from tfvision.config.options import from_dict
from tfvision.config.recipes import find_recipe
from tfvision.config.yaml import load_yaml, to_yaml
from tfvision.data.sources.here import data_here
from tfvision.ensembles.options import MEMBERS
from tfvision.errors import UsageError
from tfvision.runs.seeds import holds_seeds
from tfvision.search.settings import SECTION
from tfvision.training.config import TrainConfig

_TRAIN_FLAGS = [
    "data",
    "backbone",
    "weights",
    "preset",
    "epochs",
    "unfreeze",
    "image_size",
    "batch_size",
    "learning_rate",
    "task",
    "seed",
    "output",
]
_PHASE_FLAGS = ("epochs", "learning_rate", "unfreeze")

_EXAMPLES = (
    "train photos/",
    "train photos.zip --backbone convnext_base --epochs 10",
    "train --config cactus --data cactus.zip --seed 1 --output runs/cactus",
    "train --resume runs/cactus",
)


def add_train(verbs: Verbs) -> None:
    """Add the verb `train`."""
    add_verb(verbs, "train", train, _add_flags, _EXAMPLES)


def _add_flags(command: Parser) -> None:
    command.add_argument("--config", metavar="FILE", help="YAML file of options, or the name of a recipe")
    command.add_argument("--resume", metavar="RUN", help="resume a run that was interrupted, with its own options")
    command.add_argument(
        "--seeds",
        metavar="SEEDS",
        help="a run for each of so many seeds from --seed on (5), or of these (11-20 or 3,5,8); prints mean and deviation",
    )
    command.add_argument(
        "--dry-run", action="store_true", help="scan, build, run one batch, print the plan, write nothing"
    )
    add_print_config(command)
    add_training(command)
    add_running(command)


def train(args: argparse.Namespace) -> None:
    """Train a model and write a run folder."""
    if args.resume and flags_to_dict(TrainConfig, vars(args)).get("output") not in (None, args.resume):
        raise UsageError(f"--resume goes on in {args.resume}; leave --output out")
    config = train_config(args)
    if args.print_config:
        if config.preset:  # what the word stands for is what was asked
            from tfvision.experiment.resolving import with_phases

            config = with_phases(config)
        sys.stdout.write(to_yaml(config, comments=True))
        return
    resumed = Path(args.resume) if args.resume else None
    if args.seeds is None and not (resumed and holds_seeds(resumed)):
        from tfvision.experiment.train import train

        train(**vars(config), dry_run=args.dry_run, resume=args.resume or False)
        return
    from tfvision.seeds.seeds import train_seeds

    options = vars(config) | ({"output": args.resume} if resumed else {})
    train_seeds(args.seeds, **options, dry_run=args.dry_run, resume=resumed is not None)


def train_config(args: argparse.Namespace, **defaults: Any) -> TrainConfig:
    """Return the options of a training: flags override the file or recipe, which overrides the defaults.

    Args:
        args: The parsed flags of a verb with the options of a training.
        **defaults: Options that the verb sets where neither flags nor file do.

    Returns:
        The options, with the phases not yet filled in.

    Raises:
        UsageError: An unknown or wrong option, by its name in the file or its flag.
    """
    in_file = load_yaml(find_recipe(args.config)) if args.config else {}
    if getattr(args, "resume", None) and not args.config:
        from tfvision.runs.resume import options_of_unfinished

        in_file = options_of_unfinished(Path(args.resume))
    if SECTION in in_file:
        raise UsageError(f"{args.config} describes a search; run it with `tfvision search --config {args.config}`")
    if MEMBERS in in_file:
        raise UsageError(f"{args.config} describes an ensemble; run it with `tfvision ensemble --config {args.config}`")
    from_dict(TrainConfig, in_file)  # so that a mistake in the file is reported by its key, not by a flag
    if args.config and in_file.get("phases") and any(in_file.get(key) is not None for key in _PHASE_FLAGS):
        raise UsageError(
            f"{args.config} gives phases and also {' or '.join(k for k in _PHASE_FLAGS if in_file.get(k) is not None)}; keep one of them"
        )
    flags = training_flags(args, in_file)
    if "phases" in flags:
        in_file = {key: value for key, value in in_file.items() if key not in _PHASE_FLAGS}
    return from_dict(TrainConfig, merge(merge(defaults, in_file), flags))


def training_flags(args: argparse.Namespace, in_file: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a training that flags give, and the data where neither they nor a file name it.

    Args:
        args: The parsed flags of a verb with `add_training`.
        in_file: The options of the file or recipe.

    Returns:
        The options by section; none is chosen for a run that is resumed or options that are only printed.

    Raises:
        UsageError: A flag has a wrong value, or the data is given twice.
    """
    flags = flags_to_dict(TrainConfig, vars(args)) | data_given(args)
    only_told = getattr(args, "print_config", False) or getattr(args, "resume", None)
    if not ("data" in flags or "data" in in_file or only_told):
        flags["data"] = data_here()
    return flags


def add_data(command: Parser) -> None:
    """Let the data be given as a word without `--data`."""
    command.add_argument("where", nargs="?", metavar="DATA", help="the data, the same as --data")


def data_given(args: argparse.Namespace) -> dict[str, str]:
    """Find the data that was given as a word.

    Args:
        args: The parsed flags of a verb with `add_data`.

    Returns:
        It by its key; nothing if it was not given so.

    Raises:
        UsageError: It was given as a flag too.
    """
    if args.where is None:
        return {}
    if hasattr(args, "data"):
        raise UsageError(f"the data is given twice, as {args.where} and as --data {args.data}; keep one of them")
    return {"data": args.where}


def add_training(command: Parser) -> None:
    """Add the options of a training."""
    add_data(command)
    command.add_argument(
        "--no-cache",
        dest="cache",
        action="store_const",
        const="none",
        default=argparse.SUPPRESS,
        help="compute features of the frozen part anew in each epoch, the same as --cache none",
    )
    add_flags(command, TrainConfig, _TRAIN_FLAGS)
