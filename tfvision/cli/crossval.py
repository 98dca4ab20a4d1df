"""The verb crossval."""

import argparse
from typing import Any

from tfvision.audit.options import AuditConfig
from tfvision.cli.train import add_training, train_config
from tfvision.cli.verbs import add_running, add_verb, load_tensorflow
from tfvision.config.options import from_dict
from tfvision.config.yaml import load_yaml


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
