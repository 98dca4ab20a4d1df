"""Verbs that train: train, crossval, search, pseudo-label."""

import argparse
import sys
from pathlib import Path
from typing import Any

from tfvision.audit.options import AuditConfig
from tfvision.cli.verbs import add_print_config, add_running, add_verb, load_tensorflow
from tfvision.config.flags import Parser, add_flags, flags_to_dict
from tfvision.config.options import from_dict, merge
from tfvision.config.recipes import find_recipe
from tfvision.config.yaml import load_yaml, to_yaml
from tfvision.errors import UsageError
from tfvision.search.settings import SECTION, SearchOptions
from tfvision.training.config import TrainConfig
from tfvision.training.options import PseudoLabelOptions

_TRAIN_FLAGS = [
    "task",
    "data",
    "backbone",
    "classifier",
    "weights",
    "image_size",
    "epochs",
    "batch_size",
    "learning_rate",
    "unfreeze",
    "seed",
    "output",
]
_SEARCH_FLAGS = ["algorithm", "trials", "objective", "keep", "epochs_scale", "factor"]
_PHASE_FLAGS = ("epochs", "learning_rate", "unfreeze")


def add_train(verbs: Any) -> None:
    """Add the verb `train`."""
    command = add_verb(verbs, "train", train)
    command.add_argument("--config", metavar="FILE", help="YAML file of options, or the name of a recipe")
    command.add_argument("--resume", metavar="RUN", help="go on with a run that was interrupted, with its own options")
    command.add_argument(
        "--dry-run", action="store_true", help="scan, build, run one batch, print the plan, write nothing"
    )
    add_print_config(command)
    add_training(command)
    add_running(command)


def train(args: argparse.Namespace) -> None:
    """Train a model and write a run folder."""
    config = train_config(args)
    resume = Path(args.resume) if args.resume else None
    if args.print_config:
        sys.stdout.write(to_yaml(config, comments=True))
        return
    load_tensorflow(args)
    from tfvision.experiment.train import train_from_config

    train_from_config(config, dry_run=args.dry_run, resume=resume)


def add_crossval(verbs: Any) -> None:
    """Add the verb `crossval`."""
    command = add_verb(verbs, "crossval", crossval)
    command.add_argument("--folds", type=int, default=5, metavar="N", help="number of folds (default 5)")
    command.add_argument(
        "--audit",
        nargs="?",
        const="",
        metavar="FILE",
        help="audit the images first, with the options of a YAML file if one is given, and fold those that are clean",
    )
    command.add_argument("--config", metavar="FILE", help="YAML file of options, or the name of a recipe")
    command.add_argument(
        "--resume", dest="go_on", action="store_true", help="go on in the folder --output, where folds are finished"
    )
    add_training(command)
    add_running(command)


def crossval(args: argparse.Namespace) -> None:
    """Train a run for each of several folds: mean and spread of every score, and each image predicted unseen."""
    # In full precision what the trained part says of stored features is what the whole model says.
    config = train_config(args, cache="float32")
    backbones = [name.strip() for name in config.backbone.split(",")]
    load_tensorflow(args)
    from tfvision.crossval.crossval import cross_validate

    audit = None if args.audit is None else from_dict(AuditConfig, load_yaml(args.audit) if args.audit else {})
    cross_validate(config, backbones=backbones, folds=args.folds, audit=audit, resume=args.go_on)


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


def add_pseudo_label(verbs: Any) -> None:
    """Add the verb `pseudo-label`."""
    command = add_verb(verbs, "pseudo-label", pseudo_label)
    command.add_argument("run", metavar="RUN", help="run folder, which stays as it is")
    command.add_argument("--output", metavar="FOLDER", help="the new run folder; default RUN_pseudo")
    command.add_argument(
        "--rounds", type=int, default=1, metavar="N", help="how often images are labelled and learned from (default 1)"
    )
    command.add_argument(
        "--go-on", action="store_true", help="train on from the best weights; default each round begins afresh"
    )
    add_flags(command, PseudoLabelOptions, ("data",))
    add_running(command)


def pseudo_label(args: argparse.Namespace) -> None:
    """Go on with a finished run as a new one that labels images itself where it is sure, and learns from them."""
    load_tensorflow(args)
    from tfvision.experiment.pseudo_label import Rounds, pseudo_label
    from tfvision.runs.folder import open_run

    run = open_run(args.run)
    options = from_dict(PseudoLabelOptions, flags_to_dict(PseudoLabelOptions, vars(args)))
    output = Path(args.output) if args.output else run.folder.with_name(f"{run.folder.resolve().name}_pseudo")
    pseudo_label(run, options, Rounds(args.rounds, restart=not args.go_on), output)


def train_config(args: argparse.Namespace, **defaults: Any) -> TrainConfig:
    """Return the options of a training: flags over the file or recipe over defaults.

    Raises:
        UsageError: An unknown or wrong option, by its name in the file or its flag.
    """
    path = find_recipe(args.config) if args.config else None
    if getattr(args, "resume", None) and not path:
        from tfvision.runs.names import CONFIG
        from tfvision.runs.resume import open_unfinished

        path = open_unfinished(Path(args.resume)).folder / CONFIG
    in_file = load_yaml(path) if path else {}
    if SECTION in in_file:
        raise UsageError(f"{args.config} describes a search; run it with `tfvision search --config {args.config}`")
    from_dict(TrainConfig, in_file)  # refuses what is wrong in the file by its own name, not by a flag's
    if in_file.get("phases") and any(in_file.get(key) is not None for key in _PHASE_FLAGS):
        raise UsageError(
            f"{args.config} gives phases and also {' or '.join(k for k in _PHASE_FLAGS if in_file.get(k) is not None)}; keep one of them"
        )
    flags = flags_to_dict(TrainConfig, vars(args))
    if "phases" in flags:
        in_file = {key: value for key, value in in_file.items() if key not in _PHASE_FLAGS}
    return from_dict(TrainConfig, merge(merge(defaults, in_file), flags))


def add_training(command: Parser) -> None:
    """Add the options of a training."""
    command.add_argument(
        "--no-cache",
        dest="cache",
        action="store_const",
        const="none",
        default=argparse.SUPPRESS,
        help="compute features of the frozen part anew in each epoch, the same as --cache none",
    )
    add_flags(command, TrainConfig, _TRAIN_FLAGS)
