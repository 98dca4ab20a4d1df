"""Pictures of predicted classes: confusion, curves, worst mistakes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tfvision.data.images.imageset import ImageSet
from tfvision.evaluation.mistakes import worst_mistakes
from tfvision.evaluation.predictions import Predictions
from tfvision.plots.classes import plot_calibration, plot_confusion_matrix, plot_precision_recall, plot_roc
from tfvision.plots.image_grid import plot_image_grid
from tfvision.plots.thumbnails import thumbnail
from tfvision.runs.names import CALIBRATION_CURVE, CONFUSION_MATRIX, PRECISION_RECALL, ROC, WORST_MISTAKES


def plot_classes(
    plots: Path, found: Predictions, scores: Mapping[str, Any], images_of_part: ImageSet | None, part: str
) -> None:
    """Draw the confusion matrix, the curves and the worst mistakes of predicted classes.

    Args:
        plots: The folder of the pictures.
        found: Predictions of the images of a part.
        scores: Their metrics, see `compute_metrics`.
        images_of_part: The images, for the worst mistakes; None if they are gone.
        part: Name of the part.
    """
    names = found.class_names
    plot_confusion_matrix(
        np.array(scores["confusion_matrix"]), names, plots / CONFUSION_MATRIX, f"Confusion matrix, {part}"
    )
    for plot, file in (
        (plot_precision_recall, PRECISION_RECALL),
        (plot_roc, ROC),
        (plot_calibration, CALIBRATION_CURVE),
    ):
        plot(found.labels, found.probabilities, names, plots / file)
    if images_of_part is None:
        return
    worst = worst_mistakes(found)
    places = {image_id: index for index, image_id in enumerate(images_of_part.ids)}
    captions = [
        f"{names[found.labels[i]]}, taken for {names[found.predicted[i]]} ({found.probabilities[i].max():.0%})"
        for i in worst
    ]
    images = [thumbnail(images_of_part.read(places[found.ids[i]]))[0] for i in worst]
    plot_image_grid(images, captions, f"Worst mistakes, {part}", plots / WORST_MISTAKES)
