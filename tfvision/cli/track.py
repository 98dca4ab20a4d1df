"""The verb track."""

import argparse

from tfvision.cli.verbs import Verbs, add_running, add_verb
from tfvision.config.flags import Parser
from tfvision.system.terminal import say_result

_EXAMPLES = (
    "track runs/cactus --to mlflow",
    "track runs/cactus_seeds --to tensorboard,wandb",
)


def add_track(verbs: Verbs) -> None:
    """Add the verb `track`."""
    add_verb(verbs, "track", track, _add_flags, _EXAMPLES)


def _add_flags(command: Parser) -> None:
    command.add_argument("run", metavar="RUN", help="run folder, or a folder of runs")
    command.add_argument(
        "--to", default="tensorboard", metavar="NAMES", help="tensorboard (default), mlflow, wandb, or several (a,b)"
    )
    add_running(command, computes=False)


def track(args: argparse.Namespace) -> None:
    """Send a run to TensorBoard, MLflow or Weights & Biases: options, epochs, scores, pictures and the model."""
    from tfvision.tracking.track import track

    for sent in track(args.run, args.to):
        state = "" if sent.finished else " (unfinished: scores, pictures and model are yet to come)"
        say_result(f"{sent.run}{state}  {sent.tracker}: {sent.where}")
