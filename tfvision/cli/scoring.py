"""Verbs that ask a trained model, or decide by what it said: evaluate, predict, compare, threshold, calibrate."""

import argparse
from pathlib import Path
from typing import Any

from tfvision.cli.verbs import add_running, add_verb, load_tensorflow
from tfvision.config.flags import add_flags, flags_to_dict
from tfvision.config.options import from_dict
from tfvision.data.options import Source
from tfvision.errors import UsageError
from tfvision.system.terminal import ProgressLine, console, say_result
from tfvision.tasks import has_boxes

_TTA_HELP = "test-time augmentation: the mean over the flips that training used, or over N draws of its augmentation"


def add_evaluate(verbs: Any) -> None:
    """Add the verb `evaluate`."""
    command = add_verb(verbs, "evaluate", evaluate)
    command.add_argument("model", metavar="RUN", help="run folder or SavedModel")
    command.add_argument("--data", help="labelled images; default the scores of the run's own test part")
    command.add_argument("--output", metavar="FILE", help="JSON file for the scores")
    command.add_argument("--predictions", metavar="FILE", help="CSV file for the class and p_<class> of each image")
    command.add_argument("--tta", metavar="flips|N", help=_TTA_HELP)
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


def add_predict(verbs: Any) -> None:
    """Add the verb `predict`."""
    command = add_verb(verbs, "predict", predict)
    command.add_argument("model", metavar="RUN", help="run folder or SavedModel")
    command.add_argument(
        "images",
        metavar="IMAGES",
        help="an image, a folder or .zip of images, a CSV that names them, or arrays (.npy, .npz, .h5)",
    )
    command.add_argument("--output", metavar="FILE", help="CSV file with id, predicted and p_<class>, or the box")
    command.add_argument("--draw", metavar="FOLDER", help="write the images with their boxes there")
    command.add_argument("--tta", metavar="flips|N", help=_TTA_HELP)
    add_flags(command, Source, (), only=("file_column", "pixel_rule", "on_bad"))  # the others are about labels
    add_running(command)


def predict(args: argparse.Namespace) -> None:
    """Predict the class of images, or the box in them, with a run or a SavedModel."""
    load_tensorflow(args)
    from tfvision.evaluation.predictions import write_unlabelled
    from tfvision.prediction.predict import predict_images
    from tfvision.prediction.predictors import load_predictor

    predictor = load_predictor(args.model)
    if has_boxes(predictor.facts.task):
        _predict_boxes(args, predictor)
        return
    if args.draw:
        raise UsageError(f"--draw draws boxes, and {args.model} finds none; leave it out")
    if args.tta:
        from tfvision.prediction.tta import with_tta
        from tfvision.runs.folder import open_run

        predictor = with_tta(predictor, open_run(args.model), args.tta)
        console.print(f"mean of {len(predictor.views)} views of each image")
    found = predict_images(predictor, _read_images(args, args.images, predictor, labelled=False))
    if args.output:
        write_unlabelled(args.output, found)
        console.print(f"{len(found):,} predictions: {args.output}")
        return
    for image_id, label, row in zip(found.ids, found.predicted, found.probabilities, strict=True):
        say_result(f"{image_id}  {found.class_names[label]}  {row[label]:.4f}")


def add_compare(verbs: Any) -> None:
    """Add the verb `compare`."""
    command = add_verb(verbs, "compare", compare)
    command.add_argument(
        "runs",
        nargs="+",
        metavar="RUN",
        help="run folders, or CSV files of `evaluate --predictions`; the first is what the others are compared with",
    )
    command.add_argument(
        "--common", action="store_true", help="where tests differ, compare on the images in all of them"
    )
    command.add_argument("--output", metavar="FOLDER", help="where to write comparison.csv and comparison.png")
    add_running(command, computes=False)


def compare(args: argparse.Namespace) -> None:
    """Compare runs on the same test images, each with the first, by a paired bootstrap."""
    from tfvision.comparison.compare import compare_runs, describe_comparison, write_comparison

    found = compare_runs(args.runs, common=args.common)
    say_result(describe_comparison(args.runs[0], found))
    for path in write_comparison(args.output, args.runs[0], found) if args.output else ():
        console.print(f"written: {path}")


def add_threshold(verbs: Any) -> None:
    """Add the verb `threshold`."""
    command = add_verb(verbs, "threshold", threshold)
    command.add_argument("run", metavar="RUN", help="run folder; its classes are decided so from now on")
    command.add_argument(
        "--objective",
        default="f1",
        metavar="TEXT",
        help="f1 (of several classes macro-F1), f1_macro, precision=0.9 (highest recall at it), cost=FP:1,FN:5, or none "
        "to take the choice back (default f1)",
    )
    add_running(command, computes=False)


def threshold(args: argparse.Namespace) -> None:
    """Choose on validation when an image is of a class, and store it in a run."""
    from tfvision.decisions.choose import choose_threshold, describe_decision
    from tfvision.runs.folder import open_run

    run = open_run(args.run)
    say_result(describe_decision(run, choose_threshold(run, args.objective)))


def add_calibrate(verbs: Any) -> None:
    """Add the verb `calibrate`."""
    command = add_verb(verbs, "calibrate", calibrate)
    command.add_argument("run", metavar="RUN", help="run folder; its probabilities are scaled so from now on")
    command.add_argument("--off", action="store_true", help="take the temperature back")
    add_running(command, computes=False)


def calibrate(args: argparse.Namespace) -> None:
    """Make the probabilities of a run mean what they say, by a temperature fitted on validation."""
    from tfvision.decisions.choose import choose_temperature, describe_decision
    from tfvision.runs.folder import open_run

    run = open_run(args.run)
    say_result(describe_decision(run, choose_temperature(run, off=args.off)))


def _predict_boxes(args: argparse.Namespace, predictor: Any) -> None:
    from tfvision.evaluation.box_predictions import write_box_predictions
    from tfvision.plots.box_drawing import draw_predictions
    from tfvision.prediction.predict import predict_boxes

    images = _read_images(args, args.images, predictor, labelled=False)
    found = predict_boxes(predictor, images)
    if args.draw:
        draw_predictions(found, images, Path(args.draw))
        console.print(f"{len(found):,} images with their boxes: {args.draw}")
    if args.output:
        write_box_predictions(args.output, found)
        console.print(f"{len(found):,} predictions: {args.output}")
    if args.output or args.draw:
        return
    names = found.classes.predicted_names if found.classes else [""] * len(found)
    for image_id, box, name in zip(found.ids, found.predicted, names, strict=True):
        say_result(f"{image_id}  {' '.join(f'{side:.1f}' for side in box)}  {name}".rstrip())


def _predict_labelled(args: argparse.Namespace) -> tuple[str, Any, Any, list[str]]:
    """Predict the images that `evaluate` is asked for: their name, predictions, the model's facts, missing classes."""
    from tfvision.prediction.predict import predict_labelled
    from tfvision.prediction.predictors import load_predictor
    from tfvision.prediction.tta import compare_tta, describe_gain, with_tta
    from tfvision.runs.folder import open_run

    predictor = load_predictor(args.model)
    tta = with_tta(predictor, open_run(args.model), args.tta) if args.tta else None
    name, images = _images_to_score(args, predictor)
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
    _, images = _images_to_score(args, predictor)
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


def _images_to_score(args: argparse.Namespace, predictor: Any) -> tuple[str, Any]:
    """Return the name and images of --data, else of the run's test part, or of its validation part without one."""
    if args.data is not None:
        return Path(args.data).name, _read_images(args, args.data, predictor, labelled=True)
    from tfvision.runs.folder import open_run
    from tfvision.runs.images import open_part

    run = open_run(args.model)
    name = "test" if "test" in run.metrics else "validation"
    return name, open_part(run, name)


def _read_images(args: argparse.Namespace, data: str, predictor: Any, *, labelled: bool) -> Any:
    """Open and scan images for a model, by the rule its own images were read by; say what is left out."""
    from tfvision.data.images.scan import scan
    from tfvision.data.sources.open import open_images

    source = from_dict(Source, flags_to_dict(Source, vars(args)))
    columns = source.columns()
    columns["pixel_rule"] = columns["pixel_rule"] or predictor.facts.pixel_rule
    boxes = has_boxes(predictor.facts.task)
    images = open_images(data, **columns, labelled=labelled, boxes=boxes)
    for note in images.notes:
        console.print(note)
    with ProgressLine("reading images", len(images)) as line:
        found = scan(images, on_bad=source.on_bad, progress=line.report, frames=boxes)
    for image_id, reason in found.unreadable[:20]:
        console.print(f"left out: {image_id}: {reason}")
    if found.unreadable:
        console.print(f"{len(found.unreadable):,} left out")
    return found.images
