"""The verb pseudo-label."""

import argparse

from tfvision.cli.verbs import Verbs, add_running, add_verb
from tfvision.config.flags import Parser, add_flags, flags_to_dict
from tfvision.training.options import PseudoLabelOptions

_EXAMPLES = ("pseudo-label runs/mars --data unlabelled.npy",)


def add_pseudo_label(verbs: Verbs) -> None:
    """Add the verb `pseudo-label`."""
    add_verb(verbs, "pseudo-label", pseudo_label, _add_flags, _EXAMPLES)


def _add_flags(command: Parser) -> None:
    command.add_argument("run", metavar="RUN", help="run folder, which stays as it is")
    command.add_argument("--output", metavar="FOLDER", help="the new run folder; default RUN_pseudo")
    command.add_argument(
        "--rounds", type=int, default=1, metavar="N", help="how often images are labelled and learned from (default 1)"
    )
    command.add_argument(
        "--go-on",
        action="store_true",
        help="continue from the best weights; default each round begins from the initial ones",
    )
    add_flags(command, PseudoLabelOptions, ("data",))
    add_running(command)


def pseudo_label(args: argparse.Namespace) -> None:
    """Continue a finished run as a new one that labels images itself where it is sure, and learns from them."""
    from tfvision.experiment.pseudo_label import pseudo_label

    options = flags_to_dict(PseudoLabelOptions, vars(args))
    pseudo_label(args.run, rounds=args.rounds, go_on=args.go_on, output=args.output, **options)
