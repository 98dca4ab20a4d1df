"""The verb ensemble."""

import argparse

from tfvision.cli.verbs import Verbs, add_running, add_trust, add_verb
from tfvision.config.flags import Parser, add_flags, flags_to_dict
from tfvision.ensembles.options import EnsembleOptions
from tfvision.training.config import TrainConfig

_TRAINING = ("data", "limit", "cache")

_EXAMPLES = (
    "ensemble runs/one runs/other runs/third",
    "ensemble --config earth_ensemble --data eurosat.zip --output earth",
)


def add_ensemble(verbs: Verbs) -> None:
    """Add the verb `ensemble`."""
    add_verb(verbs, "ensemble", ensemble, _add_flags, _EXAMPLES)


def _add_flags(command: Parser) -> None:
    command.add_argument("runs", nargs="*", metavar="RUN", help="run folders, or SavedModels beside a predictions.csv")
    command.add_argument("--output", metavar="FOLDER", help="the folder; default runs/<data>-ensemble-<time>")
    add_flags(command, EnsembleOptions, ("method", "objective", "seed"), title="combining")
    command.add_argument(
        "--config", metavar="FILE", help="in place of runs, a YAML file of members to train, or the name of a recipe"
    )
    command.add_argument(
        "--resume", action="store_true", help="with --config: go on in --output; finished members are kept"
    )
    add_flags(command, TrainConfig, _TRAINING, only=_TRAINING, title="training all members of --config")
    add_trust(command)
    add_running(command)


def ensemble(args: argparse.Namespace) -> None:
    """Combine finished runs, or train the members of a file and combine them, by the rule that promises most."""
    from tfvision.ensembles.ensemble import ensemble

    flags = vars(args)
    training = {name: flags[name] for name in _TRAINING if name in flags}
    given = flags_to_dict(EnsembleOptions, flags) | flags_to_dict(TrainConfig, training)
    ensemble(*args.runs, config=args.config, output=args.output, resume=args.resume, trust=args.trust, **given)
