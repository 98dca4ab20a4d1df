"""The verb learning-curve."""

import argparse

from tfvision.cli.train import add_training, train_config
from tfvision.cli.verbs import Verbs, add_running, add_verb
from tfvision.config.flags import Parser
from tfvision.learning_curve.plan import FORECAST, MOST_REPEATS, SHARES

_EXAMPLES = (
    "learning-curve photos/",
    "learning-curve cells.zip --shares 0.2,0.4,1 --preset balanced",
)


def add_learning_curve(verbs: Verbs) -> None:
    """Add the verb `learning-curve`."""
    add_verb(verbs, "learning-curve", learning_curve, _add_flags, _EXAMPLES)


def _add_flags(command: Parser) -> None:
    shares = ",".join(f"{share:g}" for share in SHARES)
    command.add_argument(
        "--shares", default=shares, metavar="X,X,X", help=f"shares of the training images (default {shares})"
    )
    command.add_argument(
        "--repeats",
        type=int,
        default=MOST_REPEATS,
        metavar="N",
        help="the most trainings of one share, each on other images; large shares get fewer, as many as cost no more than one "
        f"training on all images (default {MOST_REPEATS})",
    )
    command.add_argument(
        "--forecast",
        type=float,
        default=FORECAST,
        metavar="X",
        help=f"what so many times the training images would bring (default {FORECAST:g})",
    )
    command.add_argument("--config", metavar="FILE", help="YAML file of options, or the name of a recipe")
    command.add_argument(
        "--resume", dest="go_on", action="store_true", help="resume in the folder --output; finished trainings are kept"
    )
    add_training(command)
    add_running(command)


def learning_curve(args: argparse.Namespace) -> None:
    """Train on growing shares of the training images: would more images help, and how much?"""
    config = train_config(args, cache="float32")
    from tfvision.learning_curve.learning_curve import learning_curve

    plan = {"shares": args.shares, "repeats": args.repeats, "forecast": args.forecast}
    learning_curve(**vars(config), **plan, resume=args.go_on)
