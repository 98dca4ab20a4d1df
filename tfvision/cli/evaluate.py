"""The verb evaluate."""

import argparse
from typing import Any

from tfvision.cli.verbs import TTA_HELP, Verbs, add_running, add_trust, add_verb
from tfvision.config.flags import Parser, add_flags, flags_to_dict
from tfvision.data.options import Source
from tfvision.errors import UsageError
from tfvision.runs.folder import refuse_missing_model
from tfvision.system.terminal import console, say_result

_EXAMPLES = (
    "evaluate runs/cactus",
    "evaluate runs/cactus --data others.zip --predictions others.csv",
)


def add_evaluate(verbs: Verbs) -> None:
    """Add the verb `evaluate`."""
    add_verb(verbs, "evaluate", evaluate, _add_flags, _EXAMPLES)


def _add_flags(command: Parser) -> None:
    command.add_argument("model", metavar="RUN", help="run folder or SavedModel")
    command.add_argument("--data", help="labelled images; without it the scores of the run's own test part")
    command.add_argument("--output", metavar="FILE", help="JSON file for the scores")
    command.add_argument("--predictions", metavar="FILE", help="CSV file for the class and p_<class> of each image")
    command.add_argument("--tta", metavar="flips|N", help=TTA_HELP)
    command.add_argument(
        "--corrupt",
        metavar="NAMES",
        help="score the images under corruption, 5 severities each: all, or some of noise,blur,contrast,jpeg,brightness,"
        "pixelate,occlusion,rotation,blend",
    )
    command.add_argument("--seed", type=int, default=0, help="seed of the random draws of --corrupt (default 0)")
    add_flags(command, Source, (), title="reading images")
    add_trust(command)
    add_running(command)


def evaluate(args: argparse.Namespace) -> None:
    """Score a run or a SavedModel: on other images, or on the run's own test part."""
    refuse_missing_model(args.model)  # before what works on images is imported
    source = flags_to_dict(Source, vars(args))
    if args.corrupt:
        _evaluate_corrupted(args, source)
        return
    from tfvision.prediction.evaluate import evaluate

    files = {"output": args.output, "predictions": args.predictions}
    found = evaluate(args.model, args.data, tta=args.tta, trust=args.trust, **files, **source)
    if found.gain:
        say_result(found.gain)
    say_result(found.describe())
    for path in filter(None, files.values()):
        console.print(f"written: {path}")


def _evaluate_corrupted(args: argparse.Namespace, source: dict[str, Any]) -> None:
    if args.tta or args.predictions:
        raise UsageError("--corrupt scores many sets of images; leave --tta and --predictions out")
    from tfvision.robustness.evaluate import evaluate_corrupted

    scores = evaluate_corrupted(
        args.model, args.data, args.corrupt, seed=args.seed, output=args.output, trust=args.trust, **source
    )
    say_result(scores.describe())
    for path in scores.written:
        console.print(f"written: {path}")
