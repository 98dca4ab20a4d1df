"""The verb predict."""

import argparse
from pathlib import Path
from typing import Any

from tfvision.cli.images import TTA_HELP, read_images
from tfvision.cli.verbs import add_running, add_verb, load_tensorflow
from tfvision.config.flags import add_flags
from tfvision.data.options import Source
from tfvision.errors import UsageError
from tfvision.system.terminal import console, say_result
from tfvision.tasks import has_boxes


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
    command.add_argument("--tta", metavar="flips|N", help=TTA_HELP)
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
    found = predict_images(predictor, read_images(args, args.images, predictor, labelled=False))
    if args.output:
        write_unlabelled(args.output, found)
        console.print(f"{len(found):,} predictions: {args.output}")
        return
    for image_id, label, row in zip(found.ids, found.predicted, found.probabilities, strict=True):
        say_result(f"{image_id}  {found.class_names[label]}  {row[label]:.4f}")


def _predict_boxes(args: argparse.Namespace, predictor: Any) -> None:
    from tfvision.evaluation.box_predictions import write_box_predictions
    from tfvision.plots.box_drawing import draw_predictions
    from tfvision.prediction.predict import predict_boxes

    images = read_images(args, args.images, predictor, labelled=False)
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
