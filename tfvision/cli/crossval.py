"""The verb crossval."""

import argparse

from tfvision.cli.train import add_training, train_config
from tfvision.cli.verbs import Verbs, add_running, add_verb
from tfvision.config.flags import Parser
from tfvision.data.sources.digits import refuse_missing_data

_EXAMPLES = (
    "crossval photos/ --folds 5",
    "crossval --audit likely --config blood_cells --data blood.npz",
)


def add_crossval(verbs: Verbs) -> None:
    """Add the verb `crossval`."""
    add_verb(verbs, "crossval", crossval, _add_flags, _EXAMPLES)


def _add_flags(command: Parser) -> None:
    command.add_argument("--folds", type=int, default=5, metavar="N", help="number of folds (default 5)")
    command.add_argument(
        "--audit",
        nargs="?",
        const="",
        metavar="WHAT",
        help="audit the images first and use only the clean ones: certain (default) or likely problems left out, or as a "
        "YAML file of the audit's options says",
    )
    command.add_argument("--config", metavar="FILE", help="YAML file of options, or the name of a recipe")
    command.add_argument(
        "--resume", dest="go_on", action="store_true", help="resume in the folder --output; finished folds are kept"
    )
    add_training(command)
    add_running(command)


def crossval(args: argparse.Namespace) -> None:
    """Train a run for each of several folds: mean and spread of every score, and each image predicted unseen."""
    config = train_config(args, cache="float32")
    refuse_missing_data(config.data)  # before what works on images is imported
    from tfvision.crossval.crossval import crossval

    audit = args.audit if args.audit != "" else True
    crossval(**vars(config), folds=args.folds, audit=audit, resume=args.go_on)
