"""The verb lr-find."""

import argparse

from tfvision.cli.train import add_training, train_config
from tfvision.cli.verbs import Verbs, add_running, add_verb
from tfvision.config.flags import Parser, add_flags, flags_to_dict
from tfvision.config.options import leaves
from tfvision.data.sources.digits import refuse_missing_data
from tfvision.system.terminal import say_result
from tfvision.training.options import RateRangeOptions

_EXAMPLES = (
    "lr-find photos/",
    "lr-find --config cactus --data cactus.zip --output rates",
    "lr-find photos.zip --unfreeze 30% --optimizer sgd",
)


def add_lr_find(verbs: Verbs) -> None:
    """Add the verb `lr-find`."""
    add_verb(verbs, "lr-find", lr_find, _add_flags, _EXAMPLES)


def _add_flags(command: Parser) -> None:
    command.add_argument("--config", metavar="FILE", help="YAML file of options, or the name of a recipe")
    add_flags(command, RateRangeOptions, [key for key, _, _ in leaves(RateRangeOptions)], title="the range")
    add_training(command)
    add_running(command)


def lr_find(args: argparse.Namespace) -> None:
    """Find the learning-rate range of each phase on real batches, and suggest a rate."""
    config = train_config(args)
    refuse_missing_data(config.data)  # before what works on images is imported
    from tfvision.experiment.lr_find import lr_find

    found = lr_find(**vars(config), **flags_to_dict(RateRangeOptions, vars(args)))
    say_result(found.describe())
