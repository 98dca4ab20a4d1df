"""The verb evaluate."""

import argparse
from pathlib import Path
from typing import Any

from tfvision.cli.images import TTA_HELP, images_to_score
from tfvision.cli.verbs import add_running, add_verb, load_tensorflow
from tfvision.config.flags import add_flags
from tfvision.data.options import Source
from tfvision.errors import UsageError
from tfvision.system.terminal import console, say_result
from tfvision.tasks import has_boxes


def add_evaluate(verbs: Any) -> None:
    """Add the verb `evaluate`."""
    command = add_verb(verbs, "evaluate", evaluate)
    command.add_argument("model", metavar="RUN", help="run folder or SavedModel")
    command.add_argument("--data", help="labelled images; default the scores of the run's own test part")
    command.add_argument("--output", metavar="FILE", help="JSON file for the scores")
    command.add_argument("--predictions", metavar="FILE", help="CSV file for the class and p_<class> of each image")
    command.add_argument("--tta", metavar="flips|N", help=TTA_HELP)
    command.add_argument(
        "--corrupt",
        metavar="NAMES",
        help="score the images under corruption, 5 severities each: all, or some of noise,blur,contrast,jpeg,brightness,"
        "pixelate,occlusion,rotation,blend",
    )
    command.add_argument("--seed", type=int, default=0, help="of what is drawn for --corrupt (default 0)")
    add_flags(command, Source, ())
    add_running(command)


def evaluate(args: argparse.Namespace) -> None:
    """Score a run or a SavedModel: on other images, or on the run's own test part."""
    load_tensorflow(args)
    from tfvision.evaluation.box_predictions import write_box_predictions
    from tfvision.evaluation.parts import compute_part, describe_scores
    from tfvision.evaluation.predictions import write_predictions
    from tfvision.runs.folder import open_run
    from tfvision.system.files import write_json

    if args.corrupt:
        _evaluate_corrupted(args)
        return
    if args.data is None and args.tta is None:
        run = open_run(args.model)
        name, facts = "test" if "test" in run.metrics else "validation", run.facts
        found = run.predictions.part(name)
        scores = compute_part(found, facts) if facts.decision else run.metrics[name]
    else:
        name, found, facts, missing = _predict_labelled(args)
        scores = {**compute_part(found, facts), "missing_classes": missing}
    say_result(describe_scores({name: scores}))
    if args.output:
        write_json(args.output, scores)
        console.print(f"written: {args.output}")
    if args.predictions:
        (write_box_predictions if has_boxes(facts.task) else write_predictions)(args.predictions, found)
        console.print(f"written: {args.predictions}")


def _predict_labelled(args: argparse.Namespace) -> tuple[str, Any, Any, list[str]]:
    """Predict the images that `evaluate` is asked for: their name, predictions, the model's facts, missing classes."""
    from tfvision.prediction.predict import predict_labelled
    from tfvision.prediction.predictors import load_predictor
    from tfvision.prediction.tta import compare_tta, describe_gain, with_tta
    from tfvision.runs.folder import open_run

    predictor = load_predictor(args.model)
    tta = with_tta(predictor, open_run(args.model), args.tta) if args.tta else None
    name, images = images_to_score(args, predictor)
    found, missing = predict_labelled(predictor, images) if tta is None else (None, [])
    if missing:
        console.print(f"no images of {', '.join(missing)}; in macro scores such a class counts 0 where it is predicted")
    if tta is not None:
        plain, found, ratio = compare_tta(tta, images)
        say_result(describe_gain(plain, found, ratio, len(tta.views)))
    return name, found, predictor.facts, missing


def _evaluate_corrupted(args: argparse.Namespace) -> None:
    """Score under corruption; of a run's own test part the files go into the run, else beside --output."""
    from tfvision.prediction.predictors import load_predictor
    from tfvision.report.page import write_report
    from tfvision.robustness.corruptions import parse_corruptions
    from tfvision.robustness.scores import score_corrupted, write_corrupted
    from tfvision.runs.names import PLOTS
    from tfvision.system.files import write_json

    if args.tta or args.predictions:
        raise UsageError("--corrupt scores many sets of images; leave --tta and --predictions out")
    names = parse_corruptions(args.corrupt)
    predictor = load_predictor(args.model)
    if has_boxes(predictor.facts.task):
        raise UsageError("--corrupt scores classes, and this model finds boxes; leave it out")
    _, images = images_to_score(args, predictor)
    scores = score_corrupted(predictor, images, names, seed=args.seed)
    say_result(scores.describe())
    if args.output:
        write_json(args.output, scores.to_dict())
        table = Path(args.output).with_suffix(".csv")
        written = write_corrupted(scores, images, table, table.parent, seed=args.seed)
    elif args.data is None:
        table, plots = Path(args.model) / "corruptions.csv", Path(args.model) / PLOTS
        written = [*write_corrupted(scores, images, table, plots, seed=args.seed), write_report(args.model)]
    else:
        return
    for path in written:
        console.print(f"written: {path}")
