"""The verbs threshold and calibrate."""

import argparse

from tfvision.cli.verbs import Verbs, add_running, add_verb
from tfvision.config.flags import Parser
from tfvision.system.terminal import console, say_result

_EXAMPLES_THRESHOLD = ("threshold runs/cactus --objective f1",)

_EXAMPLES_CALIBRATE = ("calibrate runs/cactus",)


def add_threshold(verbs: Verbs) -> None:
    """Add the verb `threshold`."""
    add_verb(verbs, "threshold", threshold, _flags_of_threshold, _EXAMPLES_THRESHOLD)


def _flags_of_threshold(command: Parser) -> None:
    command.add_argument("run", metavar="RUN", help="run folder; the choice is stored in it and applied from now on")
    command.add_argument(
        "--objective",
        default="f1",
        metavar="TEXT",
        help="f1 (macro-F1 for several classes), f1_macro, precision=0.9 (highest recall at this precision), "
        "cost=FP:1,FN:5, or none to undo the choice (default f1)",
    )
    add_running(command, computes=False)


def threshold(args: argparse.Namespace) -> None:
    """Choose on validation when an image is of a class, and store it in a run."""
    from tfvision.decisions.choose import describe_decision, threshold

    say_result(describe_decision(threshold(args.run, args.objective)))


def add_calibrate(verbs: Verbs) -> None:
    """Add the verb `calibrate`."""
    add_verb(verbs, "calibrate", calibrate, _flags_of_calibrate, _EXAMPLES_CALIBRATE)


def _flags_of_calibrate(command: Parser) -> None:
    command.add_argument(
        "run", metavar="RUN", help="run folder; the temperature is stored in it and applied from now on"
    )
    command.add_argument("--off", action="store_true", help="remove the temperature")
    add_running(command, computes=False)


def calibrate(args: argparse.Namespace) -> None:
    """Make the probabilities of a run mean what they say, by a temperature fitted on validation."""
    from tfvision.decisions.choose import calibrate, describe_decision

    run = calibrate(args.run, off=args.off)
    if args.off:
        console.print("the temperature was taken back: probabilities are those of the model again")
    say_result(describe_decision(run))
