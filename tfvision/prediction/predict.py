"""What `tfvision predict` does: predict the class of images, or the box in them."""

from os import PathLike
from pathlib import Path
from typing import Any

from tfvision.config.options import from_dict
from tfvision.data.images.imageset import ImageSet
from tfvision.data.options import Source
from tfvision.data.sources.python import Held
from tfvision.errors import UsageError
from tfvision.evaluation.box_predictions import BoxPredictions, write_box_predictions
from tfvision.evaluation.predictions import Predictions, write_unlabelled
from tfvision.prediction.answers import predict_boxes, predict_images
from tfvision.prediction.images import read_given_images
from tfvision.prediction.predictors import ClassPredictor, KerasPredictor
from tfvision.prediction.stored import find_model
from tfvision.prediction.tta import TtaPredictor, stored_views
from tfvision.system.files import refuse_unwritable
from tfvision.system.terminal import console, in_one_output
from tfvision.tasks import has_boxes


@in_one_output
def predict(
    model: str | PathLike[str],
    images: "str | Path | Held | ImageSet",
    *,
    output: str | Path | None = None,
    draw: str | Path | None = None,
    tta: str | int | None = None,
    trust: bool = False,
    **source: Any,
) -> Predictions | BoxPredictions:
    """Predict the class of images, or the box in them, with a run or a SavedModel.

    Args:
        model: A run folder, a `.keras` file of a run, or a SavedModel.
        images: An image or a list of them, a folder or .zip of images, a CSV that lists them, arrays, or a set of images;
            labels are ignored.
        output: A CSV file to write id, predicted class and `p_<class>` to, or the box.
        draw: A folder to write the images to, with the predicted boxes drawn in.
        tta: Test-time augmentation: `flips` for the flips used in training, or a number of draws of the augmentation
            used in training.
        trust: Load a SavedModel even if its graph might read files, open connections or run Python.
        **source: How the images are read, as with the flags of the command line: `file_column`, `pixel_rule`,
            `on_bad`.

    Returns:
        The prediction for each image.

    Raises:
        UsageError: An unknown option, `draw` for a model that predicts no boxes, or `tta` that the run does not allow,
            see `views_of`.
        DataError: No such model or images.
        RunError: A file cannot be written.
    """
    options = from_dict(Source, source)
    stored = find_model(model, trust=trust)
    stored.refuse_programs()
    boxed = has_boxes(stored.facts.task)
    if draw is not None and not boxed:
        raise UsageError(f"--draw draws boxes, and {model} finds none; leave it out")
    views = None if tta is None else stored_views(stored, str(tta))
    refuse_unwritable(output)
    opened = read_given_images(images, stored.facts, options, labelled=False)
    predictor = stored.load()
    classifier: ClassPredictor = predictor
    if views is not None:
        assert isinstance(predictor, KerasPredictor)  # `stored_views` refuses all but runs
        classifier = TtaPredictor(predictor, views)
        console.print(f"mean of {len(views)} views of each image")
    found = predict_boxes(predictor, opened) if boxed else predict_images(classifier, opened)
    if isinstance(found, BoxPredictions) and draw is not None:
        from tfvision.plots.box_drawing import draw_predictions  # imports matplotlib

        draw_predictions(found, opened, Path(draw))
        console.print(f"{len(found):,} images with their boxes: {draw}")
    if output is not None:
        _write(output, found)
        console.print(f"{len(found):,} predictions: {output}")
    return found


def _write(path: str | Path, found: Predictions | BoxPredictions) -> None:
    if isinstance(found, BoxPredictions):
        write_box_predictions(path, found)
    else:
        write_unlabelled(path, found)
