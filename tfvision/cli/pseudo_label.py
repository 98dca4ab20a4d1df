"""The verb pseudo-label."""

import argparse
from pathlib import Path
from typing import Any

from tfvision.cli.verbs import add_running, add_verb, load_tensorflow
from tfvision.config.flags import add_flags, flags_to_dict
from tfvision.config.options import from_dict
from tfvision.training.options import PseudoLabelOptions


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
